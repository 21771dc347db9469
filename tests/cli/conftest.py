"""The fixture of fake recipes."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.cli.fakes import FakeRecipes, FakeStorage


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
        "plan:plan_run",
        "infer:infer",
        "evaluate:evaluate",
        "demo:run_demo",
        "split:split_annotations",
        "baseline:baseline",
        "data_check:check_data",
        "data_vocab:make_vocabulary",
        "data_convert:convert_annotations",
        "issue_rows:convert_issues",
        "doctor:examine",
        "weights_import:import_weights",
        "weights_export:export_weights",
        "report:make_report",
        "benchmarks.data_benchmark:measure_data",
        "benchmarks.store_benchmark:measure_store",
        "benchmarks.train_benchmark:measure_training",
        "benchmarks.ask_benchmark:measure_ask",
        "replay:replay",
        "benchmarks.inference_benchmark:measure_inference",
        "store_items:list_items",
        "store_items:get_items",
        "store_items:remove_items",
        "store_items:verify_stores",
        "ask:ask",
        "serve:serve",
        "explain:explain",
        "timeline:make_timelines",
    )
    for name in names:
        fakes.install(monkeypatch, *name.split(":"))
    storage = ModuleType("clipbug.recipes.storage")
    storage.Storage = FakeStorage  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "clipbug.recipes.storage", storage)
    return fakes
