"""Turn results and errors into output and exit codes.

Results go to standard output, everything else to standard error. Under `--json` standard output holds exactly
one JSON object, whatever happens.
"""

import json
import math
import os
import re
import shutil
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TextIO

import typer

from clipbug.cli.output import OutputError, prepare_streams, speaks_utf8
from clipbug.errors import ClipbugError

# Newer typer carries its own click, older typer uses the package; this is the right class in both.
_UsageError = typer.BadParameter.__bases__[0]
_WIDTH_WITHOUT_TERMINAL = 120
# Surrogates except dc80 to dcff, which Python uses for bytes of file names that it cannot decode.
_LONE_SURROGATES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
_LESS_MEMORY = (
    "reduce one of these with --set: train.batch_size, eval.batch_size, train.num_clips, eval.num_clips, "
    "max_frame_size (train.accumulation_steps keeps the batch of an optimizer step)"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a command.

    Attributes:
        payload: the object that --json prints.
        view: the output without --json: text, or anything that rich can print; None to print nothing.
        exit_code: 3 if some of the user's items are bad.
    """

    payload: Mapping[str, Any]
    view: Any
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class _Failure:
    kind: str
    message: str
    hint: str
    exit_code: int


def start_logging(*, quiet: bool, verbose: bool) -> None:
    """Send log messages to standard error; -v overrides -q."""
    from clipbug.runtime.logging import setup_logging

    setup_logging(verbosity=1 if verbose else -1 if quiet else 0, rank=_rank())


def run(command: Any, arguments: Sequence[str]) -> int:
    """Run a command line, print its result or error, and return the exit code."""
    prepare_streams()
    words = arguments[: arguments.index("--")] if "--" in arguments else arguments
    as_json = "--json" in words
    try:
        with redirect_stdout(sys.stderr) if as_json else _nothing():
            result = command.main(args=list(arguments), prog_name="clipbug", standalone_mode=False)
        if result == 130:  # typer's code for Ctrl-C
            raise KeyboardInterrupt
        code = _print_outcome(result, as_json) if isinstance(result, Outcome) else int(result or 0)
        sys.stdout.flush()  # so that a write error is reported like any other
        return code
    except (Exception, KeyboardInterrupt) as error:
        failure = _describe(error)
        if any(word in ("-v", "--verbose") for word in words) and failure.exit_code not in (2, 130):
            traceback.print_exception(error)
        _print_failure(failure, as_json)
        return failure.exit_code


def _print_outcome(outcome: Outcome, as_json: bool) -> int:
    if _rank() == 0:
        if as_json:
            print(_json_text(outcome.payload))
        elif isinstance(outcome.view, str):
            print(outcome.view)
        elif outcome.view is not None:
            _print_rich(outcome.view, sys.stdout)
    # torchrun stops all ranks when one exits with a nonzero code, and rank 0 may still be writing
    return 0 if _rank() or _starts_again() else outcome.exit_code


def _starts_again() -> bool:
    """Return whether torchrun would restart the job after a nonzero exit code (--max-restarts)."""
    restarts, most = "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_MAX_RESTARTS"
    return int(os.environ.get(restarts, "0")) < int(os.environ.get(most, "0"))


def _print_failure(failure: _Failure, as_json: bool) -> None:
    if as_json and _rank() == 0 and _print_failure_as_json(failure):
        return
    if sys.stderr.isatty() and _rank() == 0:
        _print_panel(failure)
    else:
        hint = f"\nhint: {failure.hint}" if failure.hint else ""
        rank = f"[rank {_rank()}] " if _rank() else ""
        kind = "error" if failure.exit_code else "note"  # a training that has saved its state after SIGTERM
        print(f"{rank}{kind}: {failure.message}{hint}", file=sys.stderr)


def _print_failure_as_json(failure: _Failure) -> bool:
    """Print a failure as JSON; return whether that worked, as standard output may be what failed."""
    if failure.kind == OutputError.__name__:
        return False
    try:
        error = {"type": failure.kind, "message": failure.message, "hint": failure.hint}
        print(_json_text({"error": error}))
        sys.stdout.flush()
    except OutputError:
        return False
    return True


def _describe(error: BaseException) -> _Failure:
    """Return the message, hint and exit code of an uncaught error."""
    kind = type(error).__name__
    if isinstance(error, ClipbugError):
        return _Failure(kind, error.message, error.hint, error.exit_code)
    if isinstance(error, _UsageError):
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "clipbug"
        return _Failure("UsageError", error.format_message(), f"{path} --help", 2)  # type: ignore[attr-defined]
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return _Failure("Interrupted", "interrupted; the state of a running training is saved", "", 130)
    if _is_memory_error(error):
        return _Failure("OutOfMemoryError", f"out of memory: {error or kind}", _LESS_MEMORY, 4)
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        if isinstance(error, FileNotFoundError) and not where:
            where = ": has the current folder been deleted?"
        return _Failure(kind, f"operating system error: {error.strerror}{where}", "", 1)
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        message = "a path starts with ~, but the home folder is unknown"
        return _Failure(kind, message, "Write the path in full.", 1)
    hint = "this is a bug in clipbug; rerun with --verbose for the traceback"
    return _Failure(kind, f"{kind}: {error}", hint, 1)


def _is_memory_error(error: BaseException) -> bool:
    """Return whether an error means out of memory, by name and text, as torch must not be imported here."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def rich_console(file: TextIO) -> Any:
    """Return a console as wide as the terminal, or wide enough for tables if there is none."""
    from rich.console import Console

    columns = os.environ.get("COLUMNS", "")
    is_given = columns.isdecimal() and int(columns) > 0  # some shells and CI systems set it to 0
    width = shutil.get_terminal_size().columns if file.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(file=file, width=None if is_given else width)


def _print_rich(view: Any, file: TextIO) -> None:
    rich_console(file).print(view)


def _print_panel(failure: _Failure) -> None:
    from rich.panel import Panel
    from rich.text import Text

    text = Text(failure.message)
    if failure.hint:
        text.append(f"\n\n{failure.hint}", style="dim")
    _print_rich(Panel(text, title=failure.kind, title_align="left", border_style="red"), sys.stderr)


def _json_text(payload: Mapping[str, Any]) -> str:
    """Return JSON for standard output; non-ASCII text is escaped unless the output is UTF-8."""
    return json.dumps(_strict(payload), ensure_ascii=not speaks_utf8(sys.stdout), indent=2, allow_nan=False)


def _strict(value: Any) -> Any:
    """Return a value as strict JSON: paths as text, valid Unicode, and null for NaN and infinity."""
    if isinstance(value, Mapping):
        return {_valid_text(str(key)): _strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _valid_text(str(value)) if isinstance(value, str | PurePath) else value


def _valid_text(text: str) -> str:
    """Return the text with surrogates decoded if they encode UTF-8 bytes, else replaced by U+FFFD."""
    if text.isascii():
        return text
    return _LONE_SURROGATES.sub("\ufffd", text).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _rank() -> int:
    """Return the rank of this process under torchrun; other programs may set RANK to something else."""
    rank = os.environ.get("RANK", "0")
    return int(rank) if rank.isdecimal() else 0


@contextmanager
def _nothing() -> Iterator[None]:
    yield
