"""The restated original and our ways compute the same; sizes and counts are right."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clipbug.benchmarks.clipbert_inference import ClipBertInference
from clipbug.benchmarks.inference_setup import QUESTIONS, build_task, count_flops, model_of
from clipbug.benchmarks.inference_ways import measure_clipbert, measure_memory, measure_way
from clipbug.benchmarks.recordings import write_recording
from clipbug.config.model import ClipBertResNetConfig, EncoderConfig, ModelConfig
from clipbug.models.build import build_model
from clipbug.models.clipbert import ClipBert
from tests.helpers.rounding import assert_close, num_terms

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("recordings")
    files = {motion: folder / f"{motion}.mp4" for motion in ("still", "moving")}
    for motion, path in files.items():
        write_recording(path, seconds=4.0, width=180, height=320, motion=motion, seed=1)  # type: ignore[arg-type]
    return files


def resnet_model() -> ClipBert:
    torch.manual_seed(0)
    encoder = EncoderConfig(hidden_size=32, num_layers=2, num_heads=2, intermediate_size=64)
    config = ModelConfig(backbone=ClipBertResNetConfig(), encoder=encoder)
    return build_model(config, head="classification", num_classes=7, vocabulary_size=50).eval()


@torch.no_grad()
def test_the_original_s_way_computes_what_the_model_computes() -> None:
    model = resnet_model()
    clips = torch.randint(0, 256, (3, 2, 3, 128, 72)).float()
    texts = [[1, 5, 9, 2], [1, 7, 2]]
    square = torch.nn.functional.pad(clips, (0, 128 - 72))
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    ids = torch.tensor([[1, 5, 9, 2], [1, 7, 2, 0]])
    expected = model(square[None], ids, mask, torch.tensor([0, 0])).logsumexp(dim=1)
    found = ClipBertInference(model, max_frame_size=128).pooled_logits(clips, texts, pad_token_id=0)
    # other layouts, padding to 100 tokens, attention in single operations
    assert_close(found, expected, terms=num_terms(model))


@torch.no_grad()
def test_the_original_s_way_keeps_rows_of_planes() -> None:
    model = resnet_model()
    original = ClipBertInference(model, max_frame_size=128)
    backbone: Any = model.visual.backbone
    layouts: list[bool] = []
    for conv in (backbone.layer1[0].conv1, backbone.layer1[0].conv2, backbone.layer4[2].conv3):
        conv.register_forward_hook(lambda _m, _i, output: layouts.append(output.is_contiguous()))
    original.clip_logits(torch.zeros(1, 2, 3, 128, 72), [[1, 2]], pad_token_id=0)
    assert layouts == [True] * 3


def test_operations_of_the_published_model() -> None:
    per_frame, per_pair = count_flops("base", frame_size=(448, 448), num_text_tokens=12)
    # ResNet-50 at 448 pixels: 4 times its 4.1 G multiplications at 224; and the grid encoder's 2.8 G
    assert per_frame == pytest.approx(2 * (4 * 4.09e9 - 2048 * 1000 + 9 * 2048 * 768 * 14 * 14), rel=0.06)
    # 12 layers of 7.1 M weights over 49 + 12 tokens, and attention
    assert per_pair == pytest.approx(2 * 12 * 7.08e6 * 61, rel=0.05)


@pytest.mark.parametrize("way", ["default", "prepared"])
def test_a_way_answers_every_question(way: str, recordings: dict[str, Path]) -> None:
    result = measure_way(way, recordings, num_clips=3, size="tiny")
    assert result.pooled_logits.shape == (2 * len(QUESTIONS), 1500)
    assert result.frames == 2 * 3 * 2
    assert 0 < result.frames_encoded <= result.frames
    assert 0 < result.pairs <= 2 * 3 * len(QUESTIONS)
    assert result.taken.seconds > 0
    assert result.peak_bytes > 1e7


def test_memory_is_watched_over_many_recordings(recordings: dict[str, Path]) -> None:
    used = measure_memory(recordings, num_recordings=5, num_clips=2)
    assert len(used) == 5
    assert min(used) > 1e7


def test_strict_gives_the_original_s_logits(recordings: dict[str, Path]) -> None:
    """The base model, on recordings: the promise of strict mode, 1e-3."""
    files = {"moving": recordings["moving"]}
    original = measure_clipbert(files, num_clips=2, clip_questions=1)
    strict = measure_way("strict", files, num_clips=2)
    difference = np.abs(strict.pooled_logits[0] - original.pooled_logits[0]).max()
    assert 0 < difference < 1e-3
    assert model_of(build_task("tiny")).frame_multiple == 32
