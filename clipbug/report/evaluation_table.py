"""The table that fits an evaluation."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from clipbug.report.score_table import score_table
from clipbug.report.search_table import search_table


def evaluation_table(evaluation: Mapping[str, Any]) -> Table:
    """Of rankings or of answers."""
    is_search = evaluation["task"] in ("retrieval", "duplicates")
    return search_table(evaluation) if is_search else score_table(evaluation)
