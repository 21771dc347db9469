"""Determine the config and answer vocabulary of imported weights."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipbug.config import RunConfig
from clipbug.config.loading import config_from_values
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.errors import ConfigError
from clipbug.interop.clipbert_config import encoder_values, import_legacy
from clipbug.interop.clipbert_presets import PRESET_FLAGS
from clipbug.interop.sources import WeightsSource
from clipbug.models.weights.sizes import encoder_sizes, max_grid_size, num_classes, resnet_architecture

logger = logging.getLogger(__name__)


def import_settings(
    source: WeightsSource, task: str, tokenizer: str | None, overrides: Sequence[str]
) -> RunConfig:
    """Build the config of imported weights from the flags of their run, or else from the ClipBERT preset.

    Args:
        source: the weights and the files next to them.
        task: name of the clipbug task.
        tokenizer: name or folder; default: the tokenizer next to the weights.
        overrides: config overrides `a.b=c`.

    Returns:
        The config, with the sizes of the tensors.

    Raises:
        ConfigError: the tokenizer or number of heads is unknown, or a value is invalid.
    """
    flags = source.args if source.args is not None else PRESET_FLAGS[task]
    legacy = import_legacy(flags, task=task, model_config=source.model_config).values
    model = _model_values(source, head_dropout=legacy["model"].get("head_dropout", 0.1))
    if model["encoder"] and not any("num_heads" in text for text in (*model["encoder"], *overrides)):
        raise ConfigError(
            f"the number of attention heads is unknown for a BERT of width {model['encoder']['hidden_size']}",
            "give it: --set model.encoder.num_heads=N",
        )
    data = {
        "max_text_tokens": legacy["data"]["max_text_tokens"],
        "texts_per_visual": flags.get("max_n_example_per_group", 2),
    }
    values = {
        **legacy,
        **_head_values(source, task, legacy),
        "model": model,
        "tokenizer": {"name": "pretrained", "path": _tokenizer(source, tokenizer)},
        "precision": "fp32",  # as in ClipBERT
        "data": data,  # without files, as their paths belong to another machine
    }
    return config_from_values(values, overrides=overrides, shown_as=f"the settings for {source.name}")


def _tokenizer(source: WeightsSource, given: str | None) -> str:
    name = given or source.tokenizer
    if name is None:
        raise ConfigError(
            "there is no tokenizer next to the weights", "give --tokenizer with a folder or bert-base-uncased"
        )
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def _model_values(source: WeightsSource, *, head_dropout: float) -> dict[str, Any]:
    """Return the `model` section for the modules in the files, with the sizes of their tensors."""
    tensors = source.weights.tensors
    encoder = {**encoder_sizes(tensors), **_heads_and_dropout(source.model_config)}
    backbone = {"name": "clipbert"}
    if "torchvision" in source.weights.kinds:
        names = [name for name in tensors if name.startswith("visual.")]
        backbone = {"name": "resnet", "architecture": resnet_architecture(names)}
    rows = max_grid_size(tensors)
    grid = {} if rows is None else {"max_grid_size": rows}
    return {"backbone": backbone, "encoder": encoder, "head_dropout": head_dropout, **grid}


def _head_values(source: WeightsSource, task: str, legacy: Mapping[str, Any]) -> dict[str, Any]:
    """Return the task settings that follow from the tensors of the head."""
    tensors = source.weights.tensors
    if task == "count" and any(name.startswith("head.regressor.") for name in tensors):
        return {"task": {**legacy["task"], "head": "clipbert"}}
    if task == "retrieval" and num_classes(tensors) == 1:
        # The preset has logsumexp, which is never used with the ranking loss.
        aggregation = "mean" if source.args is None else legacy["clip_aggregation"]
        return {"task": {**legacy["task"], "loss": "rank"}, "clip_aggregation": aggregation}
    return {}


def _heads_and_dropout(model_config: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that tensor shapes do not determine."""
    values = encoder_values(model_config or {})
    return {key: values[key] for key in ("num_heads", "dropout") if key in values}


def import_vocabulary(source: WeightsSource, task: str, answers: Path | None) -> AnswerVocabulary | None:
    """Load the answer vocabulary of imported weights, with placeholder names for classes without an answer.

    Args:
        source: the weights and the files next to them.
        task: name of the clipbug task.
        answers: vocabulary file; default: that of the run.

    Returns:
        The vocabulary, or None for tasks without one.

    Raises:
        ConfigError: no vocabulary is given.
        DataError: the vocabulary cannot be read, or has a class that the head lacks.
    """
    if task not in ("vqa", "video_qa"):
        return None
    path = answers or source.answers
    if path is None:
        raise ConfigError(
            f"task {task} needs an answer vocabulary",
            "give the one that the model was trained with: --answers ans2label.json",
        )
    classes = num_classes(source.weights.tensors)
    if classes is None:
        return AnswerVocabulary.load(path)
    vocabulary = AnswerVocabulary.load_for_classes(path, classes)
    if vocabulary.num_unnamed:
        logger.warning(
            "the head has %d classes, but %s has %d answers; the other %d are named [class N has no answer]",
            classes,
            path,
            classes - vocabulary.num_unnamed,
            vocabulary.num_unnamed,
        )
    return vocabulary
