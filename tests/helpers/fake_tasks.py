"""A task small enough to follow by hand, over batches made from numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from clipbug.data.loading.batch import Batch
from clipbug.data.records import QuestionRecord, Record
from clipbug.runtime.distributed import Distributed
from clipbug.tasks.base import Metric, Prediction, StepOutput, Task

NUM_CLASSES = 3
ALONE = Distributed(rank=0, local_rank=0, world_size=1, device=torch.device("cpu"))


def make_batch(ids: Sequence[int], *, with_targets: bool = True) -> Batch:
    """One image and one question per id; everything follows from the id."""
    frames = torch.stack([torch.rand(1, 1, 3, 4, 4, generator=torch.Generator().manual_seed(i)) for i in ids])
    rows = len(ids)
    labels = torch.tensor([-100 if i % 5 == 4 else i % NUM_CLASSES for i in ids])
    records = tuple(
        QuestionRecord(f"q{i}", f"q{i}", f"media{i}", "what is it?", {str(i % NUM_CLASSES): 1.0}) for i in ids
    )
    return Batch(
        media_ids=tuple(f"media{i}" for i in ids),
        records=records,
        frames=frames,
        frame_seconds=torch.zeros(rows, 1, 1),
        clip_spans=torch.zeros(rows, 1, 2),
        clip_positions=torch.zeros(rows, 1),
        input_ids=torch.ones(rows, 2, dtype=torch.long),
        attention_mask=torch.ones(rows, 2, dtype=torch.long),
        visual_index=torch.arange(rows),
        targets={"labels": labels} if with_targets else {},
    )


class _Model(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.visual = nn.Linear(48, 8)
        self.norm = nn.LayerNorm(8)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8, NUM_CLASSES)
        self.head_again = self.head  # tied: two names, one tensor

    def forward(self, frames: Tensor) -> Tensor:
        features = torch.tanh(self.visual(frames.flatten(1)))
        return self.head_again(self.dropout(self.norm(features)))


class _Accuracy:
    name = "accuracy"

    def __call__(self, predictions: Sequence[Prediction], records: Sequence[Record]) -> Mapping[str, float]:
        right = [p.answer in r.labels for p, r in zip(predictions, records, strict=True)]
        return {"accuracy": sum(right) / len(right), "rows": float(len(right))}


class FakeTask(Task):
    """Cross entropy on a linear model, with a second loss whose targets are the rows of odd label."""

    def __init__(self, *, dropout: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.model = _Model(dropout)

    def count_targets(self, batch: Batch) -> Mapping[str, int]:
        labels = batch.targets["labels"]
        return {"answer": int((labels != -100).sum()), "size": int((labels == 1).sum())}

    def training_step(self, batch: Batch) -> StepOutput:
        logits = self.model(batch.frames)
        labels = batch.targets["labels"]
        answer = nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")
        size = (logits.square().sum(dim=1) * (labels == 1)).sum()
        return StepOutput({"answer": answer, "size": size}, {"largest_logit": float(logits.detach().max())})

    def predict(self, batch: Batch) -> list[Prediction]:
        logits = self.model(batch.frames).float()
        return [_prediction(record, row.numpy()) for record, row in zip(batch.records, logits, strict=True)]

    def metric(self) -> Metric:
        return _Accuracy()


def _prediction(record: Record, logits: np.ndarray) -> Prediction:
    answer = str(int(logits.argmax()))
    return Prediction(
        record_id=record.record_id,
        question_id=record.record_id,
        media_id=record.media_id,
        question=record.text,
        answer=answer,
        probability=1.0,
        top=((answer, 1.0),),
        clips=(),
        pooled_logits=logits,
        clip_logits=logits[None],
    )


@dataclass
class FakeStream:
    """Micro-batches of ids in counting order, shared among processes in turn."""

    batch_size: int = 4
    rank: int = 0
    world_size: int = 1
    num_ids: int = 30
    positions: list[int] = field(default_factory=list)

    def batches_from(self, position: int) -> Iterator[Batch]:
        self.positions.append(position)
        while True:
            torch.rand(3)  # as a loader does when it starts its workers
            first = (position * self.world_size + self.rank) * self.batch_size
            yield make_batch([(first + i) % self.num_ids for i in range(self.batch_size)])
            position += 1
