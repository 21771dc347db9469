"""Measure one variant of inference; each runs in its own process."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from clipbug.benchmarks.clipbert_decoding import read_clips_as_clipbert
from clipbug.benchmarks.clipbert_inference import ClipBertInference
from clipbug.benchmarks.inference_setup import (
    FPS,
    FRAME_SIZE,
    FRAMES_PER_CLIP,
    QUESTIONS,
    ModelSize,
    build_batches,
    build_dataset,
    build_task,
    build_tokenizer,
    count_flops,
    model_of,
)
from clipbug.benchmarks.stopwatch import Stopwatch, Times
from clipbug.data.loading.batch import UnreadVisual
from clipbug.data.loading.collate import canvas_size
from clipbug.data.loading.datasets import VisualTextDataset
from clipbug.data.loading.inference_batches import InferenceBatches
from clipbug.engine.predictor import predict
from clipbug.errors import DataError
from clipbug.models.clipbert import ClipBert
from clipbug.models.inference.frame_encoder import FrameEncoder
from clipbug.models.inference.prepare import prepare_for_inference
from clipbug.runtime.allocator import keep_freed_memory
from clipbug.runtime.memory import process_bytes, process_peak_bytes
from clipbug.runtime.precision import Precision, resolve_precision
from clipbug.tasks.base import Prediction, Task

WAYS = ("strict", "default", "prepared")
"""strict: float32 on the square frames that ClipBERT samples; default: the default settings of clipbug;
prepared: from the prepared form of `ingest --prepare`."""

_NUM_CLIPBERT_RUNS = 3  # of the batch that all speedups are relative to; the median is used
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class WayResult:
    """Measurements of a clipbug variant on all questions about some recordings.

    Attributes:
        taken: time from the bytes of the recordings to all answers.
        decoding: time to decode the same frames, measured separately.
        pairs: number of pairs of a question and a clip that passed the encoder.
        peak_bytes: peak memory of the process.
        flops_per_frame: floating-point operations per frame.
        flops_per_pair: floating-point operations per pair.
        pooled_logits: (recordings * questions, classes).
    """

    taken: Times
    decoding: Times
    frames: int
    frames_encoded: int
    pairs: int
    peak_bytes: int
    precision: str
    flops_per_frame: float
    flops_per_pair: float
    pooled_logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClipBertResult:
    """Measurements of ClipBERT.

    Attributes:
        decoding: time to decode the clips for one question.
        clip: time for a batch of `clip_questions` questions with one clip.
        pooled_logits: (recordings, classes), of the first question about each recording.
    """

    decoding: Times
    clip: Times
    clip_questions: int
    peak_bytes: int
    pooled_logits: NDArray[np.float32]

    def per_question(self, num_clips: int) -> Times:
        """Return the time per question, as ClipBERT decodes and encodes all clips again for each question."""
        return self.decoding.plus(self.clip.times(num_clips / self.clip_questions))


def measure_way(
    way: str, files: Mapping[str, Path], *, num_clips: int, size: ModelSize = "base"
) -> WayResult:
    """Measure a clipbug variant on all questions about all recordings, after a warm-up on one clip."""
    keep_freed_memory()  # as the command line does
    is_strict = way == "strict"
    task, tokenizer = build_task(size), build_tokenizer()
    model = model_of(task)
    precision = _prepare(model, way)
    dataset = build_dataset(
        files, tokenizer, is_strict=is_strict, num_clips=num_clips, is_prepared=way == "prepared"
    )
    batches = partial(build_batches, tokenizer=tokenizer, model=model, is_strict=is_strict)
    first = dict([next(iter(files.items()))])
    warm_up = build_dataset(first, tokenizer, is_strict=is_strict, num_clips=1)
    _answer(task, batches(warm_up), FrameEncoder(model), precision)
    encoder = FrameEncoder(model)
    pairs: list[int] = []
    model.bert.register_forward_pre_hook(lambda _module, inputs: pairs.append(len(inputs[0])))
    watch = Stopwatch()
    predictions = _answer(task, batches(dataset), encoder, precision)
    taken = watch.read()
    peak = process_peak_bytes()
    height, width = canvas_size(
        [dataset.frame_shape(0)],
        padding="square" if is_strict else "batch",
        max_frame_size=FRAME_SIZE,
        frame_multiple=model.frame_multiple,
    )
    longest = max(len(tokenizer(question)["input_ids"]) for question in QUESTIONS)
    per_frame, per_pair = count_flops(size, frame_size=(height, width), num_text_tokens=longest)
    return WayResult(
        taken=taken,
        decoding=_decoding(dataset),
        frames=encoder.num_frames,
        frames_encoded=encoder.num_encoded,
        pairs=sum(pairs),
        peak_bytes=peak,
        precision=precision,
        flops_per_frame=per_frame,
        flops_per_pair=per_pair,
        pooled_logits=np.stack([prediction.pooled_logits for prediction in predictions]),
    )


def measure_clipbert(
    files: Mapping[str, Path], *, num_clips: int, clip_questions: int = 24
) -> ClipBertResult:
    """Measure ClipBERT: decode the clips of each recording once, and score one batch with one clip."""
    tokenizer = build_tokenizer()
    clipbert = ClipBertInference(model_of(build_task("base")), max_frame_size=FRAME_SIZE)
    ids = [tokenizer(question)["input_ids"] for question in QUESTIONS]
    watch = Stopwatch()
    clips = [
        read_clips_as_clipbert(
            path.read_bytes(),
            start_fractions=(np.arange(num_clips) / num_clips).tolist(),
            num_frames_per_clip=FRAMES_PER_CLIP,
            fps=FPS,
            max_frame_size=FRAME_SIZE,
            has_whole_file_pass=True,
        )
        for path in files.values()
    ]
    decoding = watch.read().times(1 / len(files))
    # The logits of one question per recording; this is also the warm-up.
    logits = [clipbert.pooled_logits(one, ids[:1], tokenizer.pad_token_id) for one in clips]
    frames = torch.stack([clips[row % len(clips)][0] for row in range(clip_questions)])
    texts = [ids[row % len(ids)] for row in range(clip_questions)]
    runs = []
    for _ in range(_NUM_CLIPBERT_RUNS):
        watch = Stopwatch()
        clipbert.clip_logits(frames, texts, tokenizer.pad_token_id)
        runs.append(watch.read())
    return ClipBertResult(
        decoding=decoding,
        clip=sorted(runs, key=lambda run: run.seconds)[_NUM_CLIPBERT_RUNS // 2],
        clip_questions=clip_questions,
        peak_bytes=process_peak_bytes(),
        pooled_logits=torch.cat(logits).numpy(),
    )


def measure_memory(files: Mapping[str, Path], *, num_recordings: int, num_clips: int) -> list[int]:
    """Return the memory of the process after each of many recordings, with the small model."""
    keep_freed_memory()
    task, tokenizer = build_task("tiny"), build_tokenizer()
    model = model_of(task)
    precision = _prepare(model, "default")
    paths = list(files.values())
    many = {f"{number:06d}": paths[number % len(paths)] for number in range(num_recordings)}
    dataset = build_dataset(many, tokenizer, is_strict=False, num_clips=num_clips)
    batches = build_batches(dataset, tokenizer=tokenizer, model=model, is_strict=False)
    used = []
    for _ in _predictions(task, batches, FrameEncoder(model), precision):
        used.append(process_bytes())
    return used


def _prepare(model: ClipBert, way: str) -> Precision:
    precision = resolve_precision("fp32" if way == "strict" else "auto", _CPU)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    prepare_for_inference(model, dtype=dtype)
    return precision


def _answer(
    task: Task, batches: InferenceBatches, encoder: FrameEncoder, precision: Precision
) -> list[Prediction]:
    results = _predictions(task, batches, encoder, precision)
    return [prediction for predictions in results for prediction in predictions]


def _predictions(
    task: Task, batches: InferenceBatches, encoder: FrameEncoder, precision: Precision
) -> Iterator[list[Prediction]]:
    for result in predict(
        task, batches, encode=encoder, device=_CPU, precision=precision, description="measuring"
    ):
        if isinstance(result, UnreadVisual):
            raise DataError(f"{result.media_id}: {result.reason}", result.hint)
        yield result


def _decoding(dataset: VisualTextDataset) -> Times:
    watch = Stopwatch()
    for index in range(len(dataset)):
        dataset.sample(0, index)
    return watch.read()
