"""Score duplicate detection by setting and by app, with baselines that need no training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.data.annotations.duplicates import BugRecording
from clipbug.errors import DataError
from clipbug.evaluation.scores import DuplicateScores
from clipbug.metrics.duplicates import Setting, duplicate_queries, random_mrr
from clipbug.metrics.groups import GroupScore
from clipbug.metrics.intervals import bootstrap_interval
from clipbug.metrics.ranking import QueryRank, RankSummary, macro_average, ranking_scores

SETTINGS: tuple[Setting, ...] = ("own_app", "all_apps")
MODEL = "model"
DUPLICATES = "duplicates"
"""What the scores call this evaluation, where those of a task have its name."""
_MAIN_SETTING: Setting = "own_app"
_MAIN_SCORE = "mrr"


def score_duplicates(
    recordings: Sequence[BugRecording], similarities: Mapping[str, NDArray[np.floating[Any]]]
) -> DuplicateScores:
    """Score how well similarities find the other recordings of a bug.

    The main score is the mean reciprocal rank of the model in the setting of Tango and Janus, the recordings
    of the query's own app. The interval draws bugs, since the recordings of a bug are not independent of each
    other.

    Args:
        recordings: with their apps and bugs.
        similarities: name -> (recordings, recordings); "model" is the one that is judged, others are
            baselines.

    Raises:
        DataError: no bug has two recordings.
    """
    apps, bugs = [one.app for one in recordings], [one.bug for one in recordings]
    ranks = {
        setting: {
            name: duplicate_queries(matrix, apps=apps, bugs=bugs, setting=setting)
            for name, matrix in similarities.items()
        }
        for setting in SETTINGS
    }
    main = ranks[_MAIN_SETTING][MODEL]
    if not main:
        raise DataError("no bug has two recordings, so there is no duplicate to find", "record bugs twice")
    clusters = [f"{apps[index]}/{bugs[index]}" for index in main]
    scores = {
        setting: {name: _scores(own, apps) for name, own in ranks[setting].items()} for setting in SETTINGS
    }
    best = scores[_MAIN_SETTING][MODEL]
    return DuplicateScores(
        task=DUPLICATES,
        score=best.ranks[_MAIN_SCORE],
        metric=_MAIN_SCORE,
        count=len(main),
        recordings=len(recordings),
        without_duplicate=len(recordings) - len(main),
        interval=bootstrap_interval([query.reciprocal for query in main.values()], clusters),
        ceiling=1.0,
        ties=best.ranks["ties"],
        baselines={
            "random": random_mrr(main, apps=apps, setting=_MAIN_SETTING),
            **{
                name: own.ranks[_MAIN_SCORE]
                for name, own in scores[_MAIN_SETTING].items()
                if not name.startswith(MODEL)
            },
        },
        by_app={app: GroupScore(own[_MAIN_SCORE], int(own["count"])) for app, own in best.by_app.items()},
        settings=scores,
    )


def _scores(queries: Mapping[int, QueryRank], apps: Sequence[str]) -> RankSummary:
    by_app: dict[str, list[QueryRank]] = {}
    for index, query in queries.items():
        by_app.setdefault(apps[index], []).append(query)
    scored = {app: ranking_scores(own) for app, own in sorted(by_app.items())}
    return RankSummary(
        ranks=ranking_scores(list(queries.values())),
        count=len(queries),
        by_app={app: {**own, "count": len(by_app[app])} for app, own in scored.items()},
        macro=macro_average(scored),
    )
