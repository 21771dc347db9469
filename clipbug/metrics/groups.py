"""Scores by group: answer type, app."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipbug.metrics.answers import mean


@dataclass(frozen=True, slots=True)
class GroupScore:
    """Mean score of one group and the number of its rows."""

    score: float
    count: int

    def to_json(self) -> dict[str, float | int]:
        """As `evaluate --json` prints it."""
        return {"score": self.score, "count": self.count}


def scores_by_group(scores: Sequence[float], groups: Sequence[str | None]) -> dict[str, GroupScore]:
    """The mean score of each group that occurs, in alphabetical order; rows of group None are in none.

    Raises:
        ValueError: the sequences differ in length.
    """
    members: dict[str, list[float]] = {}
    for score, group in zip(scores, groups, strict=True):
        if group is not None:
            members.setdefault(group, []).append(score)
    return {group: GroupScore(mean(members[group]), len(members[group])) for group in sorted(members)}
