"""Wait for another process that writes to a store, with a time limit."""

import logging
import threading
from pathlib import Path

import lmdb

from clipbug.errors import DataError

DEFAULT_WAIT_SECONDS = 60.0
_SECONDS_UNTIL_WARNING = 1.0

logger = logging.getLogger(__name__)


class BusyStoreError(DataError):
    """Another process has been writing to the store for too long."""


def wait_for_other_writers(environment: lmdb.Environment, path: Path, seconds: float) -> None:
    """Return once no other process writes to the store; log a warning if that takes more than a moment.

    LMDB waits for its lock indefinitely, ignoring both Ctrl-C and timeouts, so a thread acquires the lock and
    releases it at once. Another process may acquire it in between, but that one has only just started.

    If this raises, the thread is still waiting: drop `environment`, but do not close it.

    Args:
        environment: Environment of the store, for writing.
        path: Folder of the store, for messages.
        seconds: Longest time to wait.

    Raises:
        BusyStoreError: Another process was writing the whole time.
        BaseException: Any error of LMDB while waiting.
    """
    failures: list[BaseException] = []
    waiting = threading.Thread(target=_touch_lock, args=(environment, failures), daemon=True)
    waiting.start()
    waiting.join(min(_SECONDS_UNTIL_WARNING, seconds))
    if waiting.is_alive():
        logger.warning("another process is writing to store %s; waiting for it, %g s at most", path, seconds)
        waiting.join(max(seconds - _SECONDS_UNTIL_WARNING, 0.0))
    if waiting.is_alive():
        raise BusyStoreError(
            f"store {path}: another process has been writing to it for {seconds:g} s",
            "Nothing was changed. Wait for the other process or stop it, or wait longer with --wait 10m.",
        )
    if failures:
        raise failures[0]


def _touch_lock(environment: lmdb.Environment, failures: list[BaseException]) -> None:
    try:
        environment.begin(write=True).abort()
    except lmdb.MapResizedError:  # another process has grown the store; the next write handles it
        pass
    except BaseException as error:
        failures.append(error)
