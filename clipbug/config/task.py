"""Settings of the tasks, a union by `name`, with everything about a task that can be said without a model."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, PositiveInt, model_validator

from clipbug.config.base import StrictModel
from clipbug.config.data import Family
from clipbug.config.problems import nearest
from clipbug.errors import ConfigError

TrainingCommand = Literal["finetune", "pretrain"]


class TaskConfigBase(StrictModel):
    """The facts about a task that do not depend on its settings.

    Attributes:
        family: family of annotation files that the task trains on.
        preset: config that is used when none is named.
        metric: name of the main score; None: predictions of the task cannot be scored.
        command: the command that trains the task.
        has_vocabulary: whether an answer is chosen from a vocabulary made from the training annotations.
        has_single_label: whether a question has one right class, so that labels can be smoothed.
        answers_are_numbers: whether every answer is a whole number.
        ranks_recordings: whether a prediction is a ranking of recordings instead of an answer.
        question_medium: media that free questions are about; None: the task answers no free questions.
        also_answers: further tasks whose annotations a model of this task can answer without training.
    """

    family: ClassVar[Family]
    preset: ClassVar[str]
    metric: ClassVar[str | None] = None
    command: ClassVar[TrainingCommand] = "finetune"
    has_vocabulary: ClassVar[bool] = False
    has_single_label: ClassVar[bool] = False
    answers_are_numbers: ClassVar[bool] = False
    ranks_recordings: ClassVar[bool] = False
    question_medium: ClassVar[Literal["image", "video"] | None] = None
    also_answers: ClassVar[tuple[type["TaskConfigBase"], ...]] = ()

    @classmethod
    def task_name(cls) -> str:
        """Return the name as configs spell it, such as "video_qa"."""
        return str(cls.model_fields["name"].default)

    @classmethod
    def option_name(cls) -> str:
        """Return the name as the command line spells it, such as "video-qa"."""
        return cls.task_name().replace("_", "-")

    @classmethod
    def training_command(cls) -> str:
        """Return the command that trains the task, such as "finetune --task video-qa"."""
        return cls.command if cls.command == "pretrain" else f"{cls.command} --task {cls.option_name()}"

    @classmethod
    def can_score_answers(cls) -> bool:
        """Return whether predictions are answers that are compared with the annotated ones."""
        return cls.metric is not None and not cls.ranks_recordings

    def possible_answers(self) -> list[str] | None:
        """Return all answers that the settings allow; None: the settings do not limit them."""
        return None


class VqaConfig(TaskConfigBase):
    """Image QA with soft labels (RICO, VQA v2)."""

    family = "vqa"
    preset = "gui_vqa"
    metric = "vqa_score"
    has_vocabulary = True
    question_medium = "image"

    name: Literal["vqa"] = "vqa"
    every_row: bool = Field(
        False,
        description="rows whose answers are all outside the vocabulary train too, towards no answer at all,"
        " as in the original",
    )


class VideoQaConfig(TaskConfigBase):
    """Open-ended QA over recordings (TANGO, MSRVTT-QA)."""

    family = "video_qa"
    preset = "gui_video_qa"
    metric = "accuracy"
    has_vocabulary = True
    has_single_label = True
    question_medium = "video"

    name: Literal["video_qa"] = "video_qa"


class MultipleChoiceConfig(TaskConfigBase):
    """One question with the answers to choose from (TGIF action and transition, MSRVTT multiple choice)."""

    family = "multiple_choice"
    preset = "gui_multiple_choice"
    metric = "accuracy"

    name: Literal["multiple_choice"] = "multiple_choice"


class CountConfig(TaskConfigBase):
    """How many times? A regression, rounded and kept inside a range (TGIF count)."""

    family = "video_qa"
    preset = "gui_count"
    metric = "accuracy"
    answers_are_numbers = True
    question_medium = "video"

    name: Literal["count"] = "count"
    minimum: int = Field(1, ge=0, description="least number that is answered")
    maximum: PositiveInt = Field(10, description="greatest number that is answered")
    head: Literal["mlp", "clipbert"] = Field(
        "mlp", description="two layers as the other tasks; clipbert: the original's, with batch norm"
    )

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> "CountConfig":
        if self.minimum >= self.maximum:
            raise ValueError(f"minimum {self.minimum} is not below maximum {self.maximum}")
        return self

    def possible_answers(self) -> list[str]:
        """Return all numbers of the range."""
        return [str(number) for number in range(self.minimum, self.maximum + 1)]


class RetrievalConfig(TaskConfigBase):
    """Find the recording that a text describes, and the text that describes a recording."""

    family = "captions"
    preset = "gui_retrieval"
    metric = "mrr"
    ranks_recordings = True
    also_answers = (MultipleChoiceConfig,)

    name: Literal["retrieval"] = "retrieval"
    loss: Literal["ce", "rank"] = Field(
        "ce",
        description="ce: match or not, each text alone; rank: the own text above others by a margin",
    )
    margin: float = Field(0.2, gt=0, lt=1, description="of loss rank, between probabilities")
    negatives_per_text: PositiveInt = Field(1, description="texts of other visuals for each text in training")


class PretrainingConfig(TaskConfigBase):
    """Masked language modelling and visual-text matching on captions."""

    family = "captions"
    preset = "gui_pretraining"
    command = "pretrain"

    name: Literal["pretraining"] = "pretraining"
    mlm_probability: float = Field(0.15, gt=0, lt=1, description="share of tokens to predict")
    mismatch_probability: float = Field(
        0.5, gt=0, lt=1, description="share of texts exchanged for another visual's"
    )
    losses: tuple[Literal["mlm", "matching"], ...] = Field(
        ("mlm", "matching"),
        min_length=1,
        description="hidden tokens; whether text and visual belong together",
    )
    masking: Literal["words", "clipbert"] = Field(
        "words",
        description="words: at least one per text, never special tokens; clipbert: any token, [CLS] and [SEP]"
        " too, and now and then none",
    )
    mlm_average: Literal["hidden", "all"] = Field(
        "hidden",
        description="the loss is the mean over hidden tokens; all: over all data.max_text_tokens places of"
        " every text, as the original trains",
    )


# The order matters: annotations of unknown origin are taken for the first task of their family.
TaskConfig = Annotated[
    VqaConfig | VideoQaConfig | MultipleChoiceConfig | CountConfig | RetrievalConfig | PretrainingConfig,
    Field(discriminator="name"),
]
TaskClass = type[TaskConfigBase]
TASKS: tuple[TaskClass, ...] = get_args(get_args(TaskConfig)[0])


def find_task(name: str) -> TaskClass:
    """Return the task of this name; `video-qa` and `video_qa` are the same.

    Raises:
        ConfigError: no task has this name.
    """
    by_name = {task.task_name(): task for task in TASKS}
    key = name.replace("-", "_")
    if key not in by_name:
        guess = nearest(key, by_name)
        meant = f"; did you mean {guess}?" if guess else ""
        raise ConfigError(f"{name!r} is not a valid task{meant}", f"choose from: {', '.join(by_name)}")
    return by_name[key]


def task_of_family(family: Family) -> TaskClass:
    """Return the task that annotations of a family are taken for, where nothing else is known of them."""
    return next(task for task in TASKS if task.family == family)


def tasks_of_command(command: TrainingCommand) -> list[TaskClass]:
    """Return the tasks that a command trains."""
    return [task for task in TASKS if task.command == command]


def task_for_questions(medium: Literal["image", "video"]) -> TaskClass:
    """Return the task to train for free questions about images or recordings."""
    return next(task for task in TASKS if task.question_medium == medium)
