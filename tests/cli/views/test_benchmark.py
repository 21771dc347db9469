"""The benchmark of inference for people fits a terminal of 100 columns, and is plain without one."""

import io
from dataclasses import replace

from rich.console import Console

from clipbug.benchmarks.inference_benchmark import InferenceBenchmark, InferenceRow
from clipbug.cli.views.benchmark import inference_lines, inference_table

PREPARED = InferenceRow(
    way="prepared",
    recordings="still",
    precision="bf16",
    seconds_per_recording=2.512,
    answers_per_second=2.4,
    speedup=38.94,
    processor_seconds_per_recording=4.1,
    speedup_processor=37.5,
    frames_encoded="24 of 64",
    pairs_encoded="144 of 192",
    peak_bytes=1_634_000_000,
    largest_difference=0.00412,
    same_answers=0.9917,
    floor_seconds=0.87,
    floor_with_encoder_seconds=1.7,
    times_floor=2.887,
    times_floor_processor=2.8,
    times_floor_with_encoder_processor=1.4,
)
ORIGINAL = replace(
    PREPARED,
    way="ClipBERT (extrapolated)",
    precision="fp32",
    seconds_per_recording=98.8,
    speedup=1.0,
    frames_encoded="all, for each question",
    pairs_encoded="all",
    largest_difference=None,
    same_answers=None,
    times_floor=None,
)
MOVING = replace(PREPARED, recordings="moving", seconds_per_recording=1234.5, largest_difference=7.2e-07)
REPORT = InferenceBenchmark(
    machine="AMD EPYC 9B14 96-Core Processor, 2 cores, load 0.3",
    num_clips=16,
    questions=6,
    rows=(MOVING, replace(ORIGINAL, recordings="moving"), PREPARED, ORIGINAL),
    original={"still": {"decode_seconds": 1.0}},
    matrix_gflops={"fp32": 196.4, "bf16": 414.2},
    memory={"early_bytes": 810_000_000, "late_bytes": 820_000_000},
).to_json()
NUMBERS = ("2.51", "38.9", "24 of 64", "144 of 192", "2.89", "1.6 GB", "0.004", "99.2 %")


def shown(columns: int) -> list[str]:
    console = Console(file=io.StringIO(), width=columns)
    console.print(inference_table(REPORT))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_the_table_fits_100_columns_with_every_number_whole() -> None:
    lines = shown(100)
    [line] = [line for line in lines if "still" in line]
    assert max(map(len, lines)) <= 100
    assert all(number in line for number in NUMBERS)
    assert any("1,234" in line for line in lines)
    assert any("414 GFLOP/s in bf16" in line for line in lines)


def test_lines_say_the_same_without_a_terminal() -> None:
    lines = inference_lines(REPORT).splitlines()
    assert len(lines) == 4 + 3
    assert lines[2].startswith("still, prepared, bf16: seconds per recording 2.51; speedup 38.9;")
    assert all(number in lines[2] for number in NUMBERS)
    assert "logits differ by -" in lines[3]
    assert lines[-1] == "memory: 0.81 GB after a tenth of the recordings, 0.82 GB after all of them"
