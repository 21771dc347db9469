"""Log scalars to Weights & Biases and MLflow. Both are extras: `pip install "clipbug[wandb]"`."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from clipbug.engine.tracking import ScalarSink
from clipbug.errors import ConfigError
from clipbug.runtime.files import atomic_write

TrackerName = Literal["wandb", "mlflow"]
_PROJECT = "clipbug"


def open_sink(name: TrackerName, folder: Path, config: Mapping[str, Any]) -> ScalarSink:
    """Open a sink that continues the same remote run each time the run directory is opened.

    Args:
        name: Which tracker.
        folder: Run directory; a file in it stores the remote run's id.
        config: Config of the run, to show with it.

    Returns:
        The sink.

    Raises:
        ConfigError: The package is not installed.
    """
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"train.trackers contains {name!r}, which is not installed", f'pip install "clipbug[{name}]"'
        ) from error
    match name:
        case "wandb":
            return _WandbSink(module, folder, config)
        case "mlflow":
            return _MlflowSink(module, folder, config)


class _WandbSink:
    def __init__(self, module: ModuleType, folder: Path, config: Mapping[str, Any]) -> None:
        self._run = module.init(
            project=_PROJECT,
            name=folder.name,
            id=_stored_id(folder / "wandb.id"),
            resume="allow",
            dir=str(folder),
            config=dict(config),
        )
        atomic_write(folder / "wandb.id", str(self._run.id))

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        self._run.finish()


class _MlflowSink:
    def __init__(self, module: ModuleType, folder: Path, config: Mapping[str, Any]) -> None:
        self._module = module
        known = _stored_id(folder / "mlflow.id")
        module.set_experiment(_PROJECT)
        run = module.start_run(run_id=known, run_name=None if known else folder.name)
        if known is None:
            module.log_dict(dict(config), "config.json")
        atomic_write(folder / "mlflow.id", str(run.info.run_id))

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        self._module.log_metrics(dict(scalars), step=step)

    def close(self) -> None:
        self._module.end_run()


def _stored_id(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
