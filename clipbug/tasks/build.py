"""What each task is made of: one arm per task that says which head, targets and data set belong to it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

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
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.datasets import VisualDataset, VisualTextDataset
from clipbug.data.loading.pretraining_dataset import PretrainingDataset
from clipbug.data.loading.retrieval_dataset import RetrievalDataset
from clipbug.data.loading.targets import (
    choice_targets,
    count_targets,
    single_label_targets,
    soft_label_targets,
)
from clipbug.errors import ConfigError
from clipbug.models.aggregation import ClipAggregation
from clipbug.tasks.base import Task
from clipbug.tasks.counting import Counting
from clipbug.tasks.multiple_choice import MultipleChoice
from clipbug.tasks.pretraining import Pretraining
from clipbug.tasks.question_answering import QuestionAnswering
from clipbug.tasks.retrieval import Retrieval

MakeDataset = Callable[..., VisualDataset]


@dataclass(frozen=True, slots=True)
class TaskParts:
    """What one task needs of the model and of the data.

    Attributes:
        make_task: wraps the model into the task.
        make_dataset: takes the groups of rows and the arguments of `DatasetSettings`.
        make_training_dataset: the same for training; None: `make_dataset`.
        head: of the model.
        num_outputs: of the head, per text: one for each answer, or one score; None: the head decides.
    """

    make_task: Callable[[nn.Module], Task]
    make_dataset: MakeDataset
    make_training_dataset: MakeDataset | None = None
    head: Literal["classification", "pretraining", "regression"] = "classification"
    num_outputs: int | None = 1


def task_parts(
    config: TaskConfig,
    *,
    answers: AnswerVocabulary | None,
    clip_aggregation: ClipAggregation,
    label_smoothing: float = 0.0,
    max_text_tokens: int = 0,
) -> TaskParts:
    """Return the parts of a task.

    Args:
        config: which task, with its settings.
        answers: the answer vocabulary, for tasks that choose an answer from one.
        clip_aggregation: how the scores of clips become one.
        label_smoothing: of single labels.
        max_text_tokens: length of a padded text, for a pre-training loss that is the mean over all tokens.

    Raises:
        ConfigError: `label_smoothing` for a task without single labels, or logsumexp for a task that cannot
            use it.
        ValueError: a task with a vocabulary and no answers.
    """
    if label_smoothing and not config.has_single_label:
        raise ConfigError(
            f"train.label_smoothing is {label_smoothing}, but task {config.name} has no single labels",
            "leave it out, or --set train.label_smoothing=0",
        )
    match config:
        case VqaConfig():
            answers = _required(answers, config)
            return TaskParts(
                partial(
                    QuestionAnswering,
                    answers=answers,
                    clip_aggregation=clip_aggregation,
                    soft_labels=True,
                    every_row=config.every_row,
                ),
                partial(VisualTextDataset, encode_targets=soft_label_targets(answers)),
                num_outputs=len(answers),
            )
        case VideoQaConfig():
            answers = _required(answers, config)
            return TaskParts(
                partial(
                    QuestionAnswering,
                    answers=answers,
                    clip_aggregation=clip_aggregation,
                    soft_labels=False,
                    label_smoothing=label_smoothing,
                ),
                partial(VisualTextDataset, encode_targets=single_label_targets(answers)),
                num_outputs=len(answers),
            )
        case MultipleChoiceConfig():
            return TaskParts(
                partial(MultipleChoice, clip_aggregation=clip_aggregation),
                partial(VisualTextDataset, encode_targets=choice_targets()),
            )
        case CountConfig():
            if clip_aggregation == "logsumexp":
                raise ConfigError(
                    "clip_aggregation is logsumexp, which adds up the numbers that clips say",
                    "take the mean: --set clip_aggregation=mean",
                )
            return TaskParts(
                partial(
                    Counting,
                    minimum=config.minimum,
                    maximum=config.maximum,
                    clip_aggregation=clip_aggregation,
                ),
                partial(VisualTextDataset, encode_targets=count_targets()),
                head="regression" if config.head == "clipbert" else "classification",
            )
        case RetrievalConfig():
            if clip_aggregation == "logsumexp" and config.loss == "rank":
                raise ConfigError(
                    "task.loss is rank and clip_aggregation logsumexp, whose scores grow with the clips",
                    "take the mean or maximum: --set clip_aggregation=mean",
                )
            return TaskParts(
                partial(Retrieval, loss=config.loss, margin=config.margin, clip_aggregation=clip_aggregation),
                partial(VisualTextDataset, encode_targets=choice_targets()),
                partial(RetrievalDataset, negatives_per_text=config.negatives_per_text),
                num_outputs=2 if config.loss == "ce" else 1,
            )
        case PretrainingConfig():
            return TaskParts(
                partial(
                    Pretraining,
                    clip_aggregation=clip_aggregation,
                    losses=config.losses,
                    mlm_places=max_text_tokens if config.mlm_average == "all" else None,
                ),
                partial(
                    PretrainingDataset,
                    mlm_probability=config.mlm_probability,
                    mismatch_probability=config.mismatch_probability,
                    masks_special_tokens=config.masking == "clipbert",
                ),
                head="pretraining",
                num_outputs=None,
            )


def _required(answers: AnswerVocabulary | None, config: TaskConfig) -> AnswerVocabulary:
    if answers is None:
        raise ValueError(f"task {config.name} needs answers")
    return answers


def build_task(
    config: TaskConfig,
    model: nn.Module,
    *,
    answers: AnswerVocabulary | None,
    clip_aggregation: ClipAggregation,
    label_smoothing: float = 0.0,
) -> Task:
    """Wrap a model, which has the head that the task needs, into the task; see `task_parts`."""
    parts = task_parts(
        config, answers=answers, clip_aggregation=clip_aggregation, label_smoothing=label_smoothing
    )
    return parts.make_task(model)
