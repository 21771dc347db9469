"""Text to token ids: a WordPiece vocabulary trained on the user's own texts, or the tokenizer of a BERT."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase

from clipbug.errors import DataError
from clipbug.runtime.files import atomic_folder, existing_path
from clipbug.runtime.mistaken_files import refuse_mistaken

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MAX_CHARACTERS = 1000
_CONTINUATION = "##"
_TEXTS_PER_CALL = 10_000
_FILES = (
    *("tokenizer.json", "vocab.txt", "tokenizer_config.json", "config.json", "special_tokens_map.json"),
    *("added_tokens.json", "merges.txt"),
)
"""Files of a tokenizer folder that transformers reads without checks."""

logger = logging.getLogger(__name__)


def train_wordpiece(texts: Iterable[str], *, vocabulary_size: int) -> PreTrainedTokenizerBase:
    """Train a lower-case BERT tokenizer on `texts`; the same texts give the same ids.

    Args:
        texts: what the model will read, in any order.
        vocabulary_size: greatest number of pieces. At most half of it are single characters, the most
            frequent ones; a word with another character becomes [UNK].

    Raises:
        ValueError: `vocabulary_size` leaves no room for a character.
        DataError: the texts hold no word.
    """
    num_characters = min(_MAX_CHARACTERS, (vocabulary_size - len(SPECIAL_TOKENS)) // 2)
    if num_characters < 1:
        raise ValueError(f"vocabulary_size must be at least {len(SPECIAL_TOKENS) + 2}, got {vocabulary_size}")
    texts = list(texts)
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(
        vocab_size=vocabulary_size,
        # Pieces that are not named here get their ids in the order of a randomly seeded hash map, and the ids
        # decide between merges of equal count; with every single character named, nothing is left to chance.
        special_tokens=[*SPECIAL_TOKENS, *_alphabet(tokenizer, texts, num_characters)],
        limit_alphabet=0,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return BertTokenizer(vocab=tokenizer.get_vocab(), do_lower_case=True)


def _alphabet(tokenizer: Tokenizer, texts: Sequence[str], num_characters: int) -> list[str]:
    """Return the most frequent characters of the texts, as word starts and as continuations, sorted."""
    words: Counter[str] = Counter()
    for text in texts:
        normalized = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized))
    if not words:
        raise DataError(
            "the training texts hold no word to build a vocabulary from", "Check the annotation files."
        )
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    kept = sorted(sorted(counts), key=counts.__getitem__, reverse=True)[:num_characters]
    inner = {character for word in words for character in word[1:]}
    return sorted(kept) + sorted(_CONTINUATION + character for character in kept if character in inner)


def load_tokenizer(name_or_folder: str | Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer of a local folder, or of a model by its Hugging Face name.

    A folder never causes network traffic, and a name does only if it is not in the local cache.

    Raises:
        DataError: no such folder or name, no tokenizer in it, or one without BERT's special tokens.
    """
    if _is_local(name_or_folder):
        tokenizer = _load_folder(Path(name_or_folder))
    else:
        tokenizer = _load_name(str(name_or_folder))
    missing = [
        name for name in ("pad", "cls", "sep", "mask") if getattr(tokenizer, f"{name}_token_id") is None
    ]
    if missing:
        raise DataError(
            f"the tokenizer of {name_or_folder} has no {', '.join(missing)} token",
            "Choose a BERT tokenizer, for example bert-base-uncased.",
        )
    return tokenizer


def cut_texts(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, *, max_tokens: int) -> dict[str, int]:
    """Return the texts with more tokens than a model reads, [CLS] and [SEP] included, and these numbers."""
    long = [text for text in dict.fromkeys(texts) if len(text) > max_tokens - 2]  # a token has a character
    cut: dict[str, int] = {}
    for start in range(0, len(long), _TEXTS_PER_CALL):
        part = long[start : start + _TEXTS_PER_CALL]
        with _quiet():  # it would warn of texts that are longer than the tokenizer's own limit
            lengths = map(len, tokenizer(part)["input_ids"])
        cut |= {text: num for text, num in zip(part, lengths, strict=True) if num > max_tokens}
    return cut


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the tokenizer's files; the folder appears complete or not at all.

    Raises:
        ClipbugError: the folder cannot be written.
    """
    with atomic_folder(folder) as temporary, _quiet():
        tokenizer.save_pretrained(str(temporary))


def _is_local(name_or_folder: str | Path) -> bool:
    """Return whether a path is meant: hub names are `name` or `owner/name`."""
    if isinstance(name_or_folder, Path) or existing_path(name_or_folder):
        return True
    return name_or_folder.startswith((".", "/", "~", "\\")) or name_or_folder.count("/") > 1


def _load_folder(folder: Path) -> PreTrainedTokenizerBase:
    folder = folder.expanduser()
    hint = "Name a folder with tokenizer.json or vocab.txt, for example tokenizer/ of a run folder."
    if not folder.is_dir():
        raise DataError(f"there is no tokenizer folder {folder}", hint)
    if not any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt")):
        raise DataError(f"folder {folder} holds neither tokenizer.json nor vocab.txt", hint)
    for name in _FILES:
        refuse_mistaken(folder / name, error=DataError)
    is_bare = not any((folder / name).exists() for name in ("tokenizer_config.json", "config.json"))
    kind = BertTokenizer if is_bare else AutoTokenizer
    try:
        with _quiet():
            return kind.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception for a damaged file
        raise DataError(f"the tokenizer in {folder} cannot be read: {_first_line(error)}", hint) from error


def _load_name(name: str) -> PreTrainedTokenizerBase:
    with _quiet():
        try:
            return AutoTokenizer.from_pretrained(name, local_files_only=True)
        except (OSError, ValueError):
            logger.info("tokenizer %s is not in the local cache: asking the Hugging Face hub", name)
        try:
            return AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError) as error:
            raise DataError(
                f"tokenizer {name!r} is not a local folder and could not be downloaded: {_first_line(error)}",
                "Check the name and the connection, or name a folder with tokenizer.json or vocab.txt, "
                "or train one on your texts: --set tokenizer.name=wordpiece",
            ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' own messages (advice for other uses, retries) from the user's terminal."""
    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub")]
    levels = [item.level for item in loggers]
    for item in loggers:
        item.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for item, level in zip(loggers, levels, strict=True):
            item.setLevel(level)
