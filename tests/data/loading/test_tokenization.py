"""Training a vocabulary, saving, loading, and what goes wrong."""

import json
import pickle
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from clipbug.data.loading.tokenization import SPECIAL_TOKENS, load_tokenizer, save_tokenizer, train_wordpiece
from clipbug.errors import DataError
from tests.conftest import TINY_TEXTS


def test_special_tokens_come_first_and_words_are_one_piece(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    assert tiny_tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2, 3, 4]
    assert tiny_tokenizer.pad_token_id == 0
    tokens = tiny_tokenizer.convert_ids_to_tokens(tiny_tokenizer("What is TAPPED first?")["input_ids"])
    assert tokens == ["[CLS]", "what", "is", "tapped", "first", "?", "[SEP]"]


def test_unseen_words_are_spelled_and_unseen_characters_unknown(
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    spelled = tiny_tokenizer.tokenize("reset")
    assert len(spelled) > 1
    assert "".join(piece.removeprefix("##") for piece in spelled) == "reset"
    assert tiny_tokenizer.tokenize("Ω") == ["[UNK]"]


def test_truncation_keeps_the_separator(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    ids = tiny_tokenizer("what is tapped first? " * 9, truncation=True, max_length=6)["input_ids"]
    assert len(ids) == 6
    assert (ids[0], ids[-1]) == (tiny_tokenizer.cls_token_id, tiny_tokenizer.sep_token_id)


def test_vocabulary_is_the_same_each_time_and_in_any_order_of_texts() -> None:
    # Each training seeds its hash maps anew: without the named alphabet these six would all differ.
    first = train_wordpiece(TINY_TEXTS, vocabulary_size=110).get_vocab()
    for _ in range(5):
        assert train_wordpiece(TINY_TEXTS, vocabulary_size=110).get_vocab() == first
    assert train_wordpiece(reversed(TINY_TEXTS), vocabulary_size=110).get_vocab() == first


def test_size_is_an_upper_limit_even_with_many_characters() -> None:
    texts = [chr(0x4E00 + number) for number in range(300)] + ["ab abc"] * 500
    vocabulary = train_wordpiece(texts, vocabulary_size=64).get_vocab()
    assert len(vocabulary) <= 64
    assert "abc" in vocabulary


def test_too_small_a_size_and_empty_texts_are_refused() -> None:
    with pytest.raises(ValueError, match=r"vocabulary_size must be at least 7, got 6"):
        train_wordpiece(["a"], vocabulary_size=6)
    with pytest.raises(DataError, match="no word"):
        train_wordpiece(["", "  "], vocabulary_size=64)


def test_save_and_load_give_the_same_ids(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    save_tokenizer(tiny_tokenizer, tmp_path / "tokenizer")
    loaded = load_tokenizer(tmp_path / "tokenizer")
    assert loaded.get_vocab() == tiny_tokenizer.get_vocab()
    for text in (*TINY_TEXTS, "Reset ÄÖ, now!"):
        assert loaded(text)["input_ids"] == tiny_tokenizer(text)["input_ids"]
    assert (loaded.pad_token_id, loaded.mask_token_id) == (0, 4)
    assert load_tokenizer(str(tmp_path / "tokenizer")).get_vocab() == tiny_tokenizer.get_vocab()


def test_a_bare_vocabulary_file_is_enough(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    vocabulary = tiny_tokenizer.get_vocab()
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n")
    assert (
        load_tokenizer(tmp_path)("Which screen")["input_ids"] == tiny_tokenizer("Which screen")["input_ids"]
    )


def test_a_pickled_tokenizer_works(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    copy = pickle.loads(pickle.dumps(tiny_tokenizer))
    assert copy("which screen")["input_ids"] == tiny_tokenizer("which screen")["input_ids"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (None, "there is no tokenizer folder"),
        ({}, "neither tokenizer.json nor vocab.txt"),
        ({"tokenizer.json": "{broken"}, "cannot be read"),
        ({"tokenizer.json": "{}", "tokenizer_config.json": "{}"}, "cannot be read"),
    ],
)
def test_a_bad_folder_is_named(tmp_path: Path, files: dict[str, str] | None, problem: str) -> None:
    folder = tmp_path / "tokenizer"
    if files is not None:
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
    with pytest.raises(DataError, match=problem) as caught:
        load_tokenizer(folder)
    assert str(folder) in caught.value.message
    assert caught.value.hint


def test_an_unknown_name_says_what_else_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str, **_: object) -> None:
        raise OSError(f"no connection for {name}\nmore")

    monkeypatch.setattr("clipbug.data.loading.tokenization.AutoTokenizer.from_pretrained", unreachable)
    with pytest.raises(DataError, match=r"'no-such-model'.*no connection") as caught:
        load_tokenizer("no-such-model")
    assert "tokenizer.name=wordpiece" in caught.value.hint


def test_a_tokenizer_without_mask_is_refused(tiny_tokenizer: PreTrainedTokenizerBase, tmp_path: Path) -> None:
    save_tokenizer(tiny_tokenizer, tmp_path / "tokenizer")
    settings = tmp_path / "tokenizer" / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"mask_token": None}))
    with pytest.raises(DataError, match="no mask token"):
        load_tokenizer(tmp_path / "tokenizer")
