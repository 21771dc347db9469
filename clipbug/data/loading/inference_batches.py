"""Batches for inference: read ahead by threads, and not stopped by media that cannot be read."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from clipbug.data.loading.batch import Batch, Sample, UnreadVisual
from clipbug.data.loading.datasets import VisualGroup
from clipbug.data.loading.loaders import SampleSource
from clipbug.errors import DecodeError

Collate = Callable[[Sequence[Sample]], Batch]


class GroupSource(SampleSource, Protocol):
    """The part of a dataset that these batches use."""

    @property
    def groups(self) -> Sequence[VisualGroup]:
        """Return rows by media item; sample i is made of group i."""
        ...


class InferenceBatches:
    """Each group once over all ranks: in a batch, or as an `UnreadVisual`.

    A batch holds frames of one shape, so that no answer depends on the rest of the batch. Decoders and
    scaling release the GIL, so threads of this process read while it computes: unlike worker processes
    they start at once and pass frames on without a copy.

    Args:
        dataset: samples.
        batch_size: media items per batch.
        rank, world_size: of this process.
        num_threads: how many media items are read at a time.
        collate: samples to a batch.
    """

    def __init__(
        self,
        dataset: GroupSource,
        *,
        batch_size: int,
        rank: int,
        world_size: int,
        num_threads: int,
        collate: Collate,
    ) -> None:
        self._dataset = dataset
        self._num_threads = num_threads
        self._collate = collate
        self._read_ahead = batch_size + num_threads
        by_shape: dict[Hashable, list[int]] = {}
        unread: list[UnreadVisual] = []
        for index in range(len(dataset)):
            try:
                by_shape.setdefault(dataset.batch_key(index), []).append(index)
            except DecodeError as error:  # stores without a manifest open the file
                unread.append(_unread(dataset.groups[index], error))
        batches = [
            indices[start : start + batch_size]
            for indices in by_shape.values()
            for start in range(0, len(indices), batch_size)
        ]
        self._batches, self._unread = batches[rank::world_size], unread[rank::world_size]

    def __len__(self) -> int:
        """Return the number of media items of this process."""
        return sum(map(len, self._batches)) + len(self._unread)

    def __iter__(self) -> Iterator[Batch | UnreadVisual]:
        yield from self._unread
        indices = [index for batch in self._batches for index in batch]
        with ThreadPoolExecutor(self._num_threads, thread_name_prefix="read") as pool:
            items = _ahead(pool, self._read, indices, self._read_ahead)
            for batch in self._batches:
                read = [next(items) for _ in batch]
                yield from (item for item in read if isinstance(item, UnreadVisual))
                samples = [item for item in read if isinstance(item, Sample)]
                del read
                if samples:
                    yield self._collate(samples)

    def _read(self, index: int) -> Sample | UnreadVisual:
        try:
            return self._dataset.sample(0, index)
        except DecodeError as error:
            return _unread(self._dataset.groups[index], error)


def _ahead(
    pool: ThreadPoolExecutor,
    read: Callable[[int], Sample | UnreadVisual],
    indices: Iterable[int],
    count: int,
) -> Iterator[Sample | UnreadVisual]:
    """Yield what `read` returns, in order, while `count` more are being read."""
    waiting: deque[Future[Sample | UnreadVisual]] = deque()
    try:
        for index in indices:
            waiting.append(pool.submit(read, index))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _unread(group: VisualGroup, error: DecodeError) -> UnreadVisual:
    return UnreadVisual(group.media_id, group.records, error.message, error.hint)
