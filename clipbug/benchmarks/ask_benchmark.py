"""`clipbug benchmark ask`: time the command end to end, including the start of the process."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.benchmarks.inference_benchmark import HEIGHT, SECONDS, WIDTH, machine_name
from clipbug.benchmarks.inference_setup import QUESTIONS, build_tokenizer
from clipbug.benchmarks.recordings import write_recording
from clipbug.builders.task_model import TextParts, build_task_model, model_of
from clipbug.config import RunConfig
from clipbug.config.loading import load_config
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.tokenization import save_tokenizer
from clipbug.errors import ConfigError
from clipbug.runtime.tensors import save_tensors
from clipbug.workspace.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class AskRun:
    """The times of one call of the command.

    Attributes:
        total_seconds: wall-clock time of the process.
        after_imports_seconds: time for loading the model, encoding the recording and answering.
        processor_seconds: CPU time of the process.
    """

    total_seconds: float
    after_imports_seconds: float
    processor_seconds: float


@dataclass(frozen=True, slots=True)
class AskBenchmark:
    """All calls, and the median of each time."""

    machine: str
    config: str
    recording: str
    runs: tuple[AskRun, ...]
    median: AskRun

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def measure_ask(config: str = "gui_video_qa", *, repeats: int = 5) -> AskBenchmark:
    """Time `clipbug ask` on a synthetic 20 s recording, with a randomly initialized model.

    Args:
        config: preset or config file; its task must have an answer vocabulary.
        repeats: timed calls, after one to warm up the file cache.

    Returns:
        The times of the calls.

    Raises:
        ConfigError: the config does not exist, or its task does not support free-form questions.
    """
    settings = load_config(config)
    if not settings.task.has_vocabulary:
        raise ConfigError(
            f"task {settings.task.name} does not support free-form questions",
            "give a config for vqa or video_qa",
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = folder / "recording.mp4"
        write_recording(recording, seconds=SECONDS, width=WIDTH, height=HEIGHT, motion="moving", seed=0)
        _write_model(folder / "model", settings)
        runs = [_run(recording, folder / "model") for _ in range(repeats + 1)][1:]
    return AskBenchmark(
        machine=machine_name(),
        config=config,
        recording=f"{SECONDS:g} s of {WIDTH}x{HEIGHT}",
        runs=tuple(runs),
        median=_median(runs),
    )


def _write_model(folder: Path, config: RunConfig) -> None:
    answers = AnswerVocabulary([str(number) for number in range(50)])
    tokenizer = build_tokenizer()
    task = build_task_model(config, TextParts(tokenizer, answers))
    RunFolder(folder).write_start(config, model=config.model, answers=answers, statistics=None)
    save_tokenizer(tokenizer, folder / "tokenizer")
    save_tensors(folder / "model.safetensors", model_of(task).state_dict())


def _run(recording: Path, model: Path) -> AskRun:
    command = [sys.executable, "-m", "clipbug", "ask", str(recording), QUESTIONS[0], "--model", str(model)]
    started, processor = time.perf_counter(), _processor_seconds()
    completed = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True)
    total, taken = time.perf_counter() - started, _processor_seconds() - processor
    phases: Mapping[str, float] = json.loads(completed.stdout)["seconds"]
    return AskRun(total, sum(phases.values()), taken)


def _processor_seconds() -> float:
    """Return the CPU time of all finished child processes."""
    used = os.times()
    return used.children_user + used.children_system


def _median(runs: list[AskRun]) -> AskRun:
    columns = zip(*(asdict(run).values() for run in runs), strict=True)
    return AskRun(*map(statistics.median, columns))
