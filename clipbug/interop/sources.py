"""Read the sources of `weights import`: weight files, BERT folders, or a ClipBERT run directory."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clipbug.errors import CheckpointError
from clipbug.interop.clipbert_config import read_legacy_file
from clipbug.models.weights.files import read_weight_file
from clipbug.models.weights.importing import ForeignWeights, foreign_weights
from clipbug.models.weights.sizes import check_computation
from clipbug.runtime.mistaken_files import refuse_mistaken

_CONFIG_HINT = "it is the config.json of a BERT: download it again, or remove it and give sizes with --set"
_CHECKPOINT = re.compile(r"model_step_(\d+)\.pt")


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Weights and the files next to them.

    Attributes:
        files: the weight files.
        args: flags of the ClipBERT run, or None.
        model_config: sizes from the config.json of a BERT or the model_config.json of the run, or None.
        tokenizer: folder of a tokenizer next to the weights, or None.
        answers: vocabulary file of the run, if it exists.
    """

    files: tuple[Path, ...]
    weights: ForeignWeights = field(default_factory=ForeignWeights)
    args: Mapping[str, Any] | None = None
    model_config: Mapping[str, Any] | None = None
    tokenizer: str | None = None
    answers: Path | None = None

    @property
    def name(self) -> str:
        """Return the paths of the files as text, for messages."""
        return " + ".join(map(str, self.files))


def read_sources(paths: Sequence[Path], *, step: int | None) -> WeightsSource:
    """Read weights and the files next to them.

    Args:
        paths: weight files, BERT folders, or one ClipBERT run directory.
        step: checkpoint of a run directory; default: the newest.

    Returns:
        The combined weights.

    Raises:
        CheckpointError: a file is missing, damaged or of an unknown kind, or two contain the same module.
        ConfigError: a JSON file cannot be read.
    """
    if len(paths) == 1 and is_clipbert_run(paths[0]):
        return _read_run(paths[0], step)
    if step is not None:
        raise CheckpointError(
            f"--step {step} needs a ClipBERT run directory, but {paths[0]} is not one",
            hint="a run directory has log/args.json and ckpt/; or give the checkpoint file itself",
        )
    source = WeightsSource(files=tuple(paths))
    weights = source.weights
    model_config, tokenizer = None, None
    for path in paths:
        weights = weights.joined_with(_weights_in(path))
        if weights.kinds[-1] == "bert":
            folder = path if path.is_dir() else path.parent
            model_config, tokenizer = _bert_config(folder), _tokenizer_in(folder)
    return WeightsSource(tuple(paths), weights, model_config=model_config, tokenizer=tokenizer)


def _weights_in(path: Path) -> ForeignWeights:
    file = read_weight_file(path)
    weights = foreign_weights(file.tensors, source=str(path))
    return replace(weights, removed=file.removed, not_used=file.not_used)


def is_clipbert_run(path: Path) -> bool:
    """Return whether a folder is a ClipBERT run directory."""
    return (path / "log" / "args.json").is_file()


def _read_run(folder: Path, step: int | None) -> WeightsSource:
    args = read_legacy_file(folder / "log" / "args.json")
    sizes = folder / "log" / "model_config.json"
    model_config = read_legacy_file(sizes) if sizes.is_file() else None
    if model_config is not None:
        check_computation(model_config, source=str(sizes))
    checkpoint = _checkpoint(folder / "ckpt", step)
    answers = args.get("ans2label_path")
    return WeightsSource(
        files=(checkpoint,),
        weights=_weights_in(checkpoint),
        args=args,
        model_config=model_config,
        tokenizer=_tokenizer_in(Path(args["tokenizer_dir"])) if args.get("tokenizer_dir") else None,
        answers=Path(answers) if answers and Path(answers).is_file() else None,
    )


def _checkpoint(folder: Path, step: int | None) -> Path:
    """Return the checkpoint of a step, or the newest."""
    names = sorted(folder.glob("model_step_*.pt")) if folder.is_dir() else []
    steps = {int(match[1]): path for path in names if (match := _CHECKPOINT.fullmatch(path.name))}
    if not steps:
        raise CheckpointError(
            f"there is no model_step_N.pt in {folder}", hint="give the checkpoint file itself"
        )
    chosen = max(steps) if step is None else step
    if chosen not in steps:
        raise CheckpointError(
            f"{folder} has no checkpoint of step {step}",
            hint=f"available steps: {', '.join(map(str, sorted(steps)))}",
        )
    return steps[chosen]


def _bert_config(folder: Path) -> Mapping[str, Any] | None:
    path = folder / "config.json"
    if not path.is_file():
        return None
    refuse_mistaken(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}", hint=_CONFIG_HINT) from error
    if not isinstance(config, dict):
        raise CheckpointError(
            f"{path} contains {type(config).__name__}, but a JSON object is expected", hint=_CONFIG_HINT
        )
    check_computation(config, source=str(path))
    return config


def _tokenizer_in(folder: Path) -> str | None:
    exists = any((folder / name).is_file() for name in ("tokenizer.json", "vocab.txt"))
    return str(folder) if exists else None
