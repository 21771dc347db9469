"""Scores equal those that the original computed on the same rows (outputs of a run of it, copied here).

Not taken over: a score for types without rows (0 or NaN there, absent here), and "the last one wins" for two
predictions of one question (an error here).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbug.metrics.answers import answer_score, mean
from clipbug.metrics.groups import scores_by_group

CASES = json.loads(Path(__file__).with_name("original_scores.json").read_text(encoding="utf-8"))


def scores_of(case: dict[str, Any]) -> list[float]:
    """Our score of each row; the original's video QA gives class numbers, its image QA texts."""
    texts = {number: answer for answer, number in case.get("ans2label", {}).items()}
    given = {row["question_id"]: texts.get(row["answer"], row["answer"]) for row in case["results"]}
    labels = [row.get("labels") or ({row["answer"]: 1.0} if "answer" in row else {}) for row in case["data"]]
    return [
        answer_score(given[row["question_id"]], weights)
        for row, weights in zip(case["data"], labels, strict=True)
    ]


@pytest.mark.parametrize("name", ["frameqa", "msrvtt_qa", "vqa"])
def test_scores_overall_and_by_type(name: str) -> None:
    case = CASES[name]
    expected, scores = case["metrics"], scores_of(case)
    assert mean(scores) == pytest.approx(expected["overall_acc"], abs=1e-12)  # sums in another order
    by_type = scores_by_group(scores, [row["answer_type"] for row in case["data"]])
    counts = {kind.removesuffix("_ratio"): count for kind, (_, count) in expected["ratios"].items() if count}
    assert {kind: group.count for kind, group in by_type.items()} == counts
    for kind, group in by_type.items():
        assert group.score == pytest.approx(expected[f"{kind}_acc"], abs=1e-12)
