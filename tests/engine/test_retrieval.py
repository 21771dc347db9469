"""All texts against all recordings: the same scores as pair by pair, each recording encoded once."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbug.config.task import RetrievalConfig
from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.data.loading.text import EncodedTexts
from clipbug.engine import retrieval as ranking
from clipbug.engine.evaluator import Evaluation
from clipbug.engine.interruption import StopSignals
from clipbug.engine.retrieval import RankingEvaluator, score_recordings
from clipbug.tasks.retrieval import Retrieval
from tests.helpers.batches import caption_batch, split_by_visual, tiny_task
from tests.helpers.fake_tasks import ALONE
from tests.helpers.rounding import assert_close, num_terms

TEXTS = EncodedTexts([[2, 8, 9, 3], [2, 30, 3], [2, 11, 12, 13, 14, 3], [2, 31, 3], [2, 17, 18, 3]], 0)


@pytest.fixture
def task() -> Retrieval:
    task = tiny_task(RetrievalConfig(), "logsumexp")
    assert isinstance(task, Retrieval)
    return task


def scored(task: Retrieval, batches: list[Batch]) -> dict[str, NDArray[np.float32]]:
    return {one.media_id: one.scores for one in recordings_of(task, batches)}


def recordings_of(task: Retrieval, batches: Iterable[Batch | UnreadVisual], **options: Any) -> list[Any]:
    """What is said of recordings that can be read, one by one."""
    parts = score_recordings(
        task, batches, TEXTS, precision="fp32", device=ALONE.device, description="search", **options
    )
    return [one for part in parts if not isinstance(part, UnreadVisual) for one in part]


def pair_by_pair(task: Retrieval, batch: Batch) -> dict[str, list[float]]:
    """One text and one recording at a time, without padding."""
    scores: dict[str, list[float]] = {}
    task.eval()
    with torch.inference_mode():
        for visual, media_id in enumerate(batch.media_ids):
            for text in TEXTS.input_ids:
                ids = torch.tensor([list(text)])
                output = task.model(
                    batch.frames[visual : visual + 1],
                    ids,
                    torch.ones_like(ids),
                    torch.tensor([0]),
                    batch.clip_positions[visual : visual + 1],
                )
                pooled = output.logsumexp(dim=1)[0]
                scores.setdefault(media_id, []).append(float(pooled[1] - pooled[0]))
    return scores


@pytest.mark.parametrize("sequences", [1, 7, 256])
def test_scores_equal_those_of_single_pairs(
    task: Retrieval, sequences: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "_SEQUENCES_PER_CALL", sequences)
    batch = caption_batch({})
    expected = pair_by_pair(task, batch)
    for batches in ([batch], split_by_visual(batch)):
        found = scored(task, batches)
        size = max(np.abs(column).max() for column in expected.values())  # a score is a difference of logits
        assert found.keys() == expected.keys()
        for media_id, column in found.items():
            assert_close(column, expected[media_id], terms=num_terms(task), size=size)


def test_every_frame_passes_the_backbone_once(task: Retrieval) -> None:
    batch = caption_batch({})
    frames: list[int] = []
    task.model.visual.register_forward_pre_hook(lambda module, inputs: frames.append(len(inputs[0])))
    scored(task, split_by_visual(batch))
    assert sum(frames) == batch.frames.flatten(0, 2).shape[0]


def test_memory_holds_few_pairs_at_a_time(task: Retrieval, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "_SEQUENCES_PER_CALL", 12)
    rows: list[int] = []
    own_scores = task.match_scores

    def counted(grid: Tensor, input_ids: Tensor, *others: Any) -> Tensor:
        rows.append(len(input_ids) * grid.shape[1])
        return own_scores(grid, input_ids, *others)

    monkeypatch.setattr(task, "match_scores", counted)
    scored(task, [caption_batch({})])
    assert max(rows) <= 12
    assert sum(rows) == 5 * 3 * 2  # texts, recordings, clips


def test_validation_leaves_the_task_as_it_was_and_needs_no_own_texts(task: Retrieval) -> None:
    seen: list[Mapping[str, NDArray[np.float32]]] = []

    def score(columns: Mapping[str, NDArray[np.float32]]) -> Mapping[str, float]:
        seen.append(columns)
        return {"score": 0.5}

    evaluator = RankingEvaluator(
        task, [caption_batch({})], texts=TEXTS, score=score, precision="fp32", distributed=ALONE
    )
    task.train()
    evaluator.dry_run()
    with StopSignals() as signals:
        evaluations = [evaluator.evaluate(signals), evaluator.evaluate(signals)]
    assert evaluations == [Evaluation({"score": 0.5}, ())] * 2
    assert task.training
    first, second = seen
    for media_id, column in first.items():
        np.testing.assert_array_equal(column, second[media_id])


def test_recordings_that_cannot_be_read_are_named_and_the_others_scored(task: Retrieval) -> None:
    first, *others = split_by_visual(caption_batch({}))
    unread = UnreadVisual(first.media_ids[0], first.records, "damaged", "record it again")
    first_part, *parts = score_recordings(
        task, [unread, *others], TEXTS, precision="fp32", device=ALONE.device, description="search"
    )
    assert first_part == unread
    scored = [[one.media_id for one in part] for part in parts if not isinstance(part, UnreadVisual)]
    assert scored == [list(batch.media_ids) for batch in others]


def test_logits_of_own_pairs_are_those_of_prediction(task: Retrieval) -> None:
    first, *others = split_by_visual(caption_batch({}))
    unread = UnreadVisual(first.media_ids[0], first.records, "damaged", "record it again")
    apart = recordings_of(task, [unread, *others], with_pairs=True)
    pairs = {row: logits for one in apart for row, logits in one.pairs.items()}
    assert [list(one.pairs) for one in apart] == [
        [record.record_id for record in batch.records] for batch in others
    ]
    together = recordings_of(task, [caption_batch({})], with_pairs=True)
    assert [list(one.pairs) for one in together[1:]] == [list(one.pairs) for one in apart]
    task.eval()
    for batch in others:
        with torch.inference_mode():
            clips = task.model(
                batch.frames,
                batch.input_ids,
                batch.attention_mask,
                batch.visual_index,
                batch.clip_positions,
            )
        for row, record in enumerate(batch.records):
            pooled, own = pairs[record.record_id]
            assert_close(own, clips[row], terms=num_terms(task))
            assert_close(pooled, clips[row].logsumexp(dim=0), terms=num_terms(task))
