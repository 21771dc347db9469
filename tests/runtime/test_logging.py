import logging

import pytest

from clipbug.runtime.logging import setup_logging

logger = logging.getLogger("clipbug")


def test_information_goes_to_standard_error_without_decoration(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(verbosity=0, rank=0)
    logger.info("three files")
    logger.warning("one is empty")
    logger.debug("hidden")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "three files\nwarning: one is empty\n"


def test_set_up_twice_prints_once(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(verbosity=0, rank=0)
    setup_logging(verbosity=1, rank=0)
    logger.debug("details")
    assert capsys.readouterr().err == "debug: details\n"


def test_quiet_keeps_warnings_only(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(verbosity=-1, rank=0)
    logger.info("hidden")
    logger.warning("shown")
    assert capsys.readouterr().err == "warning: shown\n"


def test_other_ranks_report_errors_with_their_rank(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging(verbosity=1, rank=3)
    logger.warning("hidden")
    logger.error("lost the store")
    assert capsys.readouterr().err == "[rank 3] error: lost the store\n"
