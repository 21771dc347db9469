"""The original's scores through the command line: its checkpoint in, logits of recordings out.

The reference is written down here once more, step by step as the original goes: decode everything, choose by
frame numbers, scale, pad, one clip at a time, texts padded to 100, clips pooled at the end. Only the network
is ours (test_clipbert_model.py holds it to the original's outputs).
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from transformers import BertTokenizer

from clipbug.cli.main import main
from clipbug.models.clipbert import ClipBert
from tests.golden.test_clipbert_model import SMALL, SMALL_VOCABULARY, reference_keys, unfilled_model
from tests.helpers.formula_weights import fill_model
from tests.helpers.golden_checkpoint import original_checkpoint, write_run, write_tokenizer
from tests.helpers.rounding import assert_close, num_terms
from tests.helpers.video_factory import make_video

RECORDINGS: dict[str, dict[str, Any]] = {
    "wide": {"num_frames": 90, "fps": 30, "size": (96, 160), "options": {"bf": "2", "g": "250"}},
    "tall": {"num_frames": 47, "fps": 12, "size": (180, 100)},
    "short": {"num_frames": 5, "fps": 10, "size": (64, 64)},
}
QUESTIONS = {
    "wide": ["what is the man doing ?", "who was tapped first?"],
    "tall": ["Which dialog is red?"],
    "short": ["how many"],
}
SIZE, NUM_FRAMES, FPS, MAX_TOKENS = 128, 2, 2, 100
ANSWERS = [f"answer {number}" for number in range(47)]
NUM_CLASSES = 1500


def run(*words: str | Path) -> None:
    with pytest.raises(SystemExit) as end:
        main([*map(str, words), "-q"])
    assert end.value.code == 0, words


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings in a store, questions, and the model folder of an original run."""
    folder = tmp_path_factory.mktemp("scores")
    for name, settings in RECORDINGS.items():
        (folder / "videos").mkdir(exist_ok=True)
        make_video(folder / "videos" / f"{name}.mp4", **settings)
    run("ingest", folder / "videos", "--ext", "mp4", "--out", folder / "store")
    rows = [{"video_id": name, "question": text} for name, texts in QUESTIONS.items() for text in texts]
    (folder / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    answers = folder / "train_ans2label.json"
    answers.write_text(json.dumps({answer: index for index, answer in enumerate(ANSWERS)}))
    args = {
        **{"task": "msrvtt_qa", "ans2label_path": str(answers), "max_img_size": SIZE, "fps": FPS},
        **{"num_frm": NUM_FRAMES, "max_txt_len": MAX_TOKENS, "score_agg_func": "lse", "fp16": 1},
        "tokenizer_dir": str(write_tokenizer(folder / "bert-base-uncased")),
    }
    write_run(folder / "run", args, {500: original_checkpoint()})
    run("weights", "import", folder / "run", "--step", "500", "--output", folder / "model")
    return folder


@cache
def network() -> ClipBert:
    model = unfilled_model(SMALL, num_classes=NUM_CLASSES, vocabulary_size=SMALL_VOCABULARY)
    fill_model(model, reference_keys("msrvtt_qa"))
    return model.eval()


def decoded(path: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.int64], int, int, float]:
    """All pictures, their ticks, and what the header says: frames, duration in ticks, mean rate."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.duration
        header = (stream.frames, stream.duration, float(stream.average_rate or 0))
    pictures = [frame.to_rgb().to_ndarray() for frame in frames]
    return pictures, np.array([frame.pts for frame in frames]), *header


def frame_numbers(path: Path, clip: int, num_clips: int) -> list[int]:
    _, pts, num_frames, duration, rate = decoded(path)
    size = NUM_FRAMES / FPS * rate
    start = max(num_frames - size, 0) * clip / num_clips
    first, last = (int(place * duration / num_frames) for place in (start, start + size - 1))
    candidates = [index for index, tick in enumerate(pts) if first <= tick <= last]
    candidates += [index for index, tick in enumerate(pts) if tick > last][:1]
    places = np.clip(np.linspace(0, size - 1, NUM_FRAMES), 0, len(candidates) - 1).astype(int)
    return [candidates[place] for place in places]


def prepared(picture: NDArray[np.uint8]) -> Tensor:
    """Scaled to the longer side and padded to a square with black."""
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    height, width = picture.shape[:2]
    shorter = int(SIZE * (min(height, width) / max(height, width)))
    size = (SIZE, shorter) if height >= width else (shorter, SIZE)
    scaled = F.interpolate(tensor, size=size, mode="bilinear", align_corners=False)[0]
    return F.pad(scaled, (0, SIZE - size[1], 0, SIZE - size[0]))


@torch.inference_mode()
def reference(folder: Path, num_clips: int) -> NDArray[np.float32]:
    """(questions, classes): pooled logits."""
    tokenizer = BertTokenizer.from_pretrained(str(folder / "bert-base-uncased"))
    rows = []
    for name, texts in QUESTIONS.items():
        path = folder / "videos" / f"{name}.mp4"
        pictures = decoded(path)[0]
        encoded = tokenizer(texts, padding="max_length", max_length=MAX_TOKENS, return_tensors="pt")
        logits = []
        for clip in range(num_clips):
            frames = torch.stack([prepared(pictures[n]) for n in frame_numbers(path, clip, num_clips)])
            output = network()(
                frames[None, None],
                encoded["input_ids"],
                encoded["attention_mask"],
                torch.zeros(len(texts), dtype=torch.int64),
            )
            assert isinstance(output, Tensor)
            logits.append(output[:, 0])
        rows.append(torch.stack(logits).logsumexp(dim=0))
    return torch.cat(rows).numpy()


@pytest.mark.parametrize("num_clips", [1, 4, pytest.param(16, marks=pytest.mark.slow)])
def test_pooled_logits(workplace: Path, num_clips: int, tmp_path: Path) -> None:
    scores = tmp_path / "scores.npz"
    run(
        *("infer", "--run", workplace / "model", "--data", workplace / "questions.jsonl"),
        *("--media", workplace / "store", "--n-clips", str(num_clips)),
        *("--scores", scores, "--output", tmp_path / "predictions"),
    )
    expected = reference(workplace, num_clips)
    with np.load(scores) as file:
        assert file["media_ids"].tolist() == [name for name, texts in QUESTIONS.items() for _ in texts]
        assert file["pooled_logits"].shape == (4, NUM_CLASSES)
        assert np.ptp(file["clip_logits"], axis=0).max() > 0.1  # pictures and questions matter
        assert_close(file["pooled_logits"], expected, terms=num_terms(network()))
    predictions = (tmp_path / "predictions" / "predictions.jsonl").read_text().splitlines()
    for line, logits in zip(predictions, expected, strict=True):
        best = int(logits.argmax())
        answer = ANSWERS[best] if best < len(ANSWERS) else f"[class {best} has no answer]"
        assert json.loads(line)["answer"] == answer


def test_round_trip_is_bit_identical(workplace: Path, tmp_path: Path) -> None:
    run("weights", "export", workplace / "model", "--format", "clipbert", "--output", tmp_path / "back.pt")
    theirs, back = original_checkpoint(), torch.load(tmp_path / "back.pt", weights_only=True)
    assert list(back) == list(theirs)
    for key, tensor in theirs.items():
        assert back[key].dtype == tensor.dtype
        assert torch.equal(back[key], tensor), key


def test_the_run_s_flags_become_the_model_s_settings(workplace: Path) -> None:
    import yaml

    config = yaml.safe_load((workplace / "model" / "config.yaml").read_text())
    assert config["sampling"] == {"name": "clipbert", "single_clip": "start"}
    assert (config["padding"], config["clip_aggregation"], config["precision"]) == (
        "square",
        "logsumexp",
        "fp32",
    )
    assert (config["fps"], config["num_frames_per_clip"], config["max_frame_size"]) == (FPS, NUM_FRAMES, SIZE)
    assert config["model"]["encoder"]["num_heads"] == 6


@pytest.mark.slow
@torch.inference_mode()
def test_scores_of_screens(workplace: Path, tmp_path: Path) -> None:
    """Image QA: one picture as one clip of one frame, and a vocabulary as large as the head."""
    picture = (
        np.random.default_rng(0).integers(0, 256, (25, 14, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    )
    (tmp_path / "images").mkdir()
    Image.fromarray(picture).save(tmp_path / "images" / "7.jpg", quality=85)
    run("ingest", tmp_path / "images", "--ext", "jpg", "--out", tmp_path / "store")
    rows = [
        {
            "image_id": 7,
            "question": text,
            "question_id": number,
            "labels": {"a0": 1.0},
            "answer_type": "other",
        }
        for number, text in enumerate(("what is red ?", "who was tapped first ?"))
    ]
    (tmp_path / "vqa_test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "answers.json").write_text(json.dumps({f"a{n}": n for n in range(30)}))
    torch.save(original_checkpoint(num_classes=30), tmp_path / "model_step_9.pt")
    run(
        *("weights", "import", tmp_path / "model_step_9.pt", "--task", "vqa", "--output", tmp_path / "model"),
        *("--answers", tmp_path / "answers.json", "--tokenizer", workplace / "bert-base-uncased"),
        *("--set", "model.encoder.num_heads=6", f"max_frame_size={SIZE}"),
    )
    scores = tmp_path / "scores.npz"
    run(
        *("infer", "--run", tmp_path / "model", "--data", tmp_path / "vqa_test.jsonl", "--scores", scores),
        *("--media", tmp_path / "store", "--output", tmp_path / "predictions"),
    )
    model = unfilled_model(SMALL, num_classes=30, vocabulary_size=SMALL_VOCABULARY).eval()
    fill_model(model, reference_keys("msrvtt_qa"))
    tokenizer = BertTokenizer.from_pretrained(str(workplace / "bert-base-uncased"))
    encoded = tokenizer(
        [row["question"] for row in rows], padding="max_length", max_length=20, return_tensors="pt"
    )
    with Image.open(tmp_path / "images" / "7.jpg") as image:
        frames = prepared(np.array(image))[None, None, None]
    expected = model(
        frames, encoded["input_ids"], encoded["attention_mask"], torch.zeros(2, dtype=torch.int64)
    )
    with np.load(scores) as file:
        assert_close(file["pooled_logits"], expected[:, 0], terms=num_terms(model))
