"""Model settings: backbone, encoder, tokenizer."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from clipbug.config.base import StrictModel


class ResNetConfig(StrictModel):
    """A torchvision ResNet."""

    name: Literal["resnet"] = "resnet"
    architecture: Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"] = Field(
        "resnet50", description="torchvision architecture"
    )
    weights: str | None = Field(
        None,
        description="file with a torchvision state dict, or a torchvision weights name; null: random",
    )
    frozen_stages: int = Field(
        0, ge=0, le=5, description="number of stages without gradient: 1 is the stem, 2 adds layer1 ..."
    )
    frozen_batch_norm: bool = Field(True, description="keep batch-norm statistics and scales fixed")


class ClipBertResNetConfig(StrictModel):
    """The ResNet-50 of the published ClipBERT: stride in the 1x1 convolution, BGR, pixel mean without std."""

    name: Literal["clipbert"] = "clipbert"
    weights: str | None = Field(None, description="detectron2 or ClipBERT checkpoint file; null: random")
    frozen_stages: int = Field(
        2, ge=0, le=5, description="number of stages without gradient; 2 = stem and res2, as in ClipBERT"
    )


class SmallConvConfig(StrictModel):
    """A small convolutional network with group norm, for training from scratch on a CPU."""

    name: Literal["small"] = "small"
    widths: tuple[PositiveInt, ...] = Field(
        (24, 48, 96, 160),
        min_length=2,
        max_length=6,
        description="channels of each stage; each stage halves the resolution",
    )
    blocks: PositiveInt = Field(1, description="residual blocks per stage")


BackboneConfig = Annotated[ResNetConfig | ClipBertResNetConfig | SmallConvConfig, Field(discriminator="name")]


class EncoderConfig(StrictModel):
    """The BERT over text and visual tokens."""

    pretrained: str | None = Field(
        None,
        description="Hugging Face name or folder of a BERT with sizes and weights; null: the sizes below",
    )
    vocabulary_size: PositiveInt | None = Field(
        None, description="number of word embeddings; null: number of tokens of the tokenizer"
    )
    hidden_size: PositiveInt = Field(768, description="width of the encoder")
    num_layers: PositiveInt = Field(12, description="number of transformer layers")
    num_heads: PositiveInt = Field(12, description="number of attention heads; must divide hidden_size")
    intermediate_size: PositiveInt = Field(3072, description="width of the feed-forward layers")
    max_position_embeddings: PositiveInt = Field(512, description="maximum text length in tokens")
    dropout: float = Field(
        0.1, ge=0, lt=1, description="dropout of embeddings, attention and feed-forward layers"
    )

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "EncoderConfig":
        if self.hidden_size % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} must divide hidden_size {self.hidden_size}")
        return self


class ModelConfig(StrictModel):
    """The whole model."""

    backbone: BackboneConfig = Field(default_factory=ResNetConfig, description="the 2-D network over frames")
    encoder: EncoderConfig = Field(
        default_factory=EncoderConfig, description="the joint text-visual transformer"
    )
    grid_pool: Literal[1, 2] = Field(2, description="max-pooling of the backbone's grid; 2 as in ClipBERT")
    max_grid_size: PositiveInt = Field(
        100, description="number of grid rows and columns with a position embedding"
    )
    clip_position_embedding: bool = Field(
        False, description="embed the position of each clip in the recording (ClipBERT does not)"
    )
    head_dropout: float = Field(0.1, ge=0, lt=1, description="dropout before the task head")


class WordPieceConfig(StrictModel):
    """Train a WordPiece vocabulary on the training texts."""

    name: Literal["wordpiece"] = "wordpiece"
    vocabulary_size: int = Field(4000, ge=64, description="maximum number of tokens")


class PretrainedTokenizerConfig(StrictModel):
    """Use the tokenizer of a BERT."""

    name: Literal["pretrained"] = "pretrained"
    path: str = Field("bert-base-uncased", description="Hugging Face name or local folder")


TokenizerConfig = Annotated[WordPieceConfig | PretrainedTokenizerConfig, Field(discriminator="name")]
