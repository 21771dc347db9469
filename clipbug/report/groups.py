"""Mean scores of groups of questions, with confidence intervals."""

from collections.abc import Callable, Sequence

from clipbug.metrics.answers import mean
from clipbug.metrics.intervals import bootstrap_interval
from clipbug.report.contents import Card, Group

_MAX_GROUPS = 16
_NUM_RESAMPLES = 400  # enough for error bars


def groups_of(cards: Sequence[Card], key: Callable[[Card], str | None]) -> list[Group]:
    """Return the largest groups of scored cards, at most 16, largest first; a key of None means no group."""
    members: dict[str, list[Card]] = {}
    for card in cards:
        name = key(card)
        if card.score is not None and name is not None:
            members.setdefault(name, []).append(card)
    largest = sorted(members, key=lambda name: (-len(members[name]), name))[:_MAX_GROUPS]
    return [_group(name, members[name]) for name in largest]


def _group(name: str, cards: Sequence[Card]) -> Group:
    scores = [card.score or 0.0 for card in cards]
    low, high = bootstrap_interval(scores, [card.media_id for card in cards], num_resamples=_NUM_RESAMPLES)
    return Group(name, mean(scores), len(cards), low, high)
