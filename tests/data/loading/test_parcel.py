"""What loader processes hand over, where shared memory is full and where things fail."""

import errno
import logging
import os
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest
import torch

from clipbug.data.loading import batch_reader
from clipbug.data.loading.batch_reader import BatchReader
from clipbug.data.loading.parcel import DeadWorkerError, Parcel
from clipbug.errors import DataError


class UnpicklableError(Exception):
    """Needs two arguments, so that pickle cannot make it again."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


def _full(*_: object, **__: object) -> Any:
    raise RuntimeError("unable to allocate shared memory(shm): No space left on device (28)")


def test_full_shared_memory_sends_tensors_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    item = {"frames": torch.arange(12).reshape(3, 4), "ids": ["a"]}
    monkeypatch.setattr(ForkingPickler, "dumps", _full)
    found = Parcel.pack(item).unpack()
    assert torch.equal(found["frames"], item["frames"])
    assert found["ids"] == ["a"]


def test_an_exception_arrives_with_its_kind_and_traceback() -> None:
    try:
        raise DataError("row 3 is bad", "mend it")
    except DataError as error:
        found = Parcel.pack_error(error).unpack()
    assert isinstance(found, DataError)
    assert (found.message, found.hint) == ("row 3 is bad", "mend it")
    assert "test_an_exception_arrives" in found.__notes__[0]


def test_an_exception_that_cannot_be_pickled_arrives_as_text() -> None:
    try:
        raise UnpicklableError("disk", "gone")
    except UnpicklableError as error:
        found = Parcel.pack_error(error).unpack()
    assert isinstance(found, DeadWorkerError)
    assert found.message == "a loader process failed: UnpicklableError: disk gone"


class _Groups:
    """A data set of which nothing is read."""

    groups = ()

    def sample(self, epoch: int, index: int) -> Any:
        raise AssertionError


def test_without_semaphores_this_process_reads(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(batch_reader, "_check_queues", fail)
    reader = BatchReader(_Groups(), lambda samples: None, num_workers=2)  # type: ignore[arg-type,return-value]
    with caplog.at_level(logging.WARNING):
        assert list(reader.read([[], []])) == []
    assert "loader processes cannot be started (No space left on device)" in caplog.text
    assert "data.num_workers" in caplog.text
