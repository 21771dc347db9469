"""Render the findings of `clipbug doctor` as a table in the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "error": ("error", "bold red")}


def health_table(report: Mapping[str, Any]) -> RenderableType:
    """Return a table with a row per finding and its fix, and the verdict.

    Args:
        report: the object that `doctor --json` prints.

    Returns:
        The table and a line that says whether clipbug can run here.
    """
    table = Table(title=f"clipbug {report['version']}", title_justify="left", title_style="bold")
    for name in ("check", "", "found"):
        table.add_column(name, no_wrap=name != "found", overflow="fold")
    for finding in report["findings"]:
        word, style = _MARKS[finding["status"]]
        found = Text(finding["found"])
        if finding["fix"]:
            found.append(f"\nfix: {finding['fix']}", style="cyan")
        table.add_row(Text(finding["check"]), Text(word, style=style), found)
    errors = sum(finding["status"] == "error" for finding in report["findings"])
    warnings = sum(finding["status"] == "warning" for finding in report["findings"])
    verdict = "clipbug can run here" if report["usable"] else f"clipbug cannot run here, errors: {errors}"
    return Group(table, Text(f"{verdict}{f', warnings: {warnings}' if warnings else ''}", style="bold"))
