"""Build a model from its config. Code below this module takes plain keyword arguments."""

from functools import partial
from typing import Literal

from torch.utils.checkpoint import checkpoint
from transformers import BertModel

from clipbug.config.model import (
    BackboneConfig,
    ClipBertResNetConfig,
    EncoderConfig,
    ModelConfig,
    ResNetConfig,
    SmallConvConfig,
)
from clipbug.errors import ConfigError
from clipbug.models.backbones.base import VisualBackbone
from clipbug.models.backbones.resnet import ClipBertResNet, ResNetBackbone
from clipbug.models.backbones.small import SmallConv
from clipbug.models.bert import build_bert
from clipbug.models.clipbert import ClipBert
from clipbug.models.embeddings import VisualEmbeddings
from clipbug.models.fusion import FusionEncoder
from clipbug.models.heads import ClassificationHead, Head, PretrainingHead, RegressionHead
from clipbug.models.visual import GridEncoder, VisualEncoder


def build_model(
    config: ModelConfig,
    *,
    head: Literal["classification", "pretraining", "regression"],
    num_classes: int | None,
    vocabulary_size: int,
    sampled_tokens: int | None = None,
) -> ClipBert:
    """Build a model with the weights that the config names; the rest is random from torch's generator.

    Args:
        config: Config of the whole model.
        head: Kind of output.
        num_classes: K, for classification.
        vocabulary_size: Number of tokens of the tokenizer.
        sampled_tokens: Maximum number of visual tokens in training; None for all.

    Returns:
        The model.

    Raises:
        CheckpointError: Weights do not exist or do not fit.
        ConfigError: There are fewer word embeddings than tokens.
        ValueError: Classification without `num_classes`.
    """
    backbone = build_backbone(config.backbone)
    bert = build_bert(config.encoder, vocabulary_size=_num_words(config.encoder, vocabulary_size))
    top: Head
    if head == "pretraining":
        top = PretrainingHead(bert.config, bert.embeddings.word_embeddings)
    elif head == "regression":
        top = RegressionHead(bert.config.hidden_size, dropout=config.head_dropout)
    elif num_classes is not None:
        top = ClassificationHead(bert.config.hidden_size, num_classes, dropout=config.head_dropout)
    else:
        raise ValueError("a classification head needs num_classes")
    return ClipBert(
        visual=_visual_encoder(config, backbone, bert),
        bert=_fusion_encoder(config, bert, sampled_tokens),
        head=top,
    )


def _num_words(config: EncoderConfig, tokens: int) -> int:
    if config.vocabulary_size is None:
        return tokens
    if config.vocabulary_size < tokens:
        raise ConfigError(
            f"the tokenizer has {tokens} tokens, but model.encoder.vocabulary_size is"
            f" {config.vocabulary_size}",
            hint="use the tokenizer that the weights were trained with",
        )
    return config.vocabulary_size


def _visual_encoder(config: ModelConfig, backbone: VisualBackbone, bert: BertModel) -> VisualEncoder:
    grid_encoder = GridEncoder(backbone.out_channels, bert.config.hidden_size, pool=config.grid_pool)
    return VisualEncoder(backbone=backbone, grid_encoder=grid_encoder)


def _fusion_encoder(config: ModelConfig, bert: BertModel, sampled_tokens: int | None) -> FusionEncoder:
    visual_embeddings = VisualEmbeddings(
        bert.config.hidden_size,
        max_grid_size=config.max_grid_size,
        layer_norm_eps=bert.config.layer_norm_eps,
        dropout=config.encoder.dropout,
        clip_positions=config.clip_position_embedding,
        sampled_tokens=sampled_tokens,
    )
    return FusionEncoder(bert=bert, visual_embeddings=visual_embeddings)


def build_backbone(config: BackboneConfig) -> VisualBackbone:
    """Build the backbone of a config.

    Returns:
        The backbone.

    Raises:
        CheckpointError: Weights do not exist or do not fit.
    """
    match config:
        case ResNetConfig():
            return ResNetBackbone(
                config.architecture,
                weights=config.weights,
                frozen_stages=config.frozen_stages,
                frozen_batch_norm=config.frozen_batch_norm,
            )
        case ClipBertResNetConfig():
            return ClipBertResNet(weights=config.weights, frozen_stages=config.frozen_stages)
        case SmallConvConfig():
            return SmallConv(config.widths, blocks=config.blocks)


def self_contained_config(config: ModelConfig, model: ClipBert) -> ModelConfig:
    """Return a config that rebuilds `model` without pretrained weights, with their sizes instead."""
    backbone, encoder = config.backbone, config.encoder
    if not isinstance(backbone, SmallConvConfig):
        backbone = backbone.model_copy(update={"weights": None})
    if encoder.pretrained is not None:
        sizes = model.bert.encoder.config
        encoder = encoder.model_copy(
            update={
                "pretrained": None,
                "hidden_size": sizes.hidden_size,
                "num_layers": sizes.num_hidden_layers,
                "num_heads": sizes.num_attention_heads,
                "intermediate_size": sizes.intermediate_size,
                "max_position_embeddings": sizes.max_position_embeddings,
            }
        )
    return config.model_copy(update={"backbone": backbone, "encoder": encoder})


def apply_training_switches(
    model: ClipBert, *, frames_per_call: int | None, recompute: bool, compiled: bool
) -> None:
    """Configure, once, how `model` computes during training.

    Args:
        model: Model to configure.
        frames_per_call: Frames per call of the backbone; None for the whole batch.
        recompute: Keep no activations inside backbone calls and encoder layers; the backward pass recomputes
            them. With a small `frames_per_call` the backbone's memory no longer grows with the batch.
        compiled: Compile backbone and encoder with `torch.compile` at their first call.
    """
    model.visual.frames_per_call = frames_per_call
    model.visual.recompute = recompute
    if recompute:
        for layer in model.bert.encoder.layer:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    if compiled:
        model.visual.compile()
        model.bert.compile()
