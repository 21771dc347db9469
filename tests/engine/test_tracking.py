import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clipbug.engine.tracking import Tracker, examples_of
from clipbug.errors import ClipbugError
from tests.helpers.fake_tasks import FakeTask, make_batch


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_nothing_is_written_before_the_first_log(tmp_path: Path) -> None:
    Tracker(tmp_path / "run").close()
    assert not (tmp_path / "run").exists()


def test_lines_and_scalars(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path / "run")
    tracker.log(10, {"train/loss": 0.5, "train/gradient_norm": float("inf")})
    tracker.log(20, {"train/loss": 0.25})
    tracker.close()
    first, second = _lines(tmp_path / "run")
    assert first["step"] == 10
    assert first["train/loss"] == 0.5
    assert first["train/gradient_norm"] is None
    assert 0 <= first["seconds"] <= second["seconds"]
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(10, 0.5), (20, 0.25)]


def test_resumed_run_drops_what_came_after_and_half_a_line(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path)
    for step in (10, 20, 30):
        tracker.log(step, {"loss": float(step)})
    tracker.close()
    path = tmp_path / "metrics.jsonl"
    path.write_text(path.read_text().replace('"seconds": ', '"seconds": 100') + '{"step": 40, "lo')
    resumed = Tracker(tmp_path)
    resumed.resume(20)
    resumed.log(30, {"loss": -1.0})
    resumed.close()
    assert [(line["step"], line["loss"]) for line in _lines(tmp_path)] == [(10, 10), (20, 20), (30, -1)]
    assert _lines(tmp_path)[-1]["seconds"] >= 100  # the clock goes on, too
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.value for event in events.Scalars("loss")] == [10, 20, -1]


def test_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ClipbugError, match=r"run/metrics\.jsonl"):
        Tracker(tmp_path / "run").log(1, {"loss": 1.0})


@torch.no_grad()
def test_examples_are_shown_as_text_and_pictures(tmp_path: Path) -> None:
    task, batch = FakeTask().eval(), make_batch([0, 1, 2])
    examples = examples_of(batch, task.predict(batch), 2)
    tracker = Tracker(tmp_path)
    tracker.show(4, examples)
    tracker.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"tensors": 0, "images": 0})
    events.Reload()
    assert events.Tags()["images"] == ["valid/frames/0", "valid/frames/1"]
    (table,) = events.Tensors("valid/answers/text_summary")
    text = table.tensor_proto.string_val[0].decode()
    assert table.step == 4
    assert all(word in text for word in ("media0", "media1", "what is it?", examples[0].prediction.answer))
    assert "media2" not in text


def test_sinks_get_the_same_scalars(tmp_path: Path) -> None:
    class Sink:
        def __init__(self) -> None:
            self.lines: list[tuple[int, dict[str, float]]] = []
            self.is_closed = False

        def log(self, step: int, scalars: Mapping[str, float]) -> None:
            self.lines.append((step, dict(scalars)))

        def close(self) -> None:
            self.is_closed = True

    sink = Sink()
    tracker = Tracker(tmp_path, [sink])
    tracker.log(2, {"loss": 0.5})
    tracker.close()
    assert sink.lines == [(2, {"loss": 0.5})]
    assert sink.is_closed
