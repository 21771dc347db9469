"""Render an evaluation as the table that matches its task."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from clipbug.cli.views.rankings import search_table
from clipbug.cli.views.scores import score_table


def evaluation_table(evaluation: Mapping[str, Any]) -> Table:
    """Return the table of rankings or of answers, depending on the task."""
    is_search = evaluation["task"] in ("retrieval", "duplicates")
    return search_table(evaluation) if is_search else score_table(evaluation)
