"""The fixture of fake recipes."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.fake_recipes import FakeRecipes, FakeStorage


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeRecipes:
    """Fakes for all recipes; the test runs in an empty folder, as process 0."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("CLIPBUG_STORAGE", raising=False)
    fakes = FakeRecipes()
    names = (
        "ingest:ingest",
        "train:train",
        "dry_run:plan_run",
        "infer:infer",
        "evaluate:evaluate",
        "demo:run_demo",
        "data_split:split_annotations",
        "baseline:baseline",
        "data_check:check_data",
        "data_vocab:make_vocabulary",
        "data_convert:convert_annotations",
        "data_convert_issues:convert_issues",
        "doctor:examine",
        "weights_import:import_weights",
        "weights_export:export_weights",
        "report:make_report",
        "benchmarks.data_benchmark:measure_data",
        "benchmarks.train_benchmark:measure_training",
        "benchmarks.ask_benchmark:measure_ask",
        "benchmarks.inference_benchmark:measure_inference",
        "data_store:list_items",
        "data_store:get_items",
        "data_store:remove_items",
        "data_store:verify_stores",
        "ask:ask",
        "serve:serve",
        "explain:explain",
        "timeline:make_timelines",
    )
    for name in names:
        fakes.install(monkeypatch, *name.split(":"))
    storage = ModuleType("clipbug.workspace.storage")
    storage.Storage = FakeStorage  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clipbug.workspace.storage", storage)
    return fakes
