"""Against modules that only note what they are told; the real ones need accounts."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from clipbug.engine.external_trackers import open_sink
from clipbug.errors import ConfigError


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    noted: list[tuple[str, Any]] = []
    wandb, mlflow = ModuleType("wandb"), ModuleType("mlflow")

    def note(name: str) -> Any:
        return lambda *arguments, **options: noted.append((name, (*arguments, options)))

    def init(**options: Any) -> Any:
        noted.append(("init", options))
        return SimpleNamespace(id=options["id"] or "w1", log=note("log"), finish=note("finish"))

    def start_run(run_id: str | None, run_name: str | None) -> Any:
        noted.append(("start_run", (run_id, run_name)))
        return SimpleNamespace(info=SimpleNamespace(run_id=run_id or "m1"))

    wandb.init = init  # type: ignore[attr-defined]
    mlflow.start_run = start_run  # type: ignore[attr-defined]
    for name in ("set_experiment", "log_dict", "log_metrics", "end_run"):
        setattr(mlflow, name, note(name))
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    return noted


def test_wandb_gets_scalars_and_goes_on_with_its_run(calls: list[tuple[str, Any]], tmp_path: Path) -> None:
    for _ in range(2):
        sink = open_sink("wandb", tmp_path, {"seed": 1})
        sink.log(3, {"train/loss": 0.5})
        sink.close()
    assert [options["id"] for name, options in calls if name == "init"] == [None, "w1"]
    assert calls[0][1]["config"] == {"seed": 1}
    assert calls[1] == ("log", ({"train/loss": 0.5}, {"step": 3}))
    assert calls[2][0] == "finish"


def test_mlflow_gets_scalars_and_goes_on_with_its_run(calls: list[tuple[str, Any]], tmp_path: Path) -> None:
    for _ in range(2):
        sink = open_sink("mlflow", tmp_path, {"seed": 1})
        sink.log(3, {"train/loss": 0.5})
        sink.close()
    assert [options for name, options in calls if name == "start_run"] == [
        (None, tmp_path.name),
        ("m1", None),
    ]
    assert [name for name, _ in calls].count("log_dict") == 1
    assert ("log_metrics", ({"train/loss": 0.5}, {"step": 3})) in calls
    assert calls[-1][0] == "end_run"


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_what_is_not_installed_is_named(name: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=name):
        open_sink(name, tmp_path, {})
