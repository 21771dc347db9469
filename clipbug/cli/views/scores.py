"""Render an evaluation of answers as a table in the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

_COUNTED = (
    ("missing", "rows without a prediction (counted as wrong)"),
    ("unmatched", "predictions without a row (ignored)"),
    ("unlabelled", "rows without an answer (not scored)"),
)
_BASELINES = {
    "random": "random option",
    "majority": "majority answer",
    "question_only": "question only, no frames",
}


def score_table(evaluation: Mapping[str, Any]) -> Table:
    """Return a table of the score with its interval, baselines and ceiling, then by type and by app.

    Args:
        evaluation: the result of `score_predictions`.

    Returns:
        The table, ending with the rows and predictions that were not scored as usual.
    """
    metric = evaluation["metric"].replace("_", " ")
    table = Table(title=f"{evaluation['task']}: {metric}", title_justify="left")
    table.add_column("")
    table.add_column(metric, justify="right")
    table.add_column("rows", justify="right")
    for name, score, rows in _overall(evaluation):
        table.add_row(name, score, rows)
    for heading, key in (("type", "by_type"), ("app", "by_app")):
        table.add_section()
        for name, group in evaluation[key].items():
            table.add_row(escape(f"{heading}: {name}"), _percent(group["score"]), str(group["count"]))
    table.add_section()
    for key, explanation in _COUNTED:
        if evaluation[key]:
            table.add_row(explanation, "", str(evaluation[key]))
    return table


def _overall(evaluation: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    low, high = evaluation["interval"]
    yield "model", _percent(evaluation["score"]), str(evaluation["count"])
    yield "  95 % interval over recordings", f"{_percent(low)} to {_percent(high)}", ""
    for key, score in evaluation["baselines"].items():
        if score is not None:
            yield f"baseline: {_BASELINES.get(key, key)}", _percent(score), ""
    if evaluation.get("mse") is not None:
        yield "mean squared error (lower is better)", f"{evaluation['mse']:.2f}", ""
    yield "ceiling: best reachable score", _percent(evaluation["ceiling"]), ""
    if evaluation["oov_share"]:
        yield "  rows with no answer in the vocabulary", _percent(evaluation["oov_share"]), ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
