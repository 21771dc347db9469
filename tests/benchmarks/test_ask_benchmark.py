"""The benchmark of `clipbug ask` runs its whole way; how large its numbers are is not looked at here."""

import pytest

from clipbug.benchmarks import ask_benchmark
from clipbug.benchmarks.ask_benchmark import measure_ask
from clipbug.errors import ConfigError

pytestmark = pytest.mark.slow


def test_the_command_is_called_and_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_benchmark, "SECONDS", 0.5)
    monkeypatch.setattr(ask_benchmark, "WIDTH", 64)
    monkeypatch.setattr(ask_benchmark, "HEIGHT", 128)
    report = measure_ask("tiny/video_qa", repeats=1)
    assert len(report.runs) == 1
    assert report.median == report.runs[0]
    assert 0 < report.median.after_imports_seconds < report.median.total_seconds
    assert report.median.processor_seconds > 0
    assert report.to_json()["recording"] == "0.5 s of 64x128"


def test_a_task_without_free_questions_is_refused() -> None:
    with pytest.raises(ConfigError, match="retrieval does not support free-form questions"):
        measure_ask("tiny/retrieval")
