"""Write files and folders that appear completely or not at all."""

import errno
import glob
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clipbug.errors import ClipbugError

_INVALID_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
_SPECIAL_FILES: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


_MAX_NAME_BYTES = 255
_RESERVED_NAME_BYTES = 32  # for suffixes that are added to names, here and by other writers
# Characters that Windows forbids, and surrogates that do not stand for undecodable bytes.
_FORBIDDEN_CHARACTERS = re.compile('[<>:"/\\\\|?*\\x00-\\x1f\\x7f\ud800-\udc7f\udd00-\udfff]')
_RESERVED_NAMES = re.compile("(con|prn|aux|nul|conin\\$|conout\\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)


class WriteError(ClipbugError):
    """A file or folder cannot be written: the disk is full or read-only, for example."""


def existing_path(text: str | Path) -> Path | None:
    """Return the file or folder that a text names, or None; the text may be anything, such as a question.

    Names are limited in bytes (100 Japanese characters exceed that), cannot contain NUL, and "~x" may not be
    a user.

    Args:
        text: Any text.

    Returns:
        The path, or None.

    Raises:
        OSError: The path may exist, but its folder cannot be read.
    """
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (ValueError, RuntimeError):
        return None
    except OSError as error:
        if error.errno in _INVALID_NAME_ERRORS:
            return None
        raise


def atomic_write(path: Path, data: bytes | str) -> None:
    """Write a file under a temporary name, then rename it to `path`.

    Raises:
        ClipbugError: The file cannot be written (for example, the disk is full); an older file is unchanged.
    """
    with atomic_file(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write to; on success rename that file to `path`, else remove it.

    Yields:
        The temporary name.

    Raises:
        WriteError: A write failed (including an OSError in the block); an older file is unchanged.
    """
    if special_file(path) or str(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        raise WriteError(f"cannot write {path}: it is not a regular file", "Give the path of a regular file.")
    temporary = _temporary_sibling(path)
    with _write_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder to fill; on success rename it to `path` (replacing an older one), else remove it.

    Yields:
        The temporary folder.

    Raises:
        ClipbugError: A write failed (including an OSError in the block); an older folder is unchanged.
    """
    temporary = _temporary_sibling(path)
    with _write_errors(path):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    sync(Path(folder, name))
                sync(Path(folder))
            _replace_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder so that a kill in the middle leaves no partial folder under its name."""
    with _write_errors(path):
        doomed = path.rename(_temporary_sibling(path))
        shutil.rmtree(doomed)


def replace_link(path: Path, target: str) -> None:
    """Make `path` a link to `target`, relative to the folder of `path`; an older link is replaced atomically.

    Where the system allows no links (Windows, FAT), it becomes a file that contains the name; see
    `follow_link`.
    """
    temporary = _temporary_sibling(path)
    with _write_errors(path):
        try:
            temporary.symlink_to(target)
        except OSError:
            temporary.write_text(target, encoding="utf-8")
        temporary.replace(path)


def follow_link(path: Path) -> Path | None:
    """Return the folder that a link made by `replace_link` points to, or None if there is none."""
    if path.is_file():
        path = path.with_name(path.read_text(encoding="utf-8"))
    return path if path.is_dir() else None


def expanded(path: Path | str) -> Path:
    """Return a path with `~` expanded; unchanged if there is no such user or no home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def safe_name(name: str) -> str:
    """Return a file name like `name` that every system allows, including Windows, the most restrictive."""
    text = _FORBIDDEN_CHARACTERS.sub("_", name).rstrip(". ") or "_"
    if _RESERVED_NAMES.fullmatch(text.partition(".")[0].rstrip()):
        text = f"_{text}"
    ending = Path(text).suffix if len(Path(text).suffix) < _RESERVED_NAME_BYTES else ""
    room = _MAX_NAME_BYTES - _RESERVED_NAME_BYTES - len(os.fsencode(ending))
    stem = os.fsencode(text.removesuffix(ending))
    return text if len(stem) <= room else stem[: max(room, 0)].decode("utf-8", "ignore") + ending


def special_file(path: Path) -> str | None:
    """Return the kind of a path that is not a regular file and may be endless ("a named pipe"), else None."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # it does not exist, or is not a valid name
        return None
    return next((name for is_kind, name in _SPECIAL_FILES if is_kind(mode)), None)


def can_write(folder: Path) -> bool:
    """Return whether files can be created in `folder`, or in the folder in which it would be created."""
    try:
        existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
        with tempfile.TemporaryFile(dir=existing):
            return True
    except OSError:
        return False


def remove_temporaries(folder: Path) -> None:
    """Remove incomplete files of a killed process in `folder`; no other process may be writing there."""
    _remove_all(folder.glob(".*.tmp"))


def remove_temporaries_of(path: Path) -> None:
    """Remove incomplete files that a killed process left while writing `path`."""
    if path.parent.is_dir():
        _remove_all(path.parent.glob(f".{glob.escape(_shortened(path.name))}.*.tmp"))


def _remove_all(leftovers: Iterable[Path]) -> None:
    for leftover in leftovers:
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def check_room(folder: Path, num_bytes: int, *, times: int = 1) -> None:
    """Create `folder` and check that `times` files of `num_bytes` fit, before hours of work.

    Raises:
        ClipbugError: The folder is not writable, or has too little free space.
    """
    probe = folder / f".room.{secrets.token_hex(4)}.tmp"
    with _write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < num_bytes * times:
            raise ClipbugError(
                f"{folder} has {free / 1e9:.3g} GB of free space, but needs {num_bytes * times / 1e9:.3g} GB",
                "Free some space, lower train.keep_last, or choose another folder with --output.",
            )
        try:
            with probe.open("wb") as file:
                _reserve(file.fileno(), num_bytes)  # disk_usage ignores quotas and limits
        finally:
            probe.unlink(missing_ok=True)


def _reserve(descriptor: int, num_bytes: int) -> None:
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    try:
        os.posix_fallocate(descriptor, 0, max(num_bytes, 1))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # file systems that cannot reserve
            raise


def _temporary_sibling(path: Path) -> Path:
    return path.with_name(f".{_shortened(path.name)}.{secrets.token_hex(4)}.tmp")


def _shortened(name: str) -> str:
    """Return the start of a name, short enough to append a suffix."""
    return os.fsencode(name)[: _MAX_NAME_BYTES - _RESERVED_NAME_BYTES].decode("utf-8", "ignore")


def _replace_folder(temporary: Path, path: Path) -> None:
    # A folder cannot be renamed onto a non-empty one, so the older one is moved away, and back on failure.
    if not path.exists():
        temporary.rename(path)
    else:
        older = _temporary_sibling(path)
        path.rename(older)
        try:
            temporary.rename(path)
        except OSError:
            older.rename(path)
            raise
        shutil.rmtree(older, ignore_errors=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or folder to disk, where the system supports that."""
    is_windows = sys.platform == "win32"
    if is_windows and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if is_windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "Free some space or choose another folder; existing files are unchanged."
        raise WriteError(f"cannot write {path}: {reason}", hint) from error
