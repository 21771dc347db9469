"""`clipbug benchmark infer`: compare inference with ClipBERT's in speed, memory and answers.

Every variant runs in its own process, so that peak memory and caches are separate.
"""

import multiprocessing
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
import torch

from clipbug.benchmarks.inference_setup import QUESTIONS
from clipbug.benchmarks.inference_ways import (
    WAYS,
    ClipBertResult,
    WayResult,
    measure_clipbert,
    measure_memory,
    measure_way,
)
from clipbug.benchmarks.matrix_products import measure_rate
from clipbug.benchmarks.recordings import Motion, write_recording
from clipbug.benchmarks.stopwatch import Times
from clipbug.errors import DataError
from clipbug.runtime.precision import why_not_bf16
from clipbug.runtime.threads import usable_cores

_Result = TypeVar("_Result")
SECONDS, WIDTH, HEIGHT = 20.0, 720, 1280
"""Duration and size of the synthetic recordings."""


@dataclass(frozen=True, slots=True)
class InferenceRow:
    """One variant on one kind of recordings.

    Attributes:
        speedup: speedup over ClipBERT on the same recordings.
        speedup_processor: the same in CPU seconds, which other work on the machine affects less.
        largest_difference: maximum difference of pooled logits from ClipBERT (strict) or from the default
            variant (others).
        same_answers: share of questions with the same top answer as the default variant.
        floor_seconds: lower bound per recording: backbone operations at the matrix-product rate of the
            machine, plus decoding.
        floor_with_encoder_seconds: the same with the operations of the encoder.
        times_floor: measured time relative to `floor_seconds`.
        times_floor_processor: the same in CPU seconds.
        times_floor_with_encoder_processor: CPU seconds relative to the floor with the encoder.
    """

    way: str
    recordings: str
    precision: str
    seconds_per_recording: float
    answers_per_second: float
    speedup: float | None
    processor_seconds_per_recording: float
    speedup_processor: float | None
    frames_encoded: str
    pairs_encoded: str
    peak_bytes: int
    largest_difference: float | None
    same_answers: float | None
    floor_seconds: float | None
    floor_with_encoder_seconds: float | None
    times_floor: float | None
    times_floor_processor: float | None
    times_floor_with_encoder_processor: float | None


@dataclass(frozen=True, slots=True)
class InferenceBenchmark:
    """All measurements.

    Attributes:
        original: measurements of ClipBERT for each kind of recordings: seconds to decode for one question,
            seconds of 24 questions with one clip, and the number of clips to which this is extrapolated.
        memory: memory of the process after 10 % of many recordings and after all of them, with the small
            model.
    """

    machine: str
    num_clips: int
    questions: int
    rows: tuple[InferenceRow, ...]
    original: Mapping[str, Mapping[str, float]]
    matrix_gflops: Mapping[str, float]
    memory: Mapping[str, int] | None

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def measure_inference(
    recordings: Sequence[Path] = (),
    *,
    ways: Sequence[str] = ("strict", "default"),
    num_clips: int = 16,
    num_recordings: int = 2,
    with_original: bool = True,
    memory_recordings: int = 0,
) -> InferenceBenchmark:
    """Measure each variant on the given recordings, or on synthetic ones (`recordings.Motion`).

    Args:
        recordings: mp4 or mov files; empty for synthetic ones.
        ways: variants to measure; see `WAYS`.
        num_clips: number of 2-frame clips.
        num_recordings: number of synthetic recordings of each kind.
        with_original: also measure ClipBERT, which the speedups are relative to.
        memory_recordings: number of recordings over which to track memory; 0 for none.

    Returns:
        The measurements.

    Raises:
        DataError: a recording cannot be read.
        ValueError: a variant is unknown.
    """
    if unknown := set(ways) - set(WAYS):
        raise ValueError(f"ways must be in {', '.join(WAYS)}, got {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        kinds = _given(recordings) if recordings else _synthetic(Path(folder), num_recordings)
        rates = {
            precision: _in_new_process(measure_rate, dtype, device=torch.device("cpu"))
            for precision, dtype in _native_types().items()
        }
        originals: dict[str, ClipBertResult] = {}
        rows: list[InferenceRow] = []
        for kind, files in kinds.items():
            if with_original:
                originals[kind] = _in_new_process(measure_clipbert, files, num_clips=num_clips)
            results = {way: _in_new_process(measure_way, way, files, num_clips=num_clips) for way in ways}
            for way, result in results.items():
                reference = results.get("default") if way not in ("strict", "default") else None
                row = _row(way, kind, result, len(files), num_clips, rates, originals.get(kind), reference)
                rows.append(row)
            if kind in originals:
                rows.append(_clipbert_row(kind, originals[kind], num_clips))
        used: list[int] = []
        if memory_recordings:
            files = next(iter(kinds.values()))
            used = _in_new_process(
                measure_memory, files, num_recordings=memory_recordings, num_clips=num_clips
            )
    return InferenceBenchmark(
        machine=machine_name(),
        num_clips=num_clips,
        questions=len(QUESTIONS),
        rows=tuple(rows),
        original={
            kind: {
                "decode_seconds": result.decoding.seconds,
                "decode_processor_seconds": result.decoding.processor_seconds,
                "clip_seconds": result.clip.seconds,
                "clip_processor_seconds": result.clip.processor_seconds,
                "clip_questions": result.clip_questions,
                "extrapolated_to_clips": num_clips,
            }
            for kind, result in originals.items()
        },
        matrix_gflops={precision: 1e-9 / rate.seconds for precision, rate in rates.items()},
        memory={"early_bytes": max(used[: len(used) // 10]), "late_bytes": max(used)} if used else None,
    )


def _native_types() -> dict[str, torch.dtype]:
    """Return the types that the variants compute in; emulated bf16 would take minutes to measure."""
    has_bf16 = why_not_bf16(torch.device("cpu")) is None
    return {"fp32": torch.float32} | ({"bf16": torch.bfloat16} if has_bf16 else {})


def _given(recordings: Sequence[Path]) -> dict[str, dict[str, Path]]:
    missing = [path for path in recordings if not path.is_file()]
    if missing:
        raise DataError(f"{missing[0]} is not a file", "give mp4 or mov recordings")
    return {"given": {f"{number}-{path.name}": path for number, path in enumerate(recordings)}}


def _synthetic(folder: Path, count: int) -> dict[str, dict[str, Path]]:
    kinds: dict[str, dict[str, Path]] = {}
    for motion in get_args(Motion):
        kinds[motion] = {f"{motion}{seed}": folder / f"{motion}{seed}.mp4" for seed in range(count)}
        for seed, path in enumerate(kinds[motion].values()):
            write_recording(path, seconds=SECONDS, width=WIDTH, height=HEIGHT, motion=motion, seed=seed)
    return kinds


def _in_new_process(function: Callable[..., _Result], *arguments: Any, **named: Any) -> _Result:
    """Call a function in a new process and return its result."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments, **named).result()


def _row(
    way: str,
    kind: str,
    result: WayResult,
    num_recordings: int,
    num_clips: int,
    rates: Mapping[str, Times],
    original: ClipBertResult | None,
    reference: WayResult | None,
) -> InferenceRow:
    taken = result.taken.times(1 / num_recordings)
    rate = rates[result.precision]
    backbone = rate.times(result.frames_encoded * result.flops_per_frame)
    floor = backbone.plus(result.decoding).times(1 / num_recordings)
    with_encoder = floor.plus(rate.times(result.pairs * result.flops_per_pair / num_recordings))
    theirs = original.per_question(num_clips).times(len(QUESTIONS)) if original else None
    difference = None
    if way == "strict" and original is not None:
        first_questions = result.pooled_logits[:: len(QUESTIONS)]
        difference = float(np.abs(first_questions - original.pooled_logits).max())
    elif reference is not None:
        difference = float(np.abs(result.pooled_logits - reference.pooled_logits).max())
    return InferenceRow(
        way=way,
        recordings=kind,
        precision=result.precision,
        seconds_per_recording=taken.seconds,
        answers_per_second=len(QUESTIONS) / taken.seconds,
        speedup=theirs.seconds / taken.seconds if theirs else None,
        processor_seconds_per_recording=taken.processor_seconds,
        speedup_processor=theirs.processor_seconds / taken.processor_seconds if theirs else None,
        frames_encoded=f"{result.frames_encoded} of {result.frames}",
        pairs_encoded=f"{result.pairs} of {num_recordings * num_clips * len(QUESTIONS)}",
        peak_bytes=result.peak_bytes,
        largest_difference=difference,
        same_answers=None if reference is None else _same_answers(result, reference),
        floor_seconds=floor.seconds,
        floor_with_encoder_seconds=with_encoder.seconds,
        times_floor=taken.seconds / floor.seconds,
        times_floor_processor=taken.processor_seconds / floor.processor_seconds,
        times_floor_with_encoder_processor=taken.processor_seconds / with_encoder.processor_seconds,
    )


def _clipbert_row(kind: str, result: ClipBertResult, num_clips: int) -> InferenceRow:
    taken = result.per_question(num_clips).times(len(QUESTIONS))
    return InferenceRow(
        way="ClipBERT (extrapolated)",
        recordings=kind,
        precision="fp32",
        seconds_per_recording=taken.seconds,
        answers_per_second=len(QUESTIONS) / taken.seconds,
        speedup=1.0,
        processor_seconds_per_recording=taken.processor_seconds,
        speedup_processor=1.0,
        frames_encoded="all, for each question",
        pairs_encoded="all",
        peak_bytes=result.peak_bytes,
        largest_difference=None,
        same_answers=None,
        floor_seconds=None,
        floor_with_encoder_seconds=None,
        times_floor=None,
        times_floor_processor=None,
        times_floor_with_encoder_processor=None,
    )


def _same_answers(result: WayResult, reference: WayResult) -> float:
    same = result.pooled_logits.argmax(axis=1) == reference.pooled_logits.argmax(axis=1)
    return float(same.mean())


def machine_name() -> str:
    """Return the processor, its cores and the load, which shows whether the machine was idle."""
    names = [line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    return f"{name}, {usable_cores()} cores, load {os.getloadavg()[0]:.1f}"


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
