"""Errors that a user can cause. The message names the problem, the value and the location, the hint a fix.

Library code raises `ValueError` for wrong arguments and uses `assert` for its own invariants. Anything that a
user's file, flag or config can cause is a `ClipbugError`, which the command line prints without a traceback.
"""


class ClipbugError(Exception):
    """A problem that the user can act on.

    Args:
        message: what happened, to which item, and where.
        hint: how to fix it, usually a command.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(ClipbugError):
    """A config file, preset name, override or flag is invalid."""


class DataError(ClipbugError):
    """An annotation row, media id, store or folder is invalid."""


class DecodeError(DataError):
    """The frames of a media file cannot be decoded."""


class CheckpointError(ClipbugError):
    """A run directory, checkpoint or model folder is missing, damaged or incompatible."""


class OutOfMemoryError(ClipbugError):
    """The model and batch do not fit into memory; the hint names the settings to reduce."""

    exit_code = 4
