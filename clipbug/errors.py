"""The errors a user can cause. Each says what happened, with the value and the place, and what to do.

Library code raises `ValueError` for wrong arguments and uses `assert` for its own invariants; everything
that a user's file, flag or config can bring about is a `ClipbugError`, which the command line prints without
a traceback.
"""


class ClipbugError(Exception):
    """A problem that the user can act on.

    Args:
        message: what happened, to which item, where.
        hint: what to do about it, usually a command.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(ClipbugError):
    """A config file, preset name, override or flag that cannot be used."""


class DataError(ClipbugError):
    """An annotation row, media id, store or folder that cannot be used."""


class DecodeError(DataError):
    """A media file whose pictures cannot be read."""


class CheckpointError(ClipbugError):
    """A run folder, checkpoint or model folder that is missing, damaged or does not fit."""


class OutOfMemoryError(ClipbugError):
    """The model and batch do not fit into memory; the hint names the settings to lower."""

    exit_code = 4
