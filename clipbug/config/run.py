"""The config of a run: the content of `config.yaml` in a run directory."""

from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from clipbug.config.base import StrictModel
from clipbug.config.data import DataConfig, RegularSampling, Resize, SamplingConfig
from clipbug.config.model import ModelConfig, TokenizerConfig, WordPieceConfig
from clipbug.config.task import TaskConfig
from clipbug.config.train import EvalConfig, OptimConfig, TrainConfig

Precision = Literal["auto", "fp32", "bf16", "fp16"]


class RunConfig(StrictModel):
    """Everything that determines a run's result. Precedence: field default < YAML < `--set` < named flag."""

    task: TaskConfig = Field(description="what the model is trained for")
    seed: int = Field(42, ge=0, description="random seed of weights, sample order, clips and masks")
    precision: Precision = Field(
        "auto", description="auto: bf16 if the device computes in it natively, else fp32"
    )
    num_frames_per_clip: PositiveInt = Field(2, description="frames per clip, whose features are averaged")
    fps: PositiveFloat = Field(2.0, description="frame rate within a clip")
    sampling: SamplingConfig = Field(default_factory=RegularSampling, description="where clips are placed")
    clip_aggregation: Literal["mean", "max", "logsumexp"] = Field(
        "logsumexp", description="how the scores of clips are combined"
    )
    max_frame_size: PositiveInt = Field(
        448, description="frames are scaled to this size of the longer side, in pixels"
    )
    resize: Resize = Field(
        "antialiased",
        description="antialiased: the decoder scales frames; clipbert: bilinear, without antialiasing, as"
        " ClipBERT; where nothing is given, clipbert if sampling.name is clipbert",
    )
    padding: Literal["batch", "square"] = Field(
        "batch", description="batch: to the largest height and width in the batch; square: as in ClipBERT"
    )
    data: DataConfig = Field(default_factory=DataConfig, description="annotation files and stores")
    tokenizer: TokenizerConfig = Field(default_factory=WordPieceConfig, description="text to tokens")
    model: ModelConfig = Field(default_factory=ModelConfig, description="the network")
    optim: OptimConfig = Field(default_factory=OptimConfig, description="optimizer and schedule")
    train: TrainConfig = Field(default_factory=TrainConfig, description="training loop")
    eval: EvalConfig = Field(default_factory=EvalConfig, description="validation and inference")

    @model_validator(mode="before")
    @classmethod
    def _resize_of_sampling(cls, values: Any) -> Any:
        """Configs written before `resize` existed meant ClipBERT's resize by ClipBERT's sampling."""
        if not isinstance(values, dict) or "resize" in values:
            return values
        sampling = values.get("sampling")
        name = sampling.get("name") if isinstance(sampling, dict) else getattr(sampling, "name", None)
        return {**values, "resize": "clipbert"} if name == "clipbert" else values
