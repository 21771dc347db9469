"""What happens to memory that a process frees; nothing heavy is imported here."""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # numbers of options in glibc's malloc.h
_NEVER = -1


def keep_freed_memory() -> None:
    """Use freed memory again instead of giving it back to the system, where the C library is glibc.

    A model frees and asks for the same tens of megabytes in every layer. By default glibc gives such blocks
    back, and the system clears each page that it hands out again: up to a quarter of the time of a training
    step on a CPU. The most that is used stays about the same, but is kept until the process ends. Settings
    of the user (MALLOC_...) stay.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if set_option is not None:
        set_option(_M_MMAP_MAX, 0)
        set_option(_M_TRIM_THRESHOLD, _NEVER)
