"""Standard streams that may be closed, full, abandoned by their reader, or not in UTF-8."""

import errno
import io
import os
import sys
from typing import Any, TextIO

from clipbug.errors import ClipbugError

_STANDARD_INPUT, _STANDARD_OUTPUT, _STANDARD_ERROR = 0, 1, 2
_READER_HAS_LEFT = {errno.EPIPE, errno.ESHUTDOWN} | ({errno.EINVAL} if sys.platform == "win32" else set())
# Writes `\xfc` instead of failing on a character that the encoding of a terminal, pipe or file lacks.
_UNWRITABLE_CHARACTERS = "backslashreplace"


class OutputError(ClipbugError):
    """Standard output cannot be written."""


def prepare_streams() -> None:
    """Make standard input, output and error usable, whatever their state. Calling it again is harmless.

    The first failing write to standard output raises OutputError; later output is dropped, so that Python
    does not report the failure again at exit. A reader that closes early (`| head`) is not an error, nor is
    a failure of standard error: messages have nowhere else to go.
    """
    if sys.stdin is None:
        sys.stdin = open(_null(_STANDARD_INPUT, os.O_RDONLY), closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        # Opened for reading, so that printing fails as it does on a closed file.
        sys.stdout = open(_null(_STANDARD_OUTPUT, os.O_RDONLY), "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(_null(_STANDARD_ERROR, os.O_WRONLY), "w", closefd=False)  # noqa: SIM115
    sys.stdout = _prepared(sys.stdout, raises=True)
    sys.stderr = _prepared(sys.stderr, raises=False)


def speaks_utf8(stream: TextIO) -> bool:
    """Return whether a stream can encode any text."""
    return (stream.encoding or "").lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")


def _null(wanted: int, flags: int) -> int:
    """Open the null device, as descriptor `wanted` if that is free.

    Otherwise the next file that is opened would become the standard stream and receive what libraries print.
    """
    descriptor = os.open(os.devnull, flags)
    if descriptor == wanted:
        os.set_inheritable(descriptor, True)  # worker processes
    return descriptor


def _prepared(stream: TextIO, *, raises: bool) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors=_UNWRITABLE_CHARACTERS)
    raw: Any = getattr(stream.buffer, "raw", stream.buffer)  # PYTHONUNBUFFERED leaves the buffer out
    if type(raw) is not io.FileIO:  # a test's, a Windows console, or already prepared
        return stream
    stream.flush()
    descriptor = _Descriptor(raw.fileno(), raises=raises)
    return io.TextIOWrapper(
        descriptor if raw is stream.buffer else io.BufferedWriter(descriptor),
        encoding=stream.encoding,
        errors=_UNWRITABLE_CHARACTERS,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Descriptor(io.FileIO):
    """A file descriptor that drops all output after the first failure."""

    def __init__(self, descriptor: int, *, raises: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._raises = raises
        self._has_failed = False

    def write(self, data: Any, /) -> int:
        if data and not self._has_failed:  # libraries write b"" to probe the stream
            try:
                return super().write(data)
            except OSError as error:
                self._has_failed = True
                if self._raises and error.errno not in _READER_HAS_LEFT:
                    raise OutputError(
                        f"standard output cannot be written: {error.strerror or error}",
                        "Redirect it (> FILE); files that the command has written are kept.",
                    ) from error
        return len(data)
