"""Render baseline scores as a table in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

_NAMES = {
    "random": "random",
    "majority": "majority answer",
    "mean": "mean, rounded",
    "question_only": "question only",
    "bm25": "words only (BM25)",
}
_LIMITS = (
    ("ceiling", "ceiling: right if the answer occurs in training"),
    ("oracle", "oracle: best label of every row"),
)


def baseline_table(report: Mapping[str, Any]) -> RenderableType:
    """Return a table with a column per baseline: score, interval, groups, and the best reachable scores.

    Args:
        report: the object that `baseline --json` prints.

    Returns:
        The table, the retrieval scores in both directions if there are any, and the notes.
    """
    metric = report["metric"].replace("_", " ")
    names = list(report["baselines"])
    table = Table(title=f"{report['task']}: {metric} without frames", title_justify="left")
    for title in ("", *(_NAMES[name] for name in names), "rows"):
        table.add_column(title, justify="right" if title else "left")
    details = [report.get("details", {}).get(name, {}) for name in names]
    table.add_row("score", *(_percent(report["baselines"][name]) for name in names), str(report["count"]))
    table.add_row("  95 % interval over recordings", *(_range(one.get("interval")) for one in details), "")
    for heading, key in (("type", "by_type"), ("app", "by_app")):
        _add_groups(table, heading, [one.get(key, {}) for one in details])
    if report.get("mse"):
        table.add_row("mean squared error", *(_error(report["mse"].get(name)) for name in names), "")
    table.add_section()
    for key, explanation in _LIMITS:
        if report.get(key) is not None:
            table.add_row(explanation, _percent(report[key]), *[""] * len(names))
    if report.get("oov_share"):
        cells = (_percent(report["oov_share"]), *[""] * len(names))
        table.add_row("  rows with no answer in training", *cells)
    return Group(table, *_directions(report), *map(escape, report.get("notes", ())))


def _add_groups(table: Table, heading: str, by_baseline: Sequence[Mapping[str, Any]]) -> None:
    """Add a row per group; the cell of a baseline without that group is empty."""
    table.add_section()
    for group in dict.fromkeys(group for scores in by_baseline for group in scores):
        cells = [_percent(scores[group]["score"]) if group in scores else "" for scores in by_baseline]
        count = next(scores[group]["count"] for scores in by_baseline if group in scores)
        table.add_row(escape(f"{heading}: {group}"), *cells, str(count))


def _directions(report: Mapping[str, Any]) -> list[Table]:
    directions = {name: report[name] for name in ("text2video", "video2text") if report.get(name) is not None}
    if not directions:
        return []
    table = Table(title=f"BM25 over texts about {report['documents']} recordings", title_justify="left")
    table.add_column("")
    for name in directions:
        table.add_column(name.replace("2", " to "), justify="right")
    for score in next(iter(directions.values())):
        cells = (directions[name][score] for name in directions)
        table.add_row(score, *(_number(score, value) for value in cells))
    return [table]


def _number(score: str, value: float) -> str:
    return f"{value:.4g}" if score in ("median_rank", "mean_rank", "ties") else _percent(value)


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _range(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"{_percent(interval[0])} to {_percent(interval[1])}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
