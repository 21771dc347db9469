"""An evaluation as a table for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

_COUNTED = (
    ("missing", "rows without prediction (counted wrong)"),
    ("unmatched", "predictions without row (left out)"),
    ("unlabelled", "rows without answer (not scored)"),
)
_BASELINES = {
    "random": "random option",
    "majority": "majority answer",
    "question_only": "question only, no picture",
}


def score_table(evaluation: Mapping[str, Any]) -> Table:
    """Score with interval, baselines and ceiling, then by type and by app.

    Args:
        evaluation: what `score_predictions` returns.
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
    yield "ceiling: best that can be reached", _percent(evaluation["ceiling"]), ""
    if evaluation["oov_share"]:
        yield "  rows whose answers the vocabulary lacks", _percent(evaluation["oov_share"]), ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
