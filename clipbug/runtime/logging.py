"""The logger "clipbug" writes to standard error; standard output is for results."""

import logging
import sys
from typing import TextIO

LOGGER_NAME = "clipbug"


def setup_logging(*, verbosity: int, rank: int) -> None:
    """Send messages of "clipbug" to standard error; a later call replaces the settings.

    Args:
        verbosity: Below 0 for warnings only, 0 for information, above 0 for debugging.
        rank: Rank of this process; ranks other than 0 log errors only, prefixed by their rank.
    """
    logger = logging.getLogger(LOGGER_NAME)
    for handler in list(logger.handlers):
        if isinstance(handler, _StandardErrorHandler):
            logger.removeHandler(handler)
    handler = _StandardErrorHandler()
    handler.setFormatter(_Formatter(f"[rank {rank}] " if rank else ""))
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR if rank else _level(verbosity))


def _level(verbosity: int) -> int:
    if verbosity < 0:
        return logging.WARNING
    return logging.DEBUG if verbosity > 0 else logging.INFO


class _StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Resolves `sys.stderr` at each message, because a progress bar replaces it to print above itself."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _Formatter(logging.Formatter):
    """Prefixes messages with their level, except information."""

    def __init__(self, prefix: str) -> None:
        super().__init__("%(message)s")
        self._prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        """Return the line to print."""
        text = super().format(record)
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"{self._prefix}{level}{text}"
