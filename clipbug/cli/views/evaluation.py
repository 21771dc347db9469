"""Render an evaluation as the table that matches its task."""

from rich.table import Table

from clipbug.cli.views.rankings import ranking_table
from clipbug.cli.views.scores import score_table
from clipbug.evaluation.scores import AnswerScores, DuplicateScores, RetrievalScores, Scores


def evaluation_table(scores: Scores) -> Table:
    """Return the table that fits the scores.

    Raises:
        TypeError: there is none for them.
    """
    match scores:
        case AnswerScores():
            return score_table(scores)
        case RetrievalScores() | DuplicateScores():
            return ranking_table(scores)
    raise TypeError(f"there is no table for {type(scores).__name__}")
