"""Settings of the tasks. A union by `name`."""

from typing import Annotated, Literal

from pydantic import Field

from clipbug.config.base import StrictModel


class VqaConfig(StrictModel):
    """Image QA with soft labels (RICO, VQA v2)."""

    name: Literal["vqa"] = "vqa"


class VideoQaConfig(StrictModel):
    """Open-ended QA over recordings (TANGO, MSRVTT-QA)."""

    name: Literal["video_qa"] = "video_qa"


class PretrainingConfig(StrictModel):
    """Masked language modelling and visual-text matching on captions."""

    name: Literal["pretraining"] = "pretraining"
    mlm_probability: float = Field(0.15, gt=0, lt=1, description="share of tokens to predict")
    mismatch_probability: float = Field(
        0.5, gt=0, lt=1, description="share of texts exchanged for another visual's"
    )


TaskConfig = Annotated[VqaConfig | VideoQaConfig | PretrainingConfig, Field(discriminator="name")]
