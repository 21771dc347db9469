"""Render the inference benchmark: a table in the terminal, or one line per variant."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

# fmt: off
_HEADINGS = (
    "recordings", "way", "seconds per recording", "speedup", "frames encoded", "pairs encoded",
    "times the floor", "peak memory", "logits differ by", "same answers",
)
# fmt: on
_WRAPPED = ("recordings", "way", "frames encoded")  # numbers are never wrapped


def inference_table(report: Mapping[str, Any]) -> Table:
    """Return the main numbers as a table of 100 columns; --json has the rest.

    Args:
        report: the object that `benchmark infer --json` prints.

    Returns:
        The table, with the machine and the setting in its caption.
    """
    table = Table(
        title="benchmark infer",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        padding=0,
    )
    for heading in _HEADINGS:
        is_left = heading in ("recordings", "way")
        lines = heading.replace(" ", "\n")
        table.add_column(lines, justify="left" if is_left else "right", no_wrap=heading not in _WRAPPED)
    for recordings, rows in groupby(report["rows"], key=lambda row: row["recordings"]):
        for number, row in enumerate(rows):
            table.add_row(*map(Text, ("" if number else recordings, *_cells(row)[1:])))
        table.add_section()
    table.caption = Text("\n".join(_facts(report)))
    table.caption_justify = "left"
    return table


def inference_lines(report: Mapping[str, Any]) -> str:
    """Return the same numbers as text with one line per variant, for a file or another program.

    Args:
        report: the object that `benchmark infer --json` prints.

    Returns:
        The lines, followed by the machine and the setting.
    """
    return "\n".join([*map(_line, report["rows"]), *_facts(report)])


def _line(row: Mapping[str, Any]) -> str:
    recordings, way, *numbers = _cells(row)
    named = zip(_HEADINGS[2:], numbers, strict=True)
    return f"{recordings}, {way}: " + "; ".join(f"{heading} {number}" for heading, number in named)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    same = row["same_answers"]
    return (
        row["recordings"],
        f"{row['way']}, {row['precision']}",
        _number(row["seconds_per_recording"]),
        _number(row["speedup"]),
        row["frames_encoded"],
        row["pairs_encoded"],
        _number(row["times_floor"]),
        f"{1e-9 * row['peak_bytes']:.1f} GB",
        _number(row["largest_difference"], digits=1),
        "-" if same is None else f"{100 * same:.1f} %",
    )


def _facts(report: Mapping[str, Any]) -> list[str]:
    rates = ", ".join(f"{rate:.0f} GFLOP/s in {name}" for name, rate in report["matrix_gflops"].items())
    facts = [
        f"{report['machine']}: {rates}",
        f"{report['questions']} questions per recording, {report['num_clips']} clips of 2 frames",
    ]
    if report["memory"] is not None:
        early, late = (1e-9 * report["memory"][key] for key in ("early_bytes", "late_bytes"))
        facts.append(
            f"memory: {early:.2f} GB after a tenth of the recordings, {late:.2f} GB after all of them"
        )
    return facts


def _number(value: float | None, *, digits: int = 3) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.{digits}g}"
