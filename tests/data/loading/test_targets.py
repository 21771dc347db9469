"""Targets of questions."""

import pickle

import torch

from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.targets import single_label_targets, soft_label_targets
from clipbug.data.records import CaptionRecord, QuestionRecord

VOCABULARY = AnswerVocabulary(["save", "menu", "Stop"])


def row(labels: dict[str, float]) -> QuestionRecord:
    return QuestionRecord("r", "q", "m", "what?", labels)


def test_soft_labels_hold_the_weight_of_every_known_answer() -> None:
    encode = soft_label_targets(VOCABULARY)
    labels = encode(row({"menu": 0.5, "STOP": 0.25, "other": 0.25}))["labels"]
    assert labels.dtype == torch.float32
    assert labels.tolist() == [0.0, 0.5, 0.25]
    assert encode(row({"other": 1.0}))["labels"].tolist() == [0.0, 0.0, 0.0]


def test_spellings_of_one_answer_add_up_to_at_most_one() -> None:
    encode = soft_label_targets(VOCABULARY)
    assert encode(row({"Stop": 0.25, "STOP": 0.5}))["labels"].tolist() == [0.0, 0.0, 0.75]
    assert encode(row({"Stop": 1.0, "STOP": 0.5}))["labels"].tolist() == [0.0, 0.0, 1.0]


def test_a_single_label_is_the_class_of_the_weightiest_answer() -> None:
    encode = single_label_targets(VOCABULARY)
    labels = encode(row({"save": 0.3, "menu": 0.7}))["labels"]
    assert labels.dtype == torch.int64
    assert labels.shape == ()
    assert labels.item() == 1
    assert encode(row({"other": 1.0}))["labels"].item() == -100


def test_rows_without_answers_have_no_target() -> None:
    for encode in (soft_label_targets(VOCABULARY), single_label_targets(VOCABULARY)):
        assert encode(row({})) == {}
        assert encode(CaptionRecord("r", "m", "a screen")) == {}


def test_encoders_travel_to_worker_processes() -> None:
    for encode in (soft_label_targets(VOCABULARY), single_label_targets(VOCABULARY)):
        copy = pickle.loads(pickle.dumps(encode))
        assert torch.equal(copy(row({"menu": 1.0}))["labels"], encode(row({"menu": 1.0}))["labels"])
