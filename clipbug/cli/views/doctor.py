"""What `clipbug doctor` found, as a table for the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "error": ("error", "bold red")}


def health_table(report: Mapping[str, Any]) -> RenderableType:
    """A row per finding, with its fix below; last, whether clipbug can be used.

    Args:
        report: the object that `doctor --json` prints.
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
    verdict = "clipbug can be used here" if report["usable"] else f"clipbug cannot be used, errors: {errors}"
    return Group(table, Text(f"{verdict}{f', warnings: {warnings}' if warnings else ''}", style="bold"))
