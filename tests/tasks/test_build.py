"""Tasks from their settings."""

import pytest
from torch import nn

from clipbug.config.task import (
    CountConfig,
    MultipleChoiceConfig,
    PretrainingConfig,
    RetrievalConfig,
    TaskConfig,
    VideoQaConfig,
    VqaConfig,
)
from clipbug.errors import ConfigError
from clipbug.tasks.base import Task
from clipbug.tasks.build import build_task
from clipbug.tasks.counting import Counting
from clipbug.tasks.multiple_choice import MultipleChoice
from clipbug.tasks.pretraining import Pretraining
from clipbug.tasks.question_answering import QuestionAnswering
from clipbug.tasks.retrieval import Retrieval
from tests.helpers.batches import AnswerList


def build(config: TaskConfig, *, answers: AnswerList | None = None, label_smoothing: float = 0.0) -> Task:
    return build_task(
        config, nn.Identity(), answers=answers, clip_aggregation="max", label_smoothing=label_smoothing
    )


def test_each_setting_has_its_task() -> None:
    image, video = build(VqaConfig(), answers=AnswerList()), build(VideoQaConfig(), answers=AnswerList())
    assert isinstance(image, QuestionAnswering)
    assert image.soft_labels
    assert isinstance(video, QuestionAnswering)
    assert not video.soft_labels
    assert isinstance(build(PretrainingConfig()), Pretraining)
    assert isinstance(build(MultipleChoiceConfig()), MultipleChoice)
    ranking = build(RetrievalConfig(loss="rank", margin=0.5))
    assert isinstance(ranking, Retrieval)
    assert (ranking.loss, ranking.margin) == ("rank", 0.5)
    counting = build(CountConfig(minimum=0, maximum=4))
    assert isinstance(counting, Counting)
    assert counting.numbers == range(5)


def test_label_smoothing_reaches_the_task_or_is_refused() -> None:
    task = build(VideoQaConfig(), answers=AnswerList(), label_smoothing=0.1)
    assert isinstance(task, QuestionAnswering)
    assert task.label_smoothing == 0.1
    for config in (VqaConfig(), PretrainingConfig(), MultipleChoiceConfig()):
        with pytest.raises(ConfigError, match=r"train\.label_smoothing is 0\.1"):
            build(config, answers=AnswerList(), label_smoothing=0.1)


def test_question_answering_needs_answers() -> None:
    with pytest.raises(ValueError, match="video_qa needs answers"):
        build(VideoQaConfig())
