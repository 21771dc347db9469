"""Describe how a run was started, for reproducibility."""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

_PACKAGES = ("clipbug", "torch", "torchvision", "transformers", "av", "numpy", "opencv-python-headless")


def describe_start(*, world_size: int, changes: Sequence[str]) -> dict[str, Any]:
    """Return an entry of environment.json: command, versions, git revision and machine.

    Args:
        world_size: number of ranks.
        changes: differences to the stored config and data that the user accepted.

    Returns:
        An object for JSON.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "folder": str(Path.cwd()),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "git_revision": _git_revision(),
        "machine": _machine(),
        "world_size": world_size,
        "changes": list(changes),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # run from a checkout
        return None


def _machine() -> dict[str, Any]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "host": platform.node(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": gpus,
    }


def _git_revision() -> str | None:
    """Return the revision of the checkout of this package, with "+" if files were changed, or None."""
    here = Path(__file__).parent
    try:
        words = ("describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+")
        completed = subprocess.run(["git", "-C", here, *words], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return completed.stdout.strip() or None
