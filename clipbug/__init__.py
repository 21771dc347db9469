"""clipbug: questions, search and duplicates over recordings of app bugs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipbug._version import __version__

if TYPE_CHECKING:
    from clipbug.inference.loaded_model import LoadedModel

__all__ = ["__version__", "load"]


def load(path: Path | str, *, step: str = "best", overrides: Sequence[str] = ()) -> "LoadedModel":
    """Load the model of a run or model folder, which answers about files or frames (docs/python.md).

    Args:
        path: folder made by `clipbug finetune`, `pretrain` or `weights`.
        step: a checkpoint's number, "best" or "last".
        overrides: config values `a.b=c` that replace those of the run.

    Raises:
        CheckpointError: no such folder or step, or a damaged one.
        ConfigError: an override has an unknown key or a wrong value, or changes what training has fixed.
    """
    from clipbug.inference.loaded_model import load_model  # brings torch, which takes seconds

    return load_model(path, step=step, overrides=overrides)
