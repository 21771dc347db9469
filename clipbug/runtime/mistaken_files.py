"""Detect files that are not what their name says: pointers, web pages, error documents and archives."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from clipbug.errors import CheckpointError, ClipbugError

_EXCERPT_CHARACTERS = 60
_START_BYTES = 8192
_DOWNLOAD_AGAIN = "download or copy the file again"
_LFS = re.compile(rb"version https://(?:git-lfs|hawser)\.\S+/spec/\S+")
_LFS_SIZE = re.compile(rb"^size (\d+)", re.MULTILINE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_XML_MESSAGE = re.compile(r"<(?:Message|Code)>(.*?)</", re.IGNORECASE | re.DOTALL)
_ERROR_KEYS = ("error", "errors", "message", "detail")
_MAX_ERROR_KEYS = 8
_TEXT_CONTROLS = "\t\r\n\f\b\x1b"
_OTHER_FORMATS = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\0": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89HDF": "an HDF5 file, as written by Keras",
    b"GGUF": "a GGUF file of quantized weights",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What a file is instead of what it should be.

    Attributes:
        what: Follows "FILE is ", such as "a Git LFS pointer, not the file itself".
        hint: What to do about it.
    """

    what: str
    hint: str


def refuse_mistaken(path: Path, *, is_text: bool = True, error: type[ClipbugError] = CheckpointError) -> None:
    """Raise if a file's first bytes contradict its name; accept a file that does not exist.

    Args:
        path: File to check.
        is_text: Whether text or JSON is expected.
        error: Type of error to raise.

    Raises:
        ClipbugError: The file is empty, a pointer, a web page, an error document, an archive ...
    """
    mistake = find_mistake(path, is_text=is_text) if path.is_file() else None
    if mistake is not None:
        raise error(f"{path} is {mistake.what}", mistake.hint)


def find_mistake(path: Path, *, is_text: bool) -> Mistake | None:
    """Detect from its first bytes what a file is instead; arguments as for `refuse_mistaken`.

    Returns:
        The mistake, or None if none is detected.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    if not start:
        return Mistake("empty (0 bytes)", _DOWNLOAD_AGAIN)
    if not start.strip(b"\0"):
        return Mistake("all zero bytes: it was not written completely", _DOWNLOAD_AGAIN)
    if _LFS.match(start):
        return _lfs_pointer(start)
    if start[:512].startswith((b"/annex/objects/", b"../.git/annex")):
        return Mistake("a git-annex pointer, not the file itself", "fetch the file: git annex get FILE")
    other = next((name for magic, name in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    if other is None and start[257:262] == b"ustar":
        other = "a tar archive"
    if other is not None:
        hint = "unpack it and give the file inside" if "archive" in other else "give the file itself"
        return Mistake(other, hint)
    return _text_mistake(path, start, is_text=is_text)


def _lfs_pointer(start: bytes) -> Mistake:
    size = _LFS_SIZE.search(start)
    of = f" of {int(size[1])} bytes" if size else ""
    return Mistake(
        f"a Git LFS pointer to a file{of}, not the file itself",
        "fetch the file: git lfs pull in its repository; or download it from the repository's web page",
    )


def _text_mistake(path: Path, start: bytes, *, is_text: bool) -> Mistake | None:
    text = _decoded(start)
    if text is None:
        return None
    low = text[:1024].lower()
    if low.startswith("<") and ("<html" in low or "<!doctype html" in low or "<head" in low):
        title = _TITLE.search(text)
        named = f" ({_short(title[1])!r})" if title else ""
        return Mistake(
            f"a web page{named}, not the file itself",
            "download the file itself: open the address in a browser, sign in if required, and use the page's"
            " download link",
        )
    if low.startswith("<?xml") or _XML_MESSAGE.search(text[:1024]):
        found = _XML_MESSAGE.search(text)
        named = f": {_short(found[1])!r}" if found else ""
        return Mistake(f"an XML document{named}, not the file itself", _DOWNLOAD_AGAIN)
    if text.startswith(("{", "[")):
        return _json_mistake(path, text, is_text=is_text)
    return None if is_text else Mistake(f"a text file that begins with {_short(text)!r}", _DOWNLOAD_AGAIN)


def _json_mistake(path: Path, text: str, *, is_text: bool) -> Mistake | None:
    reason = None
    if path.stat().st_size <= _START_BYTES:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and len(content) <= _MAX_ERROR_KEYS:
            reason = next((content[key] for key in _ERROR_KEYS if content.get(key)), None)
    # A vocabulary {"error": 12} is not an error document.
    if reason is not None and not isinstance(reason, int | float):
        return Mistake(
            f"the error message of a server: {_short(str(reason))!r}, not the file itself",
            "download the file again, signed in if its server requires that",
        )
    return None if is_text else Mistake(f"a JSON document that begins with {_short(text)!r}", _DOWNLOAD_AGAIN)


def _decoded(start: bytes) -> str | None:
    """Decode the first bytes as text; return None if they are not text."""
    is_wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        # The last character may be truncated, but all others must be valid.
        whole = start if len(start) < _START_BYTES else start[: start.rfind(b"\n") + 1] or start[:-4]
        text = whole.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    if any(letter < " " and letter not in _TEXT_CONTROLS for letter in text):
        return None
    return text.strip()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT_CHARACTERS else line[: _EXCERPT_CHARACTERS - 3] + "..."
