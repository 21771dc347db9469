"""Settings of training and evaluation."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from clipbug.config.base import StrictModel

Schedule = Literal["linear", "cosine", "inverse_sqrt", "constant", "multi_step"]


class GroupConfig(StrictModel):
    """Optimizer settings of the backbone or the transformer."""

    learning_rate: PositiveFloat = Field(5e-5, description="peak learning rate")
    weight_decay: NonNegativeFloat = Field(1e-3, description="weight decay; not applied to biases and norms")
    multiplier: PositiveFloat = Field(
        1.0, description="learning rate factor of parameters that match `multiplied`"
    )
    multiplied: str = Field(
        "", description="apply `multiplier` to parameters whose name contains this; empty: none"
    )
    schedule: Schedule | None = Field(None, description="schedule of this group; null: optim.schedule")
    milestones: tuple[PositiveInt, ...] = Field(
        (), description="epochs at which the schedule multi_step halves the learning rate"
    )

    @model_validator(mode="after")
    def _multi_step_has_milestones(self) -> "GroupConfig":
        if self.schedule == "multi_step" and not self.milestones:
            raise ValueError("schedule multi_step requires milestones, such as [4, 8]")
        return self


class OptimConfig(StrictModel):
    """The optimizer, its parameter groups, and the learning rate schedule with warm-up."""

    algorithm: Literal["adamw", "adam", "adamax", "clipbert_adamw"] = Field(
        "adamw",
        description="clipbert_adamw: ClipBERT's, with epsilon before the bias correction, decay last",
    )

    backbone: GroupConfig = Field(default_factory=GroupConfig, description="backbone and grid encoder")
    transformer: GroupConfig = Field(default_factory=GroupConfig, description="embeddings, encoder and head")
    betas: tuple[float, float] = Field((0.9, 0.98), description="decay rates of the two moments")
    epsilon: PositiveFloat = Field(1e-6, description="added to the root of the second moment")
    schedule: Schedule = Field(
        "linear",
        description="linear and cosine decay to 0, inverse_sqrt as 1 / sqrt(step); constant and multi_step"
        " have no warm-up",
    )
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="length of the warm-up, as a share of all steps")
    max_gradient_norm: PositiveFloat | None = Field(
        5.0, description="clip the gradient norm over all parameters; null: no clipping"
    )


class TrainConfig(StrictModel):
    """The training loop."""

    num_clips: PositiveInt = Field(2, description="number of clips per recording and step")
    random_clips: bool = Field(
        True, description="sample new clip positions each time; false: as in evaluation"
    )
    batch_size: PositiveInt = Field(8, description="media items per process and micro-batch")
    accumulation_steps: PositiveInt = Field(1, description="micro-batches per optimizer step")
    loss_normalization: Literal["step", "micro_batch"] = Field(
        "step",
        description="step: losses are means over the whole optimizer step; micro_batch: the means of"
        " micro-batches are added, as in ClipBERT",
    )
    visual_tokens: PositiveInt | None = Field(
        None, description="maximum number of grid cells, sampled at random in each step; null: all"
    )
    num_epochs: PositiveInt = Field(10, description="passes over the training data, unless max_steps is set")
    max_steps: PositiveInt | None = Field(None, description="optimizer steps; overrides num_epochs")
    eval_every: PositiveInt | None = Field(
        None, description="steps between validations; null: once per epoch, at most 20 times"
    )
    save_every: PositiveInt | None = Field(
        None, description="steps between checkpoints; null: at each validation"
    )
    log_every: PositiveInt = Field(10, description="steps between logged scalars")
    keep_last: PositiveInt = Field(
        2, description="number of newest checkpoints to keep, in addition to the best"
    )
    background_saves: bool = Field(
        False,
        description="write checkpoints while training continues; needs memory for a copy of all weights",
    )
    max_skipped_steps: NonNegativeInt = Field(
        0, description="maximum number of steps to skip because of a NaN or infinite loss or gradient"
    )
    num_examples: NonNegativeInt = Field(
        4, description="number of predictions to show in TensorBoard per validation, with frames"
    )
    trackers: tuple[Literal["wandb", "mlflow"], ...] = Field(
        (), description="log scalars also to these trackers; install the extra of the same name"
    )
    clips_per_forward: PositiveInt | None = Field(
        None, description="number of clips per call of the backbone; null: all of a micro-batch"
    )
    activation_checkpointing: bool = Field(
        False, description="recompute activations in the backward pass: less memory, a third more time"
    )
    compile: bool = Field(
        False, description="torch.compile for backbone and encoder; the first steps take minutes"
    )
    augment: bool = Field(False, description="random shifts, zoom, brightness and tint of training frames")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="label smoothing of the answer distribution (video QA)"
    )


class EvalConfig(StrictModel):
    """Validation and inference."""

    num_clips: PositiveInt = Field(4, description="number of clips per recording")
    batch_size: PositiveInt = Field(8, description="media items per process and batch")
