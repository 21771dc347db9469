import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _restore_logger() -> Iterator[None]:
    """Settings of the one logger do not leak from test to test."""
    logger = logging.getLogger("clipbug")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)
