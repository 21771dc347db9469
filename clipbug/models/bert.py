"""Create the BERT whose modules the fusion encoder uses: of given sizes, or pretrained."""

import logging
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, BertConfig, BertModel

from clipbug.config.model import EncoderConfig
from clipbug.errors import CheckpointError

logger = logging.getLogger(__name__)

ACTIVATION = "gelu"
LAYER_NORM_EPS = 1e-12
OTHER_MODEL_HINT = "use a BERT in the original layout, such as bert-base-uncased"
MAX_PADDING_ROWS = 128
"""Some models pad their vocabulary for speed; a larger difference indicates another tokenizer."""


def build_bert(config: EncoderConfig, *, vocabulary_size: int) -> BertModel:
    """Build a BERT with `vocabulary_size` word embeddings.

    Args:
        config: Sizes, or the pretrained model to load.
        vocabulary_size: Number of word embeddings.

    Returns:
        The model.

    Raises:
        CheckpointError: `config.pretrained` cannot be loaded, is not a BERT, or belongs to another tokenizer.
    """
    if config.pretrained is not None:
        return _pretrained_bert(config.pretrained, dropout=config.dropout, vocabulary_size=vocabulary_size)
    sizes = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        intermediate_size=config.intermediate_size,
        max_position_embeddings=config.max_position_embeddings,
        hidden_act=ACTIVATION,
        layer_norm_eps=LAYER_NORM_EPS,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
    )
    return BertModel(sizes).apply(init_linear)


def _pretrained_bert(source: str, *, dropout: float, vocabulary_size: int) -> BertModel:
    path = Path(source).expanduser()
    if path.is_absolute() or source.startswith("."):
        if not path.is_dir():
            raise CheckpointError(
                f"model.encoder.pretrained: there is no folder {source}", hint=_fetch_hint(source)
            )
        source = str(path)
    try:
        sizes = AutoConfig.from_pretrained(source)
        _require_bert(source, sizes)
        loaded: Any = BertModel.from_pretrained(
            source,
            dtype=torch.float32,
            attn_implementation="sdpa",
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"cannot load the BERT {source}: {reason}", hint=_fetch_hint(source)) from error
    bert: BertModel = loaded[0]
    _require_complete(source, loaded[1]["missing_keys"])
    _fit_vocabulary(source, bert, vocabulary_size)
    return bert


def _fetch_hint(source: str) -> str:
    folder = Path(source).name
    name = folder if Path(source).is_absolute() or source.startswith(".") else source
    return (
        f"on a machine with network run `hf download {name} --local-dir {folder}` and set "
        "model.encoder.pretrained to that folder, or to null to train the encoder from scratch"
    )


def _require_bert(source: str, sizes: object) -> None:
    if not isinstance(sizes, BertConfig):
        kind = getattr(sizes, "model_type", type(sizes).__name__)
        raise CheckpointError(f"{source} is a {kind} model, not a BERT", hint=OTHER_MODEL_HINT)
    if sizes.hidden_act != ACTIVATION or sizes.layer_norm_eps != LAYER_NORM_EPS:
        raise CheckpointError(
            f"{source} uses {sizes.hidden_act} and layer_norm_eps {sizes.layer_norm_eps}, "
            f"but clipbug's encoder uses {ACTIVATION} and {LAYER_NORM_EPS}",
            hint=OTHER_MODEL_HINT,
        )


def _require_complete(source: str, missing: set[str]) -> None:
    # A BERT from masked language modelling alone has no pooler. That layer can be learned, the others not.
    encoder = sorted(name for name in missing if not name.startswith("pooler."))
    if encoder:
        raise CheckpointError(
            f"{source} lacks {len(encoder)} tensors of a BERT, such as {encoder[0]}", hint="download it again"
        )
    if missing:
        logger.warning("%s has no pooler; that layer is initialized randomly", source)


def _fit_vocabulary(source: str, bert: BertModel, vocabulary_size: int) -> None:
    table = bert.embeddings.word_embeddings
    if not 0 <= table.num_embeddings - vocabulary_size < MAX_PADDING_ROWS:
        raise CheckpointError(
            f"{source} has {table.num_embeddings} word embeddings, but the tokenizer has"
            f" {vocabulary_size} tokens",
            hint=f"set tokenizer.name to pretrained and tokenizer.path to {source}",
        )
    table.weight = nn.Parameter(table.weight.detach()[:vocabulary_size].clone())
    table.num_embeddings = bert.config.vocab_size = vocabulary_size


def init_linear(module: nn.Module) -> None:
    """Initialize a linear layer with weights of variance 1 / inputs and zero biases; for `Module.apply`.

    Such a layer preserves the scale of its input. BERT's 0.02 does so approximately at its width of 768; at
    width 128 it attenuates so much that training from scratch takes twice as many steps to use the frames.
    """
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=1 / math.sqrt(module.in_features))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
