"""The samples that the touch detector is trained on, and the way from them to a network file."""

from pathlib import Path

import numpy as np
import pytest

from clipbug.perception.touch_network import STRIDE
from clipbug.perception.training.samples import SIDE, make_sample
from clipbug.perception.training.screens import drawn_screen, read_screens


def test_samples_come_from_the_seed() -> None:
    first, again, other = (make_sample([], np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first.frames, again.frames)
    assert np.array_equal(first.target, again.target)
    assert not np.array_equal(first.frames, other.frames)


def test_target_marks_what_appears() -> None:
    """Where a touch is wanted, the frame differs from the one before it."""
    rng = np.random.default_rng(0)
    touched = 0
    for _ in range(60):
        sample = make_sample([], rng)
        assert sample.target.shape == (2, SIDE // STRIDE, SIDE // STRIDE)
        assert sample.input().shape == (9, SIDE, SIDE)
        for row, column in np.argwhere(sample.target[0] >= 0.999):
            touched += 1
            top, left = max(0, row * STRIDE - 24), max(0, column * STRIDE - 24)
            part = np.s_[top : top + 52, left : left + 52]
            difference = np.abs(sample.frames[1][part].astype(int) - sample.frames[0][part]).max()
            assert difference > 0
    assert 15 < touched < 55


def test_screens_of_a_picture(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "screen.png"
    Image.fromarray(drawn_screen(np.random.default_rng(1))).resize((384, 682)).save(path)
    ((screen,),) = read_screens([path])
    assert min(screen.shape[:2]) == 192


@pytest.mark.slow
def test_training_writes_a_network(tmp_path: Path) -> None:
    import onnxruntime

    from clipbug.perception.training.__main__ import main

    path = tmp_path / "network.onnx"
    main(["--output", str(path), "--steps", "2"])
    assert path.stat().st_size < 2_000_000
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (heat,) = session.run(None, {"frames": np.zeros((1, 9, 64, 48), np.float32)})
    assert heat.shape == (1, 2, 16, 12)
    assert 0 <= heat.min() <= heat.max() <= 1
