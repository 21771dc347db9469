"""One logger, "clipbug", to standard error: standard output belongs to results."""

import logging
import sys
from typing import TextIO

LOGGER_NAME = "clipbug"


def setup_logging(*, verbosity: int, rank: int) -> None:
    """Send the messages of "clipbug" to standard error; called again, it replaces its earlier settings.

    Args:
        verbosity: below 0 warnings only, 0 information, above 0 debugging.
        rank: of this process; others than 0 report errors only, with their rank in front.
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
    """Looks `sys.stderr` up at each message: a running progress bar exchanges it to print above itself."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


class _Formatter(logging.Formatter):
    """Information as it is; everything else with its level in front."""

    def __init__(self, prefix: str) -> None:
        super().__init__("%(message)s")
        self._prefix = prefix

    def format(self, record: logging.LogRecord) -> str:
        """The line to print."""
        text = super().format(record)
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"{self._prefix}{level}{text}"
