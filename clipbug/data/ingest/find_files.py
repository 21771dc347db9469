"""Find the files to ingest under the given paths."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipbug.data.annotations.media_ids import composed
from clipbug.data.media import IMAGE_ENDINGS, VIDEO_ENDINGS
from clipbug.errors import DataError

FileType = Literal["auto", "image", "video"]

EXTENSIONS = {
    "auto": (*IMAGE_ENDINGS, *VIDEO_ENDINGS),
    "image": IMAGE_ENDINGS,
    "video": VIDEO_ENDINGS,
}


@dataclass(frozen=True, slots=True)
class MediaFiles:
    """Files to ingest, in a fixed order, and how many files were skipped because of their extension."""

    files: tuple[Path, ...]
    num_others: int


def find_media_files(paths: Sequence[Path], *, extensions: Sequence[str], file_type: FileType) -> MediaFiles:
    """Find media files recursively, skipping hidden files.

    Args:
        paths: Folders and files.
        extensions: With or without dot, in any case. If empty, all known extensions of `file_type`, and any
            for files given in `paths`.
        file_type: What the files should contain.

    Returns:
        The files.

    Raises:
        DataError: A path does not exist or a folder cannot be read, no file has one of the extensions, or two
            files would get the same id.
    """
    wanted = {extension.lower().lstrip("*").lstrip(".") for extension in extensions} or {
        *EXTENSIONS[file_type]
    }
    found: dict[Path, None] = {}
    others: Counter[str] = Counter()
    for path in map(Path, paths):
        for file in _files_under(path):
            if _extension(file) in wanted or (file == path and not extensions):
                found[file] = None
            else:
                others[_extension(file)] += 1
    if not found:
        error = _nothing_found(paths, wanted, others)
        raise error
    files = _unique_files(found)
    _check_ids(files)
    return MediaFiles(files, others.total())


def _files_under(path: Path) -> Iterator[Path]:
    if not path.exists():
        nearest = path.absolute().parent
        hint = "Check the spelling." if nearest.is_dir() else f"The folder {nearest} does not exist either."
        raise DataError(f"there is no file or folder {path}", hint)
    return _walk(path) if path.is_dir() else iter((path,))


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder tree by name; follow links, but enter each folder once."""
    seen: set[Path] = set()
    for current, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
        here = Path(current)
        if here.resolve() in seen:
            folders.clear()
            continue
        seen.add(here.resolve())
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (here / name for name in sorted(names) if not name.startswith("."))


def _raise(error: OSError) -> None:
    raise DataError(
        f"the folder {error.filename} cannot be read: {error.strerror}", "Change its permissions."
    ) from error


def _extension(file: Path) -> str:
    return file.suffix.lower().lstrip(".")


def _unique_files(files: Iterable[Path]) -> tuple[Path, ...]:
    """Remove duplicates of a file that several paths lead to under one name."""
    return tuple({(file.resolve(), file.stem): file for file in reversed(list(files))}.values())[::-1]


def _check_ids(files: Iterable[Path]) -> None:
    by_id: dict[str, Path] = {}
    clashes = []
    for file in files:
        other = by_id.setdefault(composed(file.stem), file)
        if other.stem != file.stem:  # equal after Unicode normalization
            clashes.append(f"{file.stem!r} in two Unicode forms: {str(other)!a} and {str(file)!a}")
        elif other != file:
            clashes.append(f"{file.stem!r}: {other} and {file}")
    if clashes:
        listed = "\n".join(clashes[:10]) + (
            f"\n... and {len(clashes) - 10} more" if len(clashes) > 10 else ""
        )
        raise DataError(
            f"two files would get the same id (the name without extension); nothing was stored\n{listed}",
            "Rename one of each pair, or ingest them into different stores (--name).",
        )


def _nothing_found(paths: Sequence[Path], wanted: set[str], others: Counter[str]) -> DataError:
    message = f"no file with extension {', '.join(sorted(wanted))} in {', '.join(map(str, paths))}"
    if not others:
        return DataError(message, "There are no files at all.")
    listed = ", ".join(f"{name or 'none'} ({count})" for name, count in others.most_common(10))
    known = [name for name, _ in others.most_common() if name in EXTENSIONS["auto"]]
    command = f" Try: clipbug ingest {paths[0]} --ext {' '.join(known)}" if known else ""
    return DataError(message, f"Extensions found there: {listed}.{command}")
