"""Transfer of batches and exceptions from a loader process to the main process."""

import pickle
import traceback
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from typing import Any

from clipbug.errors import DataError


class DeadWorkerError(DataError, RuntimeError):
    """A loader process has died or hangs. A RuntimeError too, as torch would raise."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A batch or an exception, pickled here rather than by torch.

    torch pickles in a thread of the worker. An error there (shared memory that is full, no file handles, an
    exception that cannot be pickled) is printed, and the other process waits for ever for what was lost.
    """

    data: bytes

    @classmethod
    def pack(cls, item: Any) -> "Parcel":
        """Pack tensors for shared memory or, if that fails, for the pipe, which is slower."""
        try:
            return cls(bytes(ForkingPickler.dumps(item)))
        except (OSError, RuntimeError):
            return cls(pickle.dumps(item))

    @classmethod
    def pack_error(cls, error: Exception) -> "Parcel":
        """Pack an exception with its traceback as a note or, if it cannot be pickled, its text."""
        text = traceback.format_exc()
        error.add_note(text)
        try:
            data = pickle.dumps(error)
            pickle.loads(data)
        except Exception:
            data = pickle.dumps(
                DeadWorkerError(f"a loader process failed: {type(error).__name__}: {error}", text)
            )
        return cls(data)

    def unpack(self) -> Any:
        """Return what was packed, in the process that reads."""
        return pickle.loads(self.data)  # comes from a worker of this process

    def pin_memory(self) -> Any:
        """Return it in pinned memory, for a GPU; torch calls this in a thread."""
        try:
            item = self.unpack()
        except (OSError, RuntimeError):
            return self  # who reads meets the error again, and can tell it
        return item if isinstance(item, Exception) else item.pin_memory()
