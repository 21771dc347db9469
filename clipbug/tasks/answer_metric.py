"""Score answers: accuracy where one answer is right, label weight where several are."""

from collections.abc import Mapping, Sequence

from clipbug.data.records import QuestionOrChoice, Record
from clipbug.errors import DataError
from clipbug.metrics.answers import answer_score, mean
from clipbug.metrics.groups import scores_by_group
from clipbug.tasks.base import Prediction


class AnswerMetric:
    """Mean weight of the predicted answers among the labels, over all rows and by answer type.

    Args:
        name: of the main score; by type it is "<name>/<type>".
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> Mapping[str, float]:
        """Return scores in [0, 1]. Rows without labels are not scored; rows without prediction are wrong.

        Raises:
            DataError: no row has a label.
        """
        rows = [record for record in records if isinstance(record, QuestionOrChoice) and record.labels]
        if not rows:
            raise DataError(
                f"none of {len(records)} rows has an answer to score against",
                "give a validation file with answers",
            )
        answers = {prediction.record_id: prediction.answer for prediction in predictions}
        scores = [answer_score(answers.get(row.record_id), row.labels) for row in rows]
        by_type = scores_by_group(scores, [row.answer_type for row in rows])
        return {self.name: mean(scores)} | {
            f"{self.name}/{name}": group.score for name, group in by_type.items()
        }
