"""Render an evaluation of answers as a table in the terminal."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from clipbug.evaluation.scores import AnswerScores

_LEFT_OUT = {
    "missing": "rows without a prediction (counted as wrong)",
    "unmatched": "predictions without a row (ignored)",
    "unlabelled": "rows without an answer (not scored)",
}
_BASELINES = {
    "random": "random option",
    "majority": "majority answer",
    "question_only": "question only, no frames",
}


def score_table(scores: AnswerScores) -> Table:
    """Return a table of the score with its interval, baselines and ceiling, then by type and by app."""
    metric = scores.metric.replace("_", " ")
    table = Table(title=f"{scores.task}: {metric}", title_justify="left")
    table.add_column("")
    table.add_column(metric, justify="right")
    table.add_column("rows", justify="right")
    for name, score, rows in _overall(scores):
        table.add_row(name, score, rows)
    for heading, groups in (("type", scores.by_type), ("app", scores.by_app)):
        table.add_section()
        for name, group in groups.items():
            table.add_row(escape(f"{heading}: {name}"), _percent(group.score), str(group.count))
    table.add_section()
    for key, number in scores.left_out().items():
        if number:
            table.add_row(_LEFT_OUT[key], "", str(number))
    return table


def _overall(scores: AnswerScores) -> Iterator[tuple[str, str, str]]:
    low, high = scores.interval
    yield "model", _percent(scores.score), str(scores.count)
    yield "  95 % interval over recordings", f"{_percent(low)} to {_percent(high)}", ""
    for key, score in scores.baselines.items():
        if score is not None:
            yield f"baseline: {_BASELINES.get(key, key)}", _percent(score), ""
    if scores.mse is not None:
        yield "mean squared error (lower is better)", f"{scores.mse:.2f}", ""
    yield "ceiling: best reachable score", _percent(scores.ceiling), ""
    if scores.oov_share:
        yield "  rows with no answer in the vocabulary", _percent(scores.oov_share), ""


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
