"""Standard streams in every state: an error in words or nothing lost, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# A command line whose command returns an object with characters of several alphabets, or fails.
PROGRAM = """
import sys
from clipbug.cli.reporting import Outcome, run
from clipbug.errors import DataError
class Command:
    def main(self, args, **_):
        if "help" in args:
            print("help " * 5000)
            return 0
        if "fail" in args:
            raise DataError("no file \\u65e5\\u672c.mp4")
        text = "\\u00fcber \\u65e5\\u672c \\ud83d \\udcc3\\udcbc \\udcff"
        return Outcome({"text": text, "long": "x" * 20000}, text)
sys.exit(run(Command(), sys.argv[1:]))
"""


def start(redirection: str, *words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the program under a shell, with its standard streams as the shell has redirected them."""
    command = f'exec "$0" -c "$1" {" ".join(words)} {redirection}'
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, PROGRAM],
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
    )


pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a shell and /dev/full")


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("words", [(), ("--json",), ("help",)], ids=["table", "json", "help"])
def test_standard_output_that_is_full_or_closed(words: tuple[str, ...], unbuffered: str) -> None:
    for redirection, reason in ((">/dev/full", "No space left"), (">&-", "Bad file descriptor")):
        done = start(redirection, *words, PYTHONUNBUFFERED=unbuffered)
        assert done.returncode == 1
        error = done.stderr.decode()
        assert f"error: standard output cannot be written: {reason}" in error
        assert error.count("\n") == 2, error  # the error and its hint, no traceback


def test_an_error_under_json_is_not_lost_with_standard_output() -> None:
    for redirection in (">/dev/full", ">&-"):
        done = start(redirection, "--json", "fail")
        assert (done.returncode, done.stderr.decode()) == (1, "error: no file 日本.mp4\n")


def test_all_streams_closed_or_standard_error_full() -> None:
    assert start("<&- >&- 2>&-").returncode == 1
    done = start("2>/dev/full", "fail")
    assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.parametrize("words", [(), ("--json",), ("help",)], ids=["table", "json", "help"])
def test_a_reader_that_leaves_is_no_error(words: tuple[str, ...]) -> None:
    done = start("| head -c 1; exit ${PIPESTATUS:-0}", *words)
    assert done.stderr == b""
    assert len(done.stdout) == 1


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
def test_output_in_any_encoding(encoding: str) -> None:
    done = start("", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode(encoding)
    assert ("über" in text) == (encoding != "ascii")
    assert ("日本" if "utf" in encoding else r"\u65e5\u672c") in text
    found = json.loads(start("", "--json", PYTHONIOENCODING=encoding).stdout.decode(encoding))
    assert found["text"] == "über 日本 \ufffd ü \ufffd"
    failed = start("", "fail", PYTHONIOENCODING=encoding)
    assert failed.returncode == 1
    assert b"UnicodeEncodeError" not in failed.stderr


def test_output_in_the_c_locale() -> None:
    locale = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert start("", **locale).returncode == 0
    found = json.loads(start("", "--json", **locale).stdout.decode("ascii"))
    assert found["text"].startswith("über 日本")
