"""The answer vocabulary: order, files, matching."""

import json
import random
from pathlib import Path

import pytest

from clipbug.data.annotations.answers import AnswerVocabulary, fold
from clipbug.data.records import QuestionRecord
from clipbug.errors import DataError
from clipbug.metrics.text import fold as fold_of_metrics


def rows(*labels: dict[str, float]) -> list[QuestionRecord]:
    return [QuestionRecord(f"r{i}", f"q{i}", "m", "what?", answers) for i, answers in enumerate(labels)]


RECORDS = rows(
    {"save": 1.0}, {"save": 0.5, "menu": 0.5}, {"tab": 1.0}, {"menu": 1.0}, {"save": 1.0}, {"add": 1.0}, {}
)


def test_order_is_by_count_then_text_whatever_the_order_of_rows() -> None:
    assert AnswerVocabulary.from_records(RECORDS).answers == ("save", "menu", "add", "tab")
    for seed in range(5):
        shuffled = random.Random(seed).sample(RECORDS, len(RECORDS))
        assert AnswerVocabulary.from_records(shuffled).answers == ("save", "menu", "add", "tab")


def test_rare_answers_are_left_out() -> None:
    assert AnswerVocabulary.from_records(RECORDS, min_count=2).answers == ("save", "menu")
    with pytest.raises(DataError, match="none of 4 answers occurs at least 9 times"):
        AnswerVocabulary.from_records(RECORDS, min_count=9)
    with pytest.raises(DataError, match="no record has an answer"):
        AnswerVocabulary.from_records(rows({}, {}))


def test_spellings_of_one_answer_are_one_class_in_the_commonest_spelling() -> None:
    records = rows({"STOP": 1.0}, {"Stop": 1.0}, {"Stop": 0.5, "STOP": 0.5}, {"Stop": 1.0}, {" stop ": 1.0})
    vocabulary = AnswerVocabulary.from_records(records, min_count=5)
    assert vocabulary.answers == ("Stop",)
    assert [vocabulary.index_of(text) for text in ("STOP", "stop", " sToP", "go")] == [0, 0, 0, None]


def test_the_same_text_goes_before_another_spelling() -> None:
    vocabulary = AnswerVocabulary(["Stop", "STOP", "log in"])
    assert [vocabulary.index_of(text) for text in ("STOP", "Stop", "stop", "Log  In")] == [1, 0, 0, 2]
    assert vocabulary.answer_at(2) == "log in"
    assert len(vocabulary) == 3
    for index in (-1, 3):
        with pytest.raises(IndexError, match=rf"\[0, 3\), got {index}"):
            vocabulary.answer_at(index)


@pytest.mark.parametrize("text", ["Log  In", " STRASSE", "straße", "\tÄ b\n", ""])
def test_data_and_metrics_agree_on_what_is_the_same(text: str) -> None:
    assert fold(text) == fold_of_metrics(text)


def test_save_and_load_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    AnswerVocabulary(["save", 'a "b"', "größer"]).save(path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"save": 0, 'a "b"': 1, "größer": 2}
    assert AnswerVocabulary.load(path).answers == ("save", 'a "b"', "größer")


def test_a_file_in_another_order_keeps_its_indices(tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    path.write_text('{"b": 2, "a": 0, "c": 1}')
    assert AnswerVocabulary.load(path).answers == ("a", "c", "b")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 0, "b": 1, "a": 2}', "'a' occurs more than once"),
        ('{"a": 0, "b": 0}', "'a' and 'b' have the same index 0"),
        ('{"a": 0, "b": 2}', "2 answers, but none with index 1"),
        ('{"a": 1, "b": 2}', "none with index 0"),
        ('{"a": 0, "b": 1.0}', "'b' is 1.0"),
        ('{"a": false, "b": 1}', "'a' is false"),
        ('{"a": "0"}', "'a' is \"0\""),
        ('{"a": -1}', "'a' is -1"),
        ("{}", "no answer"),
        ('["a"]', "got list"),
        ('{"a": 0', "line 1"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "answers.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        AnswerVocabulary.load(path)
    assert str(path) in caught.value.message
    assert problem in caught.value.message
    assert caught.value.hint


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.json cannot be read: No such file"):
        AnswerVocabulary.load(tmp_path / "absent.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(DataError, match=r"binary.json: .*utf-8"):
        AnswerVocabulary.load(tmp_path / "binary.json")


def test_wrong_answers_are_refused() -> None:
    with pytest.raises(ValueError, match="got none"):
        AnswerVocabulary([])
    with pytest.raises(ValueError, match="got 'b' more than once"):
        AnswerVocabulary(["a", "b", "b"])
