"""Assign samples to batches, in training and in evaluation."""

from collections.abc import Hashable, Iterator
from functools import partial
from itertools import count
from typing import Protocol

from clipbug.data.loading.bad_items import BadItems
from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.data.loading.batch_reader import BatchReader, Collate, Keys, ReadsSamples
from clipbug.data.loading.sample_seeds import order_of_epoch
from clipbug.errors import DataError, DecodeError


class SampleSource(ReadsSamples, Protocol):
    """The part of a dataset that loaders use."""

    def __len__(self) -> int: ...

    def batch_key(self, index: int) -> Hashable:
        """Return what samples of one evaluation batch must have in common."""
        ...


class TrainBatches:
    """An endless stream of training batches for one process.

    The epochs' orders follow each other without a gap. A global micro-batch is the next `world_size *
    batch_size` groups, of which each rank takes its slice: every batch is full, every group occurs once per
    epoch, and two ranks together see what one rank of twice the batch size sees.

    Args:
        dataset: samples.
        batch_size: samples per batch and rank.
        seed: decides the orders.
        rank, world_size: of this process.
        num_workers: processes that read ahead; 0 reads here.
        collate: samples to a batch, picklable.
        bad_items: what cannot be decoded, and how much of it may be left out; default: nothing.

    Raises:
        DataError: the dataset is empty.
    """

    def __init__(
        self,
        dataset: SampleSource,
        *,
        batch_size: int,
        seed: int,
        rank: int,
        world_size: int,
        num_workers: int,
        collate: Collate,
        bad_items: BadItems | None = None,
    ) -> None:
        if not len(dataset):
            raise DataError("there is no row to train on", "check the files given with --train")
        self.num_groups = len(dataset)
        self.batch_size = batch_size
        # The stream of keys must not hold this object: in a reference cycle workers end five seconds late.
        self._keys_from = partial(
            _training_keys,
            num_groups=self.num_groups,
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
        self._reader = BatchReader(dataset, collate, num_workers, bad_items)

    def batches_from(self, position: int) -> Iterator[Batch]:
        """Yield the stream from batch number `position` on; nothing before it is read.

        Raises:
            DecodeError: a visual cannot be decoded (more than may be left out); the message names it.
        """
        return self._reader.read(self._keys_from(position))


def _training_keys(
    position: int, *, num_groups: int, batch_size: int, seed: int, rank: int, world_size: int
) -> Iterator[Keys]:
    epoch_of_order, order = -1, list[int]()
    for number in count(position):
        start = (number * world_size + rank) * batch_size
        keys = []
        for place in range(start, start + batch_size):
            epoch, offset = divmod(place, num_groups)
            if epoch != epoch_of_order:
                epoch_of_order, order = epoch, order_of_epoch(seed, epoch, num_groups)
            keys.append((epoch, order[offset]))
        yield keys


class EvaluationBatches:
    """Each group once over all ranks, in a fixed order, never repeated to fill a batch.

    A batch holds frames of one shape, so that the answer to a question does not depend on the rest of
    it; and batches are the same for any number of ranks.

    Args:
        others: as of `TrainBatches`.
    """

    def __init__(
        self,
        dataset: SampleSource,
        *,
        batch_size: int,
        rank: int,
        world_size: int,
        num_workers: int,
        collate: Collate,
        bad_items: BadItems | None = None,
    ) -> None:
        by_shape: dict[Hashable, Keys] = {}
        self._unread: list[UnreadVisual] = []
        for index in range(len(dataset)):
            try:
                by_shape.setdefault(dataset.batch_key(index), []).append((0, index))
            except DecodeError as error:  # stores without a manifest look into the file
                group = dataset.groups[index]
                self._unread.append(UnreadVisual(group.media_id, group.records, error.message, error.hint))
                (bad_items or BadItems()).add(self._unread[-1])
        self._unread = self._unread[rank::world_size]
        batches = [
            keys[start : start + batch_size]
            for keys in by_shape.values()
            for start in range(0, len(keys), batch_size)
        ]
        self._keys = batches[rank::world_size]
        self._reader = BatchReader(dataset, collate, num_workers, bad_items)

    @property
    def unread(self) -> list[UnreadVisual]:
        """Return what this process has left out so far; rows without an answer count as wrong."""
        return [*self._unread, *self._reader.unread]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Batch]:
        return self._reader.read(self._keys)
