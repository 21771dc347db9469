"""Scores by group: answer type, app."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipbug.metrics.answers import mean


@dataclass(frozen=True, slots=True)
class GroupScore:
    """Mean score of a group and its number of records."""

    score: float
    count: int

    def to_json(self) -> dict[str, float | int]:
        """Return the object that `evaluate --json` prints."""
        return {"score": self.score, "count": self.count}


def scores_by_group(scores: Sequence[float], groups: Sequence[str | None]) -> dict[str, GroupScore]:
    """Return the mean score of each group.

    Args:
        scores: Score of each record.
        groups: Group of each record; None for records in no group.

    Returns:
        Scores by group, in alphabetical order.

    Raises:
        ValueError: The sequences differ in length.
    """
    members: dict[str, list[float]] = {}
    for score, group in zip(scores, groups, strict=True):
        if group is not None:
            members.setdefault(group, []).append(score)
    return {group: GroupScore(mean(members[group]), len(members[group])) for group in sorted(members)}
