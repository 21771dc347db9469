"""From a task's settings to the task."""

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
from clipbug.models.aggregation import ClipAggregation
from clipbug.tasks.base import Task
from clipbug.tasks.counting import Counting
from clipbug.tasks.multiple_choice import MultipleChoice
from clipbug.tasks.predictions import Answers
from clipbug.tasks.pretraining import Pretraining
from clipbug.tasks.question_answering import QuestionAnswering
from clipbug.tasks.retrieval import Retrieval


def build_task(
    config: TaskConfig,
    model: nn.Module,
    *,
    answers: Answers | None,
    clip_aggregation: ClipAggregation,
    label_smoothing: float,
    max_text_tokens: int = 0,
) -> Task:
    """The task around the model.

    Args:
        config: which task.
        model: with the head that the task needs.
        answers: the answer vocabulary, of the tasks that choose from one.
        clip_aggregation: how clip scores become one.
        label_smoothing: of single labels.
        max_text_tokens: places of a text, for pre-training whose loss is the mean over all of them.

    Raises:
        ConfigError: `label_smoothing` with a task that has no single labels; logsumexp where it cannot
            be.
        ValueError: a QA task without answers.
    """
    if label_smoothing and not isinstance(config, VideoQaConfig):
        raise ConfigError(
            f"train.label_smoothing is {label_smoothing}, but task {config.name} has no single labels",
            "leave it out, or --set train.label_smoothing=0",
        )
    match config:
        case PretrainingConfig():
            return Pretraining(
                model,
                clip_aggregation=clip_aggregation,
                losses=config.losses,
                mlm_places=max_text_tokens if config.mlm_average == "all" else None,
            )
        case MultipleChoiceConfig():
            return MultipleChoice(model, clip_aggregation=clip_aggregation)
        case RetrievalConfig():
            if clip_aggregation == "logsumexp" and config.loss == "rank":
                raise ConfigError(
                    "task.loss is rank and clip_aggregation logsumexp, whose scores grow with the clips",
                    "take the mean or maximum: --set clip_aggregation=mean",
                )
            return Retrieval(model, loss=config.loss, margin=config.margin, clip_aggregation=clip_aggregation)
        case CountConfig():
            if clip_aggregation == "logsumexp":
                raise ConfigError(
                    "clip_aggregation is logsumexp, which adds up the numbers that clips say",
                    "take the mean: --set clip_aggregation=mean",
                )
            return Counting(
                model,
                minimum=config.minimum,
                maximum=config.maximum,
                clip_aggregation=clip_aggregation,
            )
        case VqaConfig() | VideoQaConfig():
            if answers is None:
                raise ValueError(f"task {config.name} needs answers")
            return QuestionAnswering(
                model,
                answers=answers,
                clip_aggregation=clip_aggregation,
                soft_labels=isinstance(config, VqaConfig),
                label_smoothing=label_smoothing,
                every_row=isinstance(config, VqaConfig) and config.every_row,
            )
