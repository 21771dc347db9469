"""Settings of the tasks. A union by `name`."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from clipbug.config.base import StrictModel


class VqaConfig(StrictModel):
    """Image QA with soft labels (RICO, VQA v2)."""

    name: Literal["vqa"] = "vqa"
    every_row: bool = Field(
        False,
        description="rows whose answers are all outside the vocabulary train too, towards no answer at all,"
        " as in the original",
    )


class VideoQaConfig(StrictModel):
    """Open-ended QA over recordings (TANGO, MSRVTT-QA)."""

    name: Literal["video_qa"] = "video_qa"


class MultipleChoiceConfig(StrictModel):
    """One question with the answers to choose from (TGIF action and transition, MSRVTT multiple choice)."""

    name: Literal["multiple_choice"] = "multiple_choice"


class CountConfig(StrictModel):
    """How many times? A regression, rounded and kept inside a range (TGIF count)."""

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


class RetrievalConfig(StrictModel):
    """Find the recording that a text describes, and the text that describes a recording."""

    name: Literal["retrieval"] = "retrieval"
    loss: Literal["ce", "rank"] = Field(
        "ce",
        description="ce: match or not, each text alone; rank: the own text above others by a margin",
    )
    margin: float = Field(0.2, gt=0, lt=1, description="of loss rank, between probabilities")
    negatives_per_text: PositiveInt = Field(
        1, description="texts of other visuals beside each text in training"
    )


class PretrainingConfig(StrictModel):
    """Masked language modelling and visual-text matching on captions."""

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


TaskConfig = Annotated[
    VqaConfig | VideoQaConfig | MultipleChoiceConfig | CountConfig | RetrievalConfig | PretrainingConfig,
    Field(discriminator="name"),
]
