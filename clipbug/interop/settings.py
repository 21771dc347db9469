"""The config and the answer vocabulary of a model whose weights are imported."""

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
    """The original's preset (or the run's flags) with the sizes that the tensors have.

    Raises:
        ConfigError: no tokenizer or number of heads is known; a value that no config takes.
    """
    flags = source.args if source.args is not None else PRESET_FLAGS[task]
    legacy = import_legacy(flags, task=task, model_config=source.model_config).values
    model = _model_values(source, head_dropout=legacy["model"].get("head_dropout", 0.1))
    if model["encoder"] and not any("num_heads" in text for text in (*model["encoder"], *overrides)):
        raise ConfigError(
            f"a BERT of width {model['encoder']['hidden_size']} does not tell its number of attention heads",
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
        "precision": "fp32",  # the original's numbers
        "data": data,  # no files: those of the original's machine are not here
    }
    return config_from_values(values, overrides=overrides, shown_as=f"the settings for {source.name}")


def _tokenizer(source: WeightsSource, given: str | None) -> str:
    name = given or source.tokenizer
    if name is None:
        raise ConfigError(
            "there is no tokenizer beside the weights", "give --tokenizer with a folder or bert-base-uncased"
        )
    return str(Path(name).resolve()) if Path(name).is_dir() else name


def _model_values(source: WeightsSource, *, head_dropout: float) -> dict[str, Any]:
    """`model`: the parts that the files hold, in the sizes of their tensors."""
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
    """What the head's tensors say about the task's settings."""
    tensors = source.weights.tensors
    if task == "count" and any(name.startswith("head.regressor.") for name in tensors):
        return {"task": {**legacy["task"], "head": "clipbert"}}
    if task == "retrieval" and num_classes(tensors) == 1:
        # Ranking never goes with logsumexp, the preset's.
        how = "mean" if source.args is None else legacy["clip_aggregation"]
        return {"task": {**legacy["task"], "loss": "rank"}, "clip_aggregation": how}
    return {}


def _heads_and_dropout(model_config: Mapping[str, Any] | None) -> dict[str, Any]:
    """What no shape tells."""
    values = encoder_values(model_config or {})
    return {key: values[key] for key in ("num_heads", "dropout") if key in values}


def import_vocabulary(source: WeightsSource, task: str, answers: Path | None) -> AnswerVocabulary | None:
    """The answers, with a name for every class of the head that has none; None for tasks without answers.

    Raises:
        ConfigError: no vocabulary is given.
        DataError: it cannot be read, or has a class that the head lacks.
    """
    if task not in ("vqa", "video_qa"):
        return None
    path = answers or source.answers
    if path is None:
        raise ConfigError(
            f"task {task} answers from a vocabulary, and none is given",
            "give the file that the weights were trained with: --answers ans2label.json",
        )
    classes = num_classes(source.weights.tensors)
    if classes is None:
        return AnswerVocabulary.load(path)
    vocabulary = AnswerVocabulary.load_for_classes(path, classes)
    if vocabulary.num_unnamed:
        logger.warning(
            "the head has %d classes and %s %d answers: the other %d are called [class N has no answer]",
            classes,
            path,
            classes - vocabulary.num_unnamed,
            vocabulary.num_unnamed,
        )
    return vocabulary
