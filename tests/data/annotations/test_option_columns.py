"""Options in columns of their own: multiple choice, and never an index as the answer to an open question."""

import json
import re
from pathlib import Path

import pytest

from clipbug.data.annotations import detect_family, read_annotations, scan_annotations
from clipbug.data.records import ChoiceRecord, QuestionRecord
from clipbug.errors import DataError

TEXTS = ("scroll", "tap", "swipe")


def write(path: Path, names: list[str], *answers: str, texts: tuple[str, ...] = TEXTS) -> Path:
    header = "\t".join(["gif_name", "question", *names, "answer", "vid_id", "key"])
    rows = ["\t".join([f"g{n}", "what?", *texts, answer, "A1", str(n)]) for n, answer in enumerate(answers)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    "names",
    [
        ["a1", "a2", "a3"],
        ["a0", "a1", "a2"],
        ["A1", "A2", "A3"],
        ["option1", "option2", "option3"],
        ["Option 0", "Option 1", "Option 2"],
        ["choice_1", "choice_2", "choice_3"],
        ["option_a", "option_b", "option_c"],
        ["A", "B", "C"],
        ["a", "b", "c"],
        ["(A)", "(B)", "(C)"],
        ["answer_a", "answer_b", "answer_c"],
    ],
)
def test_columns_of_options(tmp_path: Path, names: list[str]) -> None:
    path = write(tmp_path / "action.csv", names, "2", "0", "1.0", "tap", "")
    assert detect_family(path) == "multiple_choice"
    records = read_annotations(path)
    assert [record.options for record in records if isinstance(record, ChoiceRecord)] == [TEXTS] * 5
    assert [getattr(record, "answer", 0) for record in records] == [2, 0, 1, 1, None]
    for family in ("video_qa", "vqa"):
        with pytest.raises(
            DataError,
            match=re.escape(f"columns {names[0]} to {names[-1]} make this a multiple-choice row"),
        ):
            read_annotations(path, family=family)  # type: ignore[arg-type]


def test_answers_by_letter(tmp_path: Path) -> None:
    records = read_annotations(write(tmp_path / "quiz.tsv", ["option_a", "option_b", "option_c"], "B", "c"))
    assert [getattr(record, "answer", None) for record in records] == [1, 2]


@pytest.mark.parametrize("names", [["a", "b", "c"], ["(A)", "(B)", "(C)"], ["answer1", "answer2", "answer3"]])
def test_a_letter_is_the_number_of_an_option(tmp_path: Path, names: list[str]) -> None:
    records = read_annotations(write(tmp_path / "rows.csv", names, "C", "a"))
    assert [getattr(record, "answer", None) for record in records] == [2, 0]


def test_numbered_answers_are_options_where_the_answer_is_a_number_of_one(tmp_path: Path) -> None:
    names = ["answer1", "answer2", "answer3"]
    (choice,) = read_annotations(write(tmp_path / "choices.csv", names, "2"))
    assert isinstance(choice, ChoiceRecord)
    for raters, answer in ((("red", "red", "blue"), "red"), (("2", "2", "3"), "2")):
        (question,) = read_annotations(write(tmp_path / "raters.csv", names, answer, texts=raters))
        assert isinstance(question, QuestionRecord)
        assert question.labels == {answer: 1.0}


@pytest.mark.parametrize(
    ("texts", "answer", "expected"),
    [
        (("a", "b", "c"), "3", "field 'answer' is 3, but the last option has index 2"),
        (("a", "b", "c"), "d", "the index of an option or its text"),
        (("2", "0", "1"), "2", "the text of option 0 and the index of another"),
        (("a", "", "c"), "1", "option 'a2' is missing between 'a1' and 'a3'"),
        (("", "b", "c"), "1", "option 'a1' is missing"),
    ],
)
def test_rows_that_say_two_things_or_too_little_are_named(
    tmp_path: Path, texts: tuple[str, ...], answer: str, expected: str
) -> None:
    path = write(tmp_path / "action.csv", ["a1", "a2", "a3"], answer, texts=texts)
    file = scan_annotations(path, family="multiple_choice")
    assert file.problems[0].startswith(f"{path}:2: ")
    assert expected in file.problems[0]
    assert scan_annotations(path, family="video_qa").records == []


def test_fewer_options_in_a_row_and_numbers_as_options(tmp_path: Path) -> None:
    file = scan_annotations(write(tmp_path / "a.csv", ["a1", "a2", "a3"], "1", texts=("yes", "no", "")))
    assert [record.texts for record in file.records] == [("what? yes", "what? no")]
    path = tmp_path / "rows.jsonl"
    path.write_text('{"video": "7", "question": "q", "a0": 3, "a1": 4.0, "answer": 1.0}\n')
    (record,) = read_annotations(path)
    assert isinstance(record, ChoiceRecord)
    assert (record.media_id, record.options, record.answer) == ("7", ("3", "4"), 1)


def test_coordinates_and_single_columns_are_no_options(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("video_id,question,answer,X,Y,a1\nv,q,2,10,20,note\n")
    (record,) = read_annotations(path)
    assert isinstance(record, QuestionRecord)
    path.write_text("clip_name,caption,a1,a2\nv,a list,x,y\n")
    assert detect_family(path) == "captions"


@pytest.mark.parametrize("name", ["options", "choices", "candidates", "answer_choices"])
def test_lists_of_options_under_other_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"video_id": "v", "question": "what?", name: TEXTS, "answer": 2}))
    (record,) = read_annotations(path)
    assert isinstance(record, ChoiceRecord)
    assert record.labels == {"swipe": 1.0}
    with pytest.raises(DataError, match=f"field '{name}' makes this a multiple-choice row"):
        read_annotations(path, family="video_qa")
