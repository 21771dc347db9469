"""Render an evaluation of rankings as a table in the terminal."""

from collections.abc import Iterator, Mapping

from rich.markup import escape
from rich.table import Table

from clipbug.evaluation.scores import DuplicateScores, RetrievalScores
from clipbug.metrics.ranking import RankSummary

_COLUMNS = (
    ("mRR", "mrr"),
    ("mAP", "map"),
    ("R@1 = HIT@1", "r@1"),
    ("R@5", "r@5"),
    ("R@10", "r@10"),
    ("median rank", "median_rank"),
    ("mean rank", "mean_rank"),
    ("queries", "count"),
    ("ties", "ties"),
)


def ranking_table(scores: RetrievalScores | DuplicateScores) -> Table:
    """Return a table of scores over all queries and by app, for each direction or setting."""
    low, high = scores.interval
    table = Table(
        title=f"{scores.task}: mRR {scores.score:.3f} (95 % interval {low:.3f} to {high:.3f})",
        title_justify="left",
    )
    table.add_column("")
    for heading, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for name, ranks in _rows(scores):
        table.add_row(escape(name), *(_shown(key, ranks.get(key)) for _, key in _COLUMNS))
    table.add_section()
    for name, score in scores.baselines.items():
        table.add_row(f"baseline: {name}", _shown("mrr", score))
    return table


def _rows(scores: RetrievalScores | DuplicateScores) -> Iterator[tuple[str, Mapping[str, float]]]:
    parts: dict[str, RankSummary | None]
    if isinstance(scores, RetrievalScores):
        parts = {"text to video": scores.text2video, "video to text": scores.video2text}
    else:
        parts = {
            f"{setting.replace('_', ' ')}, {name}": summary
            for setting, by_name in scores.settings.items()
            for name, summary in by_name.items()
        }
    for name, summary in parts.items():
        if summary is None:
            yield f"{name}: not all pairs have a score", {}
        else:
            yield name, {**summary.ranks, "count": summary.count}
    main = next(iter(parts.values()))
    if main is not None and main.macro:
        yield "  mean over apps", main.macro
        yield from ((f"  app: {app}", own) for app, own in main.by_app.items())


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if key in ("count", "ties"):
        return f"{value:.0f}"
    return f"{value:.1f}" if key.endswith("_rank") else f"{value:.3f}"
