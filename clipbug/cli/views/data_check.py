"""Render a check of annotation files as tables in the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}
_NUM_SHOWN = 3
_LONGEST_ITEM = 70
_SHARES = ("ceiling", "oracle", "oov_share", "random", "majority", "question_only")


def check_table(report: Mapping[str, Any]) -> RenderableType:
    """Return a summary of the files and the findings, worst first, with the first cases of each.

    Args:
        report: the object that `data check --json` prints.

    Returns:
        The tables and a line with the number of errors and warnings.
    """
    tables: list[RenderableType] = [_files(report["files"])]
    if report["scores"]:
        tables.append(_scores(report["scores"]))
    if report["findings"]:
        tables.append(_findings(report["findings"]))
    counts = f"{report['errors']} errors, {report['warnings']} warnings (--json lists every case)"
    return Group(*tables, counts)


def _files(files: Sequence[Mapping[str, Any]]) -> Table:
    names = ("file", "split", "format", "rows", "unreadable", "media", "texts", "answers", "types")
    table = _new("files", names)
    for file in files:
        types = ", ".join(f"{name} {count}" for name, count in file["types"].items())
        cells = [str(file[name] if file[name] is not None else "-") for name in names[:-1]]
        table.add_row(*map(Text, (*cells, types or "-")))
    return table


def _scores(scores: Sequence[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for score in scores for name in score))
    table = _new("reachable scores", [name.replace("_", " ") for name in names])
    for score in scores:
        table.add_row(*(_cell(name, score.get(name)) for name in names))
    return table


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if name in _SHARES else str(value)


def _findings(findings: Sequence[Mapping[str, Any]]) -> Table:
    table = _new("findings", ("severity", "check", "finding"))
    for finding in findings:
        severity = Text(finding["severity"], style=_STYLES[finding["severity"]])
        shown = [item[:_LONGEST_ITEM] for item in finding["items"][:_NUM_SHOWN]]
        more = finding["count"] - len(shown)
        lines = [
            finding["message"],
            *(f"  {item}" for item in shown),
            *([f"  ... {more} more"] if more else []),
        ]
        table.add_row(severity, finding["check"], Text("\n".join(lines)))
    return table


def _new(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_lines=title == "findings")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
