"""Render an evaluation of rankings as a table in the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

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


def search_table(evaluation: Mapping[str, Any]) -> Table:
    """Return a table of scores over all queries and by app, for each direction or setting.

    Args:
        evaluation: the result of `score_retrieval` or `score_duplicates`.

    Returns:
        The table; retrieval has two directions, duplicate detection several settings.
    """
    low, high = evaluation["interval"]
    table = Table(
        title=f"{evaluation['task']}: mRR {evaluation['score']:.3f} (95 % interval {low:.3f} to {high:.3f})",
        title_justify="left",
    )
    table.add_column("")
    for heading, _ in _COLUMNS:
        table.add_column(heading, justify="right")
    for name, scores in _rows(evaluation):
        table.add_row(escape(name), *(_shown(key, scores.get(key)) for _, key in _COLUMNS))
    table.add_section()
    for name, score in evaluation["baselines"].items():
        table.add_row(f"baseline: {name}", _shown("mrr", score))
    return table


def _rows(evaluation: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if evaluation["task"] == "retrieval":
        sections = {"text to video": evaluation["text2video"], "video to text": evaluation["video2text"]}
    else:
        sections = {
            f"{setting.replace('_', ' ')}, {name}": scores
            for setting, by_name in evaluation["settings"].items()
            for name, scores in by_name.items()
        }
    for name, scores in sections.items():
        if scores is None:
            yield f"{name}: not all pairs have a score", {}
            continue
        yield name, scores
    main = next(iter(sections.values()))
    if main and main["macro"]:
        yield "  mean over apps", main["macro"]
        yield from ((f"  app: {app}", own) for app, own in main["by_app"].items())


def _shown(key: str, value: float | None) -> str:
    if value is None:
        return ""
    if key in ("count", "ties"):
        return f"{value:.0f}"
    return f"{value:.1f}" if key.endswith("_rank") else f"{value:.3f}"
