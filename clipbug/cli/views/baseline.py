"""Render baseline scores as a table in the terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from clipbug.evaluation.scores import BaselineDetails, BaselineScores, QuestionBaselines, RetrievalBaselines
from clipbug.metrics.groups import GroupScore

_NAMES = {
    "random": "random",
    "majority": "majority answer",
    "mean": "mean, rounded",
    "question_only": "question only",
    "bm25": "words only (BM25)",
}


def baseline_table(scores: BaselineScores) -> RenderableType:
    """Return a table with a column per baseline: score, interval, groups, and the best reachable scores."""
    metric = scores.metric.replace("_", " ")
    names = list(scores.baselines)
    table = Table(title=f"{scores.task}: {metric} without frames", title_justify="left")
    for title in ("", *(_NAMES[name] for name in names), "rows"):
        table.add_column(title, justify="right" if title else "left")
    details = [scores.details.get(name) for name in names]
    table.add_row("score", *(_percent(scores.baselines[name]) for name in names), str(scores.count))
    table.add_row("  95 % interval over recordings", *map(_range, details), "")
    _add_groups(table, "type", [one.by_type if one else None for one in details])
    _add_groups(table, "app", [one.by_app if one else None for one in details])
    if isinstance(scores, QuestionBaselines) and scores.mse:
        table.add_row("mean squared error", *(_error(scores.mse.get(name)) for name in names), "")
    table.add_section()
    if scores.ceiling is not None:
        limit = "ceiling: right if the answer occurs in training"
        table.add_row(limit, _percent(scores.ceiling), *[""] * len(names))
    if isinstance(scores, QuestionBaselines):
        table.add_row("oracle: best label of every row", _percent(scores.oracle), *[""] * len(names))
        if scores.oov_share:
            cells = (_percent(scores.oov_share), *[""] * len(names))
            table.add_row("  rows with no answer in training", *cells)
    if isinstance(scores, RetrievalBaselines):
        return Group(table, *_directions(scores), *map(escape, scores.notes))
    return Group(table)


def _add_groups(table: Table, heading: str, by_baseline: Sequence[Mapping[str, GroupScore] | None]) -> None:
    """Add a row per group; the cell of a baseline without that group is empty."""
    table.add_section()
    known = [groups or {} for groups in by_baseline]
    for name in dict.fromkeys(name for groups in known for name in groups):
        cells = [_percent(groups[name].score) if name in groups else "" for groups in known]
        count = next(groups[name].count for groups in known if name in groups)
        table.add_row(escape(f"{heading}: {name}"), *cells, str(count))


def _directions(scores: RetrievalBaselines) -> list[Table]:
    named = {"text to video": scores.text2video, "video to text": scores.video2text}
    directions = {name: ranks for name, ranks in named.items() if ranks is not None}
    if not directions:
        return []
    table = Table(title=f"BM25 over texts about {scores.documents} recordings", title_justify="left")
    table.add_column("")
    for name in directions:
        table.add_column(name, justify="right")
    for score in next(iter(directions.values())):
        table.add_row(score, *(_number(score, ranks[score]) for ranks in directions.values()))
    return [table]


def _number(score: str, value: float) -> str:
    return f"{value:.4g}" if score in ("median_rank", "mean_rank", "ties") else _percent(value)


def _error(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _range(details: BaselineDetails | None) -> str:
    return "" if details is None else " to ".join(map(_percent, details.interval))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
