"""clipbug: read screen recordings of app bugs, and answer questions about them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipbug._version import __version__

if TYPE_CHECKING:
    from clipbug.inference.loaded_model import LoadedModel

__all__ = ["__version__", "load"]


def load(path: Path | str, *, step: str = "best", overrides: Sequence[str] = ()) -> "LoadedModel":
    """Load the model of a run directory or model folder (see docs/python.md).

    Args:
        path: folder made by `clipbug finetune`, `pretrain` or `weights`.
        step: number of a checkpoint, "best" or "last".
        overrides: config values `a.b=c` that replace those of the run.

    Returns:
        The model, which answers questions about files or frames.

    Raises:
        CheckpointError: the folder or step does not exist, or is damaged.
        ConfigError: an override has an unknown key or a wrong value, or changes what training has fixed.
    """
    from clipbug.inference.loaded_model import load_model  # imports torch, which takes seconds

    return load_model(path, step=step, overrides=overrides)
