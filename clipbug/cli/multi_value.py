"""A command whose repeatable options accept several values at once: `--ext mp4 avi`."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from clipbug.cli.options import TASK_METAVARS, is_extension
from clipbug.errors import DataError
from clipbug.runtime.files import existing_path, special_file


def _is_row_file(word: str) -> bool:
    """Return whether a word names an annotation file rather than a store (a folder or an LMDB file)."""
    path = existing_path(word)
    return path is not None and path.is_file() and path.suffix.lower() not in _LMDB_ENDINGS


_LMDB_ENDINGS = (".mdb", ".lmdb")
# `clipbug ingest` reports the bad files among its paths and continues.
_CHECKED_LATER = ("paths",)
# For commands with positional arguments: whether a word after an option is a value of the option.
_BELONGS_TO_OPTION: Mapping[str, Callable[[str], bool]] = {
    "--ext": is_extension,
    "--media": lambda word: not _is_row_file(word),
    "--set": lambda word: "=" in word,
    "--way": str.isalnum,
    "--allow-missing": lambda word: existing_path(word) is None,
}


class MultiValueCommand(TyperCommand):
    """A command that reads `--ext mp4 avi` as `--ext mp4 --ext avi`; unknown options remain errors."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words after the name of the command."""
        words = self._spread(ctx, args)
        try:
            rest = super().parse_args(ctx, list(words))
        except typer.BadParameter as error:
            _name_value(error, words)
            raise
        if not ctx.resilient_parsing:
            _refuse_special_files(value for name, value in ctx.params.items() if name not in _CHECKED_LATER)
        return rest

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, with the names of tasks where a metavar stands for them."""
        params = super().get_params(ctx)
        for param in params:
            names = TASK_METAVARS.get(param.metavar or "")
            if names is not None:
                param.metavar = "|".join(names())
        return params

    def _spread(self, ctx: Any, args: list[str]) -> list[str]:
        options = {
            name: param for param in self.get_params(ctx) for name in param.opts if name.startswith("-")
        }
        words, rest = deque(args), list[str]()
        while words:
            word = words.popleft()
            rest.append(word)
            if word == "--":
                return [*rest, *words]
            name, has_value, _ = word.partition("=")
            option = options.get(name)
            if option is None:
                _refuse_empty(word, "an argument")
                continue
            if _is_flag(option):
                continue
            if has_value or words:
                _refuse_empty(word.partition("=")[2] if has_value else words[0], name)
            if not has_value and words:
                _refuse_option_as_value(name, words[0], options, ctx)
                rest.append(words.popleft())
            while option.multiple and words and self._is_value(name, words[0]):
                rest += [name, words.popleft()]
        return rest

    def _is_value(self, name: str, word: str) -> bool:
        if word.startswith("-"):
            return False
        has_positionals = any(param.param_type_name == "argument" for param in self.params)
        belongs = _BELONGS_TO_OPTION.get(name)
        return not has_positionals or belongs is None or belongs(word)


def _name_value(error: typer.BadParameter, words: list[str]) -> None:
    """Add the rejected value to a message that lacks it ("must be a valid integer")."""
    if not error.message:  # the value is missing
        return
    names = tuple(getattr(error.param, "opts", ()))
    values = [
        word.partition("=")[2] if "=" in word else following
        for word, following in zip(words, [*words[1:], ""], strict=True)
        if word.partition("=")[0] in names
    ]
    reason = error.message.removeprefix("Value error, ").replace("Input should be", "must be")
    if values and not any(repr(value) in reason for value in values):
        chosen = values if getattr(error.param, "multiple", False) else values[-1:]
        reason = f"{' or '.join(map(repr, chosen))} {reason.partition(', unable')[0]}"
    error.message = reason


def _refuse_empty(value: str, name: str) -> None:
    """Raise BadParameter for an empty value: as a path it would mean the current folder."""
    if not value:
        raise typer.BadParameter(f"{name} is empty; check the variable that it comes from.")


def _refuse_special_files(values: Iterable[Any]) -> None:
    """Raise DataError for a named pipe, socket or device: reading may block, writing would replace it."""
    paths = (path for value in values for path in (value if isinstance(value, list | tuple) else (value,)))
    for path in paths:
        if isinstance(path, Path) and (kind := special_file(path)):
            raise DataError(f"{path} is {kind}, not a file", "Save its content to a file and pass that.")


def _is_flag(option: Any) -> bool:
    return bool(getattr(option, "is_flag", False))


def _refuse_option_as_value(name: str, word: str, options: Mapping[str, Any], ctx: Any) -> None:
    """Raise `typer.BadParameter` for `--run --json`, which would otherwise read "--json" as a run."""
    if word.partition("=")[0] in options and not ctx.resilient_parsing:
        raise typer.BadParameter(f"{name} needs a value, but is followed by {word}.", ctx=ctx)
