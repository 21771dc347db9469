"""The validation score of answers."""

import numpy as np
import pytest

from clipbug.data.records import QuestionRecord
from clipbug.errors import DataError
from clipbug.tasks.answer_metric import AnswerMetric
from clipbug.tasks.base import Prediction


def prediction(record_id: str, answer: str) -> Prediction:
    nothing = np.zeros(1, dtype=np.float32)
    return Prediction(record_id, record_id, "v", "?", answer, 1.0, ((answer, 1.0),), (), nothing, nothing)


RECORDS = [
    QuestionRecord("a", "a", "v", "?", {"OK": 0.5, "Cancel": 0.5}, "what"),
    QuestionRecord("b", "b", "v", "?", {"2": 1.0}, "how"),
    QuestionRecord("c", "c", "v", "?", {"back": 1.0}, "what"),
    QuestionRecord("d", "d", "v", "?", {}, "where"),
]


def test_label_weight_overall_and_by_type() -> None:
    predictions = [prediction("d", "top"), prediction("b", "2"), prediction("a", "ok")]  # c has none: wrong
    scores = AnswerMetric("vqa_score")(predictions, RECORDS)
    assert scores == {"vqa_score": 0.5, "vqa_score/how": 1.0, "vqa_score/what": 0.25}


def test_nothing_to_score_against() -> None:
    with pytest.raises(DataError, match="none of 1 rows"):
        AnswerMetric("accuracy")([prediction("d", "top")], RECORDS[3:])
