"""Reading batches in this process, or ahead of time in worker processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.context import BaseContext
from typing import Any, Protocol

import cv2
import torch
from torch.utils.data import DataLoader

from clipbug.data.batch import Batch, Sample
from clipbug.errors import ClipbugError

Collate = Callable[[Sequence[Sample]], Batch]
Keys = list[tuple[int, int]]
"""(epoch, index) of every sample of a batch."""


class ReadsSamples(Protocol):
    """What a reader needs of a dataset."""

    def sample(self, epoch: int, index: int) -> Sample:
        """One sample, the same for the same epoch and index."""
        ...


class BatchReader:
    """Turns keys into batches, in order. Worker processes, if any, start once and live as long as it does.

    Args:
        dataset: samples, picklable.
        collate: samples to a batch, picklable.
        num_workers: processes that read ahead; 0 reads here.
    """

    def __init__(self, dataset: ReadsSamples, collate: Collate, num_workers: int) -> None:
        self._fetcher = _Fetcher(dataset, collate)
        self._keys = _Schedule()
        self._loader = _worker_loader(self._fetcher, self._keys, num_workers) if num_workers else None

    def read(self, keys: Iterable[Keys]) -> Iterator[Batch]:
        """The batch of each item of `keys`, which may be endless. A new call ends an earlier one.

        Raises:
            ClipbugError: what reading a sample raised, in this process too.
        """
        for item in self._read_here(keys) if self._loader is None else self._read_ahead(self._loader, keys):
            if isinstance(item, ClipbugError):
                raise item
            yield item

    def _read_here(self, keys: Iterable[Keys]) -> Iterator[Batch | ClipbugError]:
        has_gpu = torch.cuda.is_available()
        for batch_keys in keys:
            item = self._fetcher[batch_keys]
            yield item.pin_memory() if has_gpu and isinstance(item, Batch) else item

    def _read_ahead(self, loader: DataLoader[Any], keys: Iterable[Keys]) -> Iterator[Batch | ClipbugError]:
        self._keys.current = keys
        yield from loader


class _Fetcher:
    """A map from keys to batches, as a DataLoader wants it."""

    def __init__(self, dataset: ReadsSamples, collate: Collate) -> None:
        self._dataset = dataset
        self._collate = collate

    def __getitem__(self, keys: Keys) -> Batch | ClipbugError:
        # An exception would reach the main process as a traceback in a message; a value arrives as it is.
        try:
            return self._collate([self._dataset.sample(epoch, index) for epoch, index in keys])
        except ClipbugError as error:
            return error


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


def _context() -> BaseContext:
    """Workers must not inherit open stores and decoders, so they are never forked from this process."""
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
