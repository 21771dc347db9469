"""Targets of rows as tensors."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.records import ChoiceRecord, QuestionRecord, Record

EncodeTargets = Callable[[Record], Mapping[str, Tensor]]

NO_TARGET = -100


def soft_label_targets(vocabulary: AnswerVocabulary) -> EncodeTargets:
    """Encode rows as {"labels": (K,) float32}, the weight of every answer; {} for a row without answers.

    Answers outside the vocabulary are left out: a row of none but such is all zeros. Spellings that share a
    class add up to at most 1.
    """
    return partial(_soft_labels, vocabulary)


def single_label_targets(vocabulary: AnswerVocabulary) -> EncodeTargets:
    """Encode rows as {"labels": () int64}, the class or -100 outside the vocabulary; {} without answer."""
    return partial(_single_label, vocabulary)


def choice_targets() -> EncodeTargets:
    """Encode rows as {"labels": () int64}, the index of the right option; {} if unknown."""
    return _right_option


def count_targets() -> EncodeTargets:
    """Encode rows with numbers as answers (see `with_number`) as {"count": () int64}; {} if unknown."""
    return _number


def no_targets(record: Record) -> Mapping[str, Tensor]:
    """Return no target: inference does not know what is right."""
    return {}


def _right_option(record: Record) -> Mapping[str, Tensor]:
    if not isinstance(record, ChoiceRecord) or record.answer is None:
        return {}
    return {"labels": torch.tensor(record.answer)}


def _number(record: Record) -> Mapping[str, Tensor]:
    answer = record.answer if isinstance(record, QuestionRecord) else None
    return {} if answer is None else {"count": torch.tensor(int(answer))}


def _soft_labels(vocabulary: AnswerVocabulary, record: Record) -> Mapping[str, Tensor]:
    if not isinstance(record, QuestionRecord) or not record.labels:
        return {}
    labels = torch.zeros(len(vocabulary))
    for answer, weight in record.labels.items():
        index = vocabulary.index_of(answer)
        if index is not None:
            labels[index] += weight
    return {"labels": labels.clamp(max=1.0)}


def _single_label(vocabulary: AnswerVocabulary, record: Record) -> Mapping[str, Tensor]:
    answer = record.answer if isinstance(record, QuestionRecord) else None
    if answer is None:
        return {}
    index = vocabulary.index_of(answer)
    return {"labels": torch.tensor(NO_TARGET if index is None else index)}
