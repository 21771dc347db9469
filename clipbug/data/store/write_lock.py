"""Waiting for another process that writes to a store, with an end to it."""

import logging
import threading
from pathlib import Path

import lmdb

from clipbug.errors import DataError

DEFAULT_WAIT_SECONDS = 60.0
_SECONDS_UNTIL_SAID = 1.0

logger = logging.getLogger(__name__)


class BusyStoreError(DataError):
    """A store to which another process has been writing for too long."""


def wait_for_other_writers(environment: lmdb.Environment, path: Path, seconds: float) -> None:
    """Return once nobody else writes to the store; say so where that takes longer than a moment.

    LMDB waits for its lock without a limit, heeding neither Ctrl-C nor the clock, so a thread takes the lock
    and gives it back at once. Another process may come in between; that one has just begun, and is soon done.

    If this raises anything, a thread is left that still waits: drop `environment`, but do not close it.

    Args:
        environment: of the store, for writing.
        path: of the store, for messages.
        seconds: how long to wait at most.

    Raises:
        BusyStoreError: another process was writing all the time.
    """
    failures: list[BaseException] = []
    waiting = threading.Thread(target=_touch_lock, args=(environment, failures), daemon=True)
    waiting.start()
    waiting.join(min(_SECONDS_UNTIL_SAID, seconds))
    if waiting.is_alive():
        logger.warning("another process is writing to store %s; waiting for it, %g s at most", path, seconds)
        waiting.join(max(seconds - _SECONDS_UNTIL_SAID, 0.0))
    if waiting.is_alive():
        raise BusyStoreError(
            f"store {path}: another process has been writing to it for {seconds:g} s",
            "Nothing was changed. Wait for the other process or end it, or wait longer with --wait 10m.",
        )
    if failures:
        raise failures[0]


def _touch_lock(environment: lmdb.Environment, failures: list[BaseException]) -> None:
    try:
        environment.begin(write=True).abort()
    except lmdb.MapResizedError:  # another process has added to the store: who writes next will find out
        pass
    except BaseException as error:
        failures.append(error)
