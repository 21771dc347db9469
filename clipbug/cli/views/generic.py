"""Render the object that --json prints as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_UNITS = ("B", "kB", "MB", "GB", "TB")


def report_view(title: str, payload: Mapping[str, Any]) -> RenderableType:
    """Return a table for each mapping or list of objects in a payload, and one for its single values."""
    facts = {key: value for key, value in payload.items() if not _is_table(value)}
    groups = {key: value for key, value in payload.items() if _is_table(value) and value}
    tables = [_group_table(_label(key), value) for key, value in groups.items()]
    return Group(*tables, *([_facts_table(title, facts)] if facts else []))


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        _is_list(value) and any(isinstance(item, Mapping) for item in value)
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _facts_table(title: str, facts: Mapping[str, Any]) -> Table:
    table = _new_table(title, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in facts.items():
        table.add_row(_label(key), Text(cell(key, value)))
    return table


def _group_table(title: str, group: Mapping[str, Any] | Sequence[Any]) -> Table:
    """Return a table with a column per key, or with two columns for a mapping of plain values."""
    if isinstance(group, Mapping) and not any(isinstance(value, Mapping) for value in group.values()):
        return _facts_table(title, group)
    rows = _named_rows(group) if isinstance(group, Mapping) else list(group)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = _new_table(title)
    for column in columns:
        table.add_column(_label(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(column, row.get(column))) for column in columns))
    return table


def _named_rows(group: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"": name, **(row if isinstance(row, Mapping) else {"value": row})} for name, row in group.items()
    ]


def _new_table(title: str, *, show_header: bool = True) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", show_header=show_header)


def _label(key: str) -> str:
    return key.removeprefix("num_").replace("_", " ")


def cell(key: str, value: Any) -> str:
    """Return a value as text; the last word of its key determines the unit."""
    if value is None:
        return "-"
    if _is_list(value):
        is_text = any(isinstance(item, str) for item in value)
        return ("\n" if is_text else ", ").join(cell(key, item) for item in value) or "-"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {cell(name, item)}" for name, item in value.items())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    unit = key.rpartition("_")[2]
    if unit == "bytes":
        return _bytes(value)
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"
    return f"{number} s" if unit == "seconds" else number


def _bytes(count: float) -> str:
    power = 0
    while count >= 1000 and power < len(_UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.4g} {_UNITS[power]}"
