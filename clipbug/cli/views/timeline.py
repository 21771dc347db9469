"""What `clipbug timeline` prints."""

from typing import Any

from clipbug.cli.views.generic import report_view


def view_of(report: Any) -> Any:
    """Return the document, the tables, or the names of the files written; then the files that are bad.

    Args:
        report: a `TimelineReport`.
    """
    from rich.console import Group

    from clipbug.cli.views.timeline_table import timeline_view

    row = report.to_json()
    rest = {key: row[key] for key in ("written", "bad") if row.get(key)}
    if report.text:  # the document goes to standard output alone; the reader of a pipe wants nothing else
        _print_bad(rest)
        return report.text
    parts = [] if report.written else [timeline_view(report.timelines)]
    return Group(*parts, *([report_view("", rest)] if rest else []))


def _print_bad(rest: dict[str, Any]) -> None:
    import sys

    for row in rest.get("bad", ()):
        print(f"error: {row['message']}\nhint: {row['hint']}", file=sys.stderr)
