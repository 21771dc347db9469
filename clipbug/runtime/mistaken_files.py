"""Files that are not what their name says: pointers, web pages, error documents and archives, by content."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from clipbug.errors import CheckpointError, ClipbugError

_SHOWN = 60
_START_BYTES = 8192
_AGAIN = "download or copy the file again"
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
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89HDF": "an HDF5 file, as Keras writes them",
    b"GGUF": "a GGUF file of quantised weights",
}


@dataclass(frozen=True, slots=True)
class Mistake:
    """What a file is instead of what it should be.

    Attributes:
        what: "a Git LFS pointer, not the file itself"; follows "FILE is ".
        hint: what to do about it.
    """

    what: str
    hint: str


def refuse_mistaken(path: Path, *, is_text: bool = True, error: type[ClipbugError] = CheckpointError) -> None:
    """Pass if the file can be what its name says, as far as its first bytes tell; also if there is none.

    Args:
        path: to look at.
        is_text: text and JSON are expected in it.
        error: to raise.

    Raises:
        ClipbugError: the file is empty, a pointer, a web page, an error document, an archive ...
    """
    mistake = find_mistake(path, is_text=is_text) if path.is_file() else None
    if mistake is not None:
        raise error(f"{path} is {mistake.what}", mistake.hint)


def find_mistake(path: Path, *, is_text: bool) -> Mistake | None:
    """What a file is instead, or None if its first bytes do not tell; arguments as of `refuse_mistaken`.

    Raises:
        CheckpointError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_START_BYTES)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}", "check its permissions") from error
    if not start:
        return Mistake("empty (0 bytes)", _AGAIN)
    if not start.strip(b"\0"):
        return Mistake("nothing but zero bytes: it was not written to the end", _AGAIN)
    if _LFS.match(start):
        return _lfs_pointer(start)
    if start[:512].startswith((b"/annex/objects/", b"../.git/annex")):
        return Mistake("a git-annex pointer, not the file itself", "fetch the file: git annex get FILE")
    other = next((name for magic, name in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    if other is None and start[257:262] == b"ustar":
        other = "a tar archive"
    if other is not None:
        hint = "unpack it, and name the file in it" if "archive" in other else "name the file itself"
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
            "download the file itself: open the address in a browser, sign in where it asks for that, and use"
            " the page's download link",
        )
    if low.startswith("<?xml") or _XML_MESSAGE.search(text[:1024]):
        found = _XML_MESSAGE.search(text)
        named = f": {_short(found[1])!r}" if found else ""
        return Mistake(f"an XML document{named}, not the file itself", _AGAIN)
    if text.startswith(("{", "[")):
        return _json_mistake(path, text, is_text=is_text)
    return None if is_text else Mistake(f"a text file that begins with {_short(text)!r}", _AGAIN)


def _json_mistake(path: Path, text: str, *, is_text: bool) -> Mistake | None:
    reason = None
    if path.stat().st_size <= _START_BYTES:
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and len(content) <= _MAX_ERROR_KEYS:
            reason = next((content[key] for key in _ERROR_KEYS if content.get(key)), None)
    # A vocabulary {"error": 12} is no error document.
    if reason is not None and not isinstance(reason, int | float):
        return Mistake(
            f"the error message of a server: {_short(str(reason))!r}, not the file itself",
            "download the file again, signed in where its server asks for that",
        )
    return None if is_text else Mistake(f"a JSON document that begins with {_short(text)!r}", _AGAIN)


def _decoded(start: bytes) -> str | None:
    """The first bytes as text, or None if they are none."""
    is_wide = start.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        # A character may be cut at the end, but no other may be wrong.
        whole = start if len(start) < _START_BYTES else start[: start.rfind(b"\n") + 1] or start[:-4]
        text = whole.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        return None
    if any(letter < " " and letter not in _TEXT_CONTROLS for letter in text):
        return None
    return text.strip()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
