"""Render the result of the demo: scores next to baselines, paths, and commands to try next."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text


def demo_view(report: Mapping[str, Any]) -> RenderableType:
    """Return the scores, the paths and the next commands of a demo."""
    table = Table(title="held-out recordings and screenshots", title_justify="left", title_style="bold")
    columns = ("task", "score", "95 % interval", "majority answer", "question only", "ceiling", "questions")
    for column in columns:
        table.add_column(column, justify="left" if column == "task" else "right")
    for result in report["results"]:
        low, high = result["interval"]
        shares = (result["majority"], result["question_only"], result["ceiling"])
        table.add_row(
            escape(result["task"]),
            Text(_percent(result["score"]), style="bold green"),
            f"{_percent(low)} to {_percent(high)}",
            *map(_percent, shares),
            str(result["questions"]),
        )
    runs = "\n".join(f"  {result['task']}: {result['run']}" for result in report["results"])
    commands = "\n".join(f"  {command}" for command in report["next_commands"])
    return Group(
        table,
        Text(f"\n{report['recordings']} recordings, {report['screens']} screenshots: {report['storage']}"),
        Text(f"runs:\n{runs}"),
        Text(f"try next:\n{commands}"),
        Text(f"\ntotal time: {report['seconds']:.0f} s"),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
