"""Read batches in this process, or ahead of time in worker processes."""

import faulthandler
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.context import BaseContext
from typing import Any, Protocol

import cv2
import torch
from torch.utils.data import DataLoader, get_worker_info

from clipbug.data.loading.bad_items import BadItems
from clipbug.data.loading.batch import Batch, Sample, UnreadVisual
from clipbug.data.loading.parcel import DeadWorkerError, Parcel
from clipbug.data.records import Record
from clipbug.errors import DataError, DecodeError

Collate = Callable[[Sequence[Sample]], Batch]
Keys = list[tuple[int, int]]
"""(epoch, index) of every sample of a batch."""

_logger = logging.getLogger(__name__)

_SECONDS_PER_SAMPLE = 600.0
_MAX_EMPTY_BATCHES = 1000


class Group(Protocol):
    """A group of rows about one media item."""

    @property
    def media_id(self) -> str:
        """Return the id of the image or recording."""
        ...

    @property
    def records(self) -> tuple[Record, ...]:
        """Return the rows."""
        ...


class ReadsSamples(Protocol):
    """The part of a dataset that a reader uses."""

    @property
    def groups(self) -> Sequence[Group]:
        """Return the groups; sample i is made of group i."""
        ...

    def sample(self, epoch: int, index: int) -> Sample:
        """Return one sample, the same for the same epoch and index."""
        ...


@dataclass(frozen=True, slots=True)
class _Fetched:
    """The batch of some keys, or the items that could not be read."""

    batch: Batch | None
    unread: tuple[UnreadVisual, ...]

    def pin_memory(self) -> "_Fetched":
        """Return it in pinned memory, for a GPU; torch calls this."""
        return self if self.batch is None else replace(self, batch=self.batch.pin_memory())


class BatchReader:
    """Turns keys into batches, in order. Worker processes, if any, start once and live as long as it does.

    A file that crashes the decoder kills the process that reads it: with workers the training then ends with
    an error that names it, and can go on; without them (`num_workers` 0) it takes this process down.

    Args:
        dataset: samples, picklable.
        collate: samples to a batch, picklable.
        num_workers: processes that read ahead; 0 reads here.
        bad_items: what cannot be decoded, and how much of it may be left out; default: nothing.

    Attributes:
        unread: what the last call of `read` has left out.
    """

    def __init__(
        self,
        dataset: ReadsSamples,
        collate: Collate,
        num_workers: int,
        bad_items: BadItems | None = None,
    ) -> None:
        self.unread: list[UnreadVisual] = []
        self._bad_items = bad_items or BadItems()
        self._keys = _Schedule()
        self._fetcher = _Fetcher(dataset, collate)
        self._loader: DataLoader[Any] | None = None
        if num_workers:
            try:
                self._fetcher.in_work = _context().RawArray("q", [-1] * num_workers)
                self._loader = _worker_loader(self._fetcher, self._keys, num_workers)
            except OSError as error:
                self._read_without_workers(error)

    def read(self, keys: Iterable[Keys]) -> Iterator[Batch]:
        """Yield the batch of each item of `keys`, which may be endless. A new call ends an earlier one.

        A batch is smaller by what is left out; one of which nothing is left is passed by.

        Raises:
            DecodeError: more than `bad_items` allows cannot be decoded; the message names the last one.
            DeadWorkerError: a worker died; the message names what it was reading.
            DataError: nothing can be decoded in many batches in a row.
            ClipbugError: what else reading a sample raised, in this process too.
        """
        self.unread, num_empty = [], 0
        for item in self._read_here(keys) if self._loader is None else self._read_ahead(self._loader, keys):
            for visual in item.unread:
                self._bad_items.add(visual)
                self.unread.append(visual)
            if item.batch is not None:
                yield item.batch
            num_empty = 0 if item.batch is not None else num_empty + 1
            if num_empty == _MAX_EMPTY_BATCHES:
                raise DataError(
                    f"nothing can be decoded in {num_empty} batches in a row", "Ingest them again."
                )

    def _read_here(self, keys: Iterable[Keys]) -> Iterator[_Fetched]:
        has_gpu = torch.cuda.is_available()
        for batch_keys in keys:
            item = self._fetcher.fetch(batch_keys)
            yield item.pin_memory() if has_gpu else item

    def _read_ahead(self, loader: DataLoader[Any], keys: Iterable[Keys]) -> Iterator[_Fetched]:
        self._keys.current = keys
        try:
            _check_queues(loader.num_workers)
            parcels = iter(loader)
        except OSError as error:
            self._read_without_workers(error)
            yield from self._read_here(keys)
            return
        while True:
            try:
                parcel = next(parcels, None)
                item = parcel.unpack() if isinstance(parcel, Parcel) else parcel
            except (RuntimeError, OSError, EOFError) as error:
                raise self._dead_worker(error) from error
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item

    def _dead_worker(self, error: Exception) -> DeadWorkerError:
        suspects, reason = self._fetcher.suspects(), str(error).strip().splitlines()[-1]
        if suspects:
            return DeadWorkerError(
                f"a loader process died or hung while it read {' or '.join(suspects)}: {reason}",
                "Look at it alone: clipbug data get STORE ID; take it out of the rows or of the store.",
            )
        return DeadWorkerError(
            f"a loader process failed: {reason}",
            "It may lack memory, shared memory (docker run --shm-size 2g) or file handles (ulimit -n): "
            "free some, or take fewer processes (--set data.num_workers=0: none).",
        )

    def _read_without_workers(self, error: OSError) -> None:
        self._loader = None
        _logger.warning(
            "loader processes cannot be started (%s), so this process reads the data itself. They need "
            "shared memory (/dev/shm), a folder for temporary files (TMPDIR) and file handles (ulimit -n); "
            "--set data.num_workers=0 asks for none",
            error.strerror or error,
        )


class _Fetcher:
    """A map from keys to batches, as a DataLoader wants it.

    Attributes:
        in_work: for each worker process the sample that it is reading, or -1, in memory that all share.
    """

    def __init__(self, dataset: ReadsSamples, collate: Collate) -> None:
        self._dataset = dataset
        self._collate = collate
        self.in_work: Any = ()

    def __getitem__(self, keys: Keys) -> Parcel:
        """Fetch a batch in a worker process; an exception is sent like one."""
        try:
            return Parcel.pack(self.fetch(keys))
        except Exception as error:
            return Parcel.pack_error(error)

    def fetch(self, keys: Keys) -> _Fetched:
        """Read the samples of a batch and collate them."""
        items = [self._sample(epoch, index) for epoch, index in keys]
        samples = [item for item in items if isinstance(item, Sample)]
        unread = tuple(item for item in items if isinstance(item, UnreadVisual))
        return _Fetched(self._collate(samples) if samples else None, unread)

    def suspects(self) -> list[str]:
        """Describe what workers are reading, or were reading when they died."""
        return [self._dataset.groups[index].media_id for index in self.in_work if index >= 0]

    def _sample(self, epoch: int, index: int) -> Sample | UnreadVisual:
        worker = get_worker_info()
        if worker is not None:
            self.in_work[worker.id] = index
            # Native code that hangs heeds nothing else. The end of the process is then told like a crash.
            faulthandler.dump_traceback_later(_SECONDS_PER_SAMPLE, exit=True)
        try:
            return self._dataset.sample(epoch, index)
        except DecodeError as error:
            group = self._dataset.groups[index]
            return UnreadVisual(group.media_id, group.records, error.message, error.hint)
        finally:
            if worker is not None:
                faulthandler.cancel_dump_traceback_later()
                self.in_work[worker.id] = -1


class _Schedule:
    """The sampler of a DataLoader that is used for several streams of keys, one after the other."""

    def __init__(self) -> None:
        self.current: Iterable[Keys] = ()

    def __iter__(self) -> Iterator[Keys]:
        return iter(self.current)


def _worker_loader(fetcher: _Fetcher, keys: _Schedule, num_workers: int) -> DataLoader[Any]:
    return DataLoader(
        fetcher,  # type: ignore[arg-type]
        batch_size=None,
        sampler=keys,
        num_workers=num_workers,
        collate_fn=_unchanged,
        multiprocessing_context=_context(),
        worker_init_fn=_start_worker,
        persistent_workers=True,
        pin_memory=torch.cuda.is_available(),
        # Else each pass would draw a number from the global generator, and with it change the training.
        generator=torch.Generator(),
    )


def _check_queues(num_workers: int) -> None:
    """Create what the workers will need and release it: torch does not clean up if it fails halfway.

    Raises:
        OSError: there is not enough shared memory for the semaphores, or too few file handles.
    """
    queues = [_context().Queue() for _ in range(num_workers + 1)]
    _context().Event()
    for queue in queues:
        queue.close()


def _context() -> BaseContext:
    """Return a start method that does not fork: workers must not inherit open stores and decoders."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # torch is imported once, not by each worker
    return context


def _start_worker(worker: int) -> None:
    # Ctrl-C reaches the whole group of processes; the main one decides when workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_main_process, daemon=True).start()
    cv2.setNumThreads(1)


def _end_with_main_process() -> None:
    """End this worker when the process that reads from it is gone, even killed.

    torch's workers watch their parent; that is the fork server here, and it waits for its workers in turn.
    """
    main_process = multiprocessing.parent_process()
    if main_process is not None:
        main_process.join()
        os._exit(1)


def _unchanged(item: Any) -> Any:
    return item
