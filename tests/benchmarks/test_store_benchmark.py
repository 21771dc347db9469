"""The benchmark of stores runs its whole way; its numbers are not looked at here."""

from pathlib import Path

import pytest

from clipbug.benchmarks.store_benchmark import measure_store

pytestmark = pytest.mark.slow


def test_everything_is_measured_and_nothing_left(tmp_path: Path) -> None:
    report = measure_store(
        num_items=(3, 20), num_recordings=0, num_pictures=(5,), num_workers=0, folder=tmp_path
    ).to_json()
    assert [row["num_items"] for row in report["opening"]] == [3, 20]
    assert [row["way"] for row in report["ingest"]] == ["copy with fsync", "ingest --workers 0"]
    assert all(row["seconds"] > 0 for row in report["ingest"])
    assert list(tmp_path.iterdir()) == []
