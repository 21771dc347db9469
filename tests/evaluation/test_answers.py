"""The object of `evaluate --json`, and its table."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clipbug.cli.views.scores import score_table
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionRecord
from clipbug.errors import DataError
from clipbug.evaluation.answers import score_predictions
from clipbug.evaluation.scores import AnswerScores
from clipbug.metrics.baselines import TrainingAnswers
from clipbug.metrics.choice_baselines import TrainingChoices
from clipbug.metrics.intervals import bootstrap_interval
from clipbug.recipes.evaluate import evaluate

FIRST, LAST = "what is tapped first?", "what is tapped last?"
RECORDS = [
    QuestionRecord("1", "1", "v1", FIRST, {"menu": 1.0}, "what", "todo"),
    QuestionRecord("2", "2", "v1", LAST, {"save": 1.0}, "what", "todo"),
    QuestionRecord("3", "3", "v2", FIRST, {"menu": 1.0}, "what", "game"),
    QuestionRecord("4", "4", "v2", "how many taps?", {"7": 1.0}, "how", "game"),
    QuestionRecord("5", "5", "v3", "where?", {}, "where", "game"),
]
PREDICTIONS = [{"id": "1", "answer": "Menu"}, {"id": "2", "answer": "menu"}, {"id": "3", "answer": "menu"}]
TRAINING = TrainingAnswers.from_records(
    [
        QuestionRecord("t1", "t1", "v8", FIRST, {"menu": 1.0}),
        QuestionRecord("t2", "t2", "v8", LAST, {"save": 1.0}),
        QuestionRecord("t3", "t3", "v9", LAST, {"save": 1.0}),
    ]
)


def printed_scores(*args: Any, **settings: Any) -> dict[str, Any]:
    """Return what `evaluate --json` prints of the scores."""
    return score_predictions(*args, **settings).to_json()


def test_every_number_of_the_object() -> None:
    scores = printed_scores(
        [*PREDICTIONS, {"id": "else", "answer": "x"}, {"id": "5", "answer": "top"}],
        RECORDS,
        task_name="video-qa",
        answers=["menu", "save"],
        training_answers=TRAINING,
    )
    assert scores == {
        "task": "video_qa",
        "score": 0.5,
        "metric": "accuracy",
        "count": 4,
        "answered": 3,
        "missing": 1,
        "missing_ids": ["4"],
        "unmatched": 1,
        "unlabelled": 1,
        "interval": list(bootstrap_interval([1, 0, 1, 0], ["v1", "v1", "v2", "v2"])),
        "ceiling": 0.75,
        "oov_share": 0.25,
        "baselines": {"majority": 0.25, "question_only": 0.75},
        "by_type": {"how": {"score": 0.0, "count": 1}, "what": {"score": pytest.approx(2 / 3), "count": 3}},
        "by_app": {"game": {"score": 0.5, "count": 2}, "todo": {"score": 0.5, "count": 2}},
    }
    assert json.loads(json.dumps(scores)) == scores


def test_what_is_not_known_is_null_or_empty() -> None:
    records = [QuestionRecord("1", "1", "v1", FIRST, {"menu": 1.0})]
    scores = printed_scores(PREDICTIONS[:1], records, task_name="video_qa")
    assert scores["baselines"] == {"majority": None, "question_only": None}
    assert scores["oov_share"] is None
    assert scores["by_app"] == {}
    assert scores["ceiling"] == 1.0


def test_soft_labels_score_their_weight() -> None:
    records = [
        QuestionRecord("30", "30", "3", "What will be your tap", {"Menu": 0.5, "Chat": 0.5}),
        QuestionRecord("31", "31", "3", "What screen is this", {"Home": 1.0}),
    ]
    answers = [{"question_id": 30, "answer": "chat"}, {"question_id": 31, "answer": "Home"}]
    scores = printed_scores(answers, records, task_name="vqa")
    assert (scores["metric"], scores["score"], scores["ceiling"]) == ("vqa_score", 0.75, 0.75)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([], "none of the 0 predictions"),
        ([{"id": "7", "answer": "a"}], "ids of predictions: 7; ids of rows: 1, 2, 3, 4, 5"),
        ([{"answer": "a"}], "prediction 1: fields answer"),
        ([{"id": "1", "answer": 3}], "prediction 1: fields id, answer"),
        ([*PREDICTIONS, {"id": 2, "answer": "x"}], "1 ids have two predictions: '2'"),
    ],
)
def test_predictions_that_cannot_be_used(predictions: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(DataError) as caught:
        printed_scores(predictions, RECORDS, task_name="video_qa")
    assert message in caught.value.message
    assert caught.value.hint


def test_no_answers_to_score_against() -> None:
    with pytest.raises(DataError, match="none of the 1 rows"):
        printed_scores([{"id": "5", "answer": "a"}], RECORDS[4:], task_name="video_qa")
    with pytest.raises(DataError, match="task pretraining"):
        printed_scores([], [CaptionRecord("1", "v", "a list")], task_name="pretraining")


def rendered(scores: AnswerScores) -> str:
    console = Console(file=StringIO(), width=100)
    console.print(score_table(scores))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_table_shows_score_baselines_ceiling_and_groups() -> None:
    text = rendered(
        score_predictions(
            PREDICTIONS, RECORDS, task_name="video_qa", answers=["menu"], training_answers=TRAINING
        )
    )
    rows = {line.split("│")[1].strip(): line.split("│")[2:4] for line in text.splitlines() if "│" in line}
    numbers = {name: [cell.strip() for cell in cells] for name, cells in rows.items()}
    assert numbers["model"] == ["50.0 %", "4"]
    assert numbers["baseline: majority answer"] == ["25.0 %", ""]
    assert numbers["baseline: question only, no frames"] == ["75.0 %", ""]
    assert numbers["ceiling: best reachable score"] == ["50.0 %", ""]
    assert numbers["type: what"] == ["66.7 %", "3"]
    assert numbers["app: game"] == ["50.0 %", "2"]
    assert numbers["rows without a prediction (counted as wrong)"] == ["", "1"]


def test_the_table_leaves_out_what_is_not_known_and_shows_names_as_they_are() -> None:
    records = [QuestionRecord("1", "1", "v1", FIRST, {"menu": 1.0}, "[b]what", "[red]app")]
    text = rendered(score_predictions(PREDICTIONS[:1], records, task_name="video_qa"))
    assert "baseline" not in text
    assert "counted as wrong" not in text
    assert "type: [b]what" in text
    assert "app: [red]app" in text


CHOICES = [
    ChoiceRecord("1", "1", "v1", FIRST, ("menu", "save"), 0, "action", "todo"),
    ChoiceRecord("2", "2", "v1", LAST, ("menu", "save", "back", "quit"), 3, "action", "todo"),
    ChoiceRecord("3", "3", "v2", FIRST, ("menu", "save"), None),
]


def test_choices_are_answered_by_text_or_by_index() -> None:
    training = TrainingChoices([ChoiceRecord("t", "t", "v9", FIRST, ("quit", "menu"), 1)])
    by_text = [{"id": "1", "answer": "Menu"}, {"id": "2", "answer": "back"}]
    by_index = [{"id": "1", "answer": 0}, {"question_id": "2", "answer": 2}]  # as the original writes them
    scores = [
        printed_scores(rows, CHOICES, task_name="multiple-choice", training_choices=training)
        for rows in (by_text, by_index)
    ]
    assert scores[0] == scores[1]
    assert (scores[0]["score"], scores[0]["count"], scores[0]["unlabelled"]) == (0.5, 2, 1)
    assert scores[0]["baselines"] == {"random": (1 / 2 + 1 / 4) / 2, "majority": 0.0, "question_only": 0.5}
    untrained = printed_scores(by_text, CHOICES, task_name="multiple_choice")
    assert untrained["baselines"] == {"random": 0.375, "majority": None, "question_only": None}
    with pytest.raises(DataError, match="lack an id or a text"):
        printed_scores([{"id": "1", "answer": 2}], CHOICES, task_name="multiple-choice")


def test_accuracies_of_multiple_choice_equal_the_original() -> None:
    original = json.loads(
        Path(__file__).parents[1].joinpath("metrics", "original_scores.json").read_text(encoding="utf-8")
    )
    options = tuple("abcde")
    action, mc = original["action"], original["msrvtt_mc"]
    answers = {
        "action": {str(row["question_id"]): row["answer"] for row in action["data"]},
        "mc": mc["id2answer"],
    }
    given = {
        "action": {str(row["question_id"]): row["answer"] for row in action["results"]},
        "mc": mc["pred"],
    }
    for name, expected in (("action", action["metrics"]["overall_acc"]), ("mc", 0.6)):
        rows = [
            ChoiceRecord(key, key, f"v{key}", "?", options, right) for key, right in answers[name].items()
        ]
        predictions = [{"id": key, "answer": answer} for key, answer in given[name].items()]
        scores = printed_scores(predictions, rows, task_name="multiple_choice")
        assert scores["score"] == pytest.approx(expected)
    assert mc["metrics"]["mc_accuracy"] == "60.00"


def test_counts_have_accuracy_and_squared_error() -> None:
    rows = [QuestionRecord(str(n), str(n), f"v{n}", "how many?", {str(n): 1.0}) for n in (1, 4, 12)]
    predictions = [{"id": "1", "answer": "1"}, {"id": "4", "answer": 6}]
    scores = score_predictions(predictions, rows, task_name="count", answers=[str(n) for n in range(1, 11)])
    assert scores.score == pytest.approx(1 / 3)
    assert scores.mse == scores.to_json()["mse"] == 2.0  # of the two that are answered
    assert (scores.missing, scores.ceiling) == (1, pytest.approx(2 / 3))
    assert printed_scores([{"id": "1", "answer": "one"}], rows, task_name="count")["mse"] is None
    table = Console(file=StringIO(), width=120)
    table.print(score_table(scores))
    assert "mean squared error" in table.file.getvalue()  # type: ignore[attr-defined]


def test_counts_of_any_program_are_scored_as_numbers(tmp_path: Path) -> None:
    data, predictions = tmp_path / "count.jsonl", tmp_path / "mine.jsonl"
    rows = [("v1", "three"), ("v2", "2")]
    data.write_text(
        "\n".join(json.dumps({"gif_name": name, "question": "how many?", "answer": n}) for name, n in rows)
    )
    predictions.write_text('{"id": "v1#1", "answer": 3}\n{"id": "v2#1", "answer": "5"}')
    scores = evaluate(storage=tmp_path, predictions=predictions, data=data).to_json()
    assert (scores["task"], scores["score"], scores["mse"]) == ("count", 0.5, 4.5)
    data.write_text(data.read_text().replace('"2"', '"the menu"'))
    predictions.write_text('{"id": "v1#1", "answer": "three"}')
    scores = evaluate(storage=tmp_path, predictions=predictions, data=data).to_json()
    assert (scores["task"], scores["score"]) == ("video_qa", 0.5)


def test_ids_that_a_spreadsheet_made_floats_are_the_same_rows() -> None:
    given = [{"id": 1.0, "answer": "menu"}, {"id": "2.0", "answer": "save"}, {"id": "3,0", "answer": "menu"}]
    scores = printed_scores(given, RECORDS, task_name="video-qa")
    assert (scores["answered"], scores["unmatched"], scores["score"]) == (3, 0, 0.75)
    with pytest.raises(DataError, match="two predictions"):
        printed_scores([*given, {"id": "1", "answer": "save"}], RECORDS, task_name="video-qa")


@pytest.mark.parametrize(
    ("answer", "score"), [(1, 1.0), (1.0, 1.0), ("1", 1.0), ("1.0", 1.0), ("b", 1.0), ("0", 0.0)]
)
def test_the_index_of_an_option_in_every_form(answer: object, score: float) -> None:
    row = ChoiceRecord("1", "1", "v", "what?", ("a", "b"), 1)
    predictions = [{"id": "1", "answer": answer}]
    assert printed_scores(predictions, [row], task_name="multiple-choice")["score"] == score
