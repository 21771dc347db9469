"""One id in the forms that file systems and spreadsheets give it.

macOS names files in decomposed Unicode (NFD), people type composed (NFC); a spreadsheet or data frame with an
empty cell turns the ids 3 and 4 into 3.0 and 4.0 (3,0 and 4,0 in some languages). 003 is another id than 3.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath

from clipbug.data.file_endings import IMAGE_ENDINGS, VIDEO_ENDINGS
from clipbug.data.media import MediaSource

_FLOAT = re.compile(r"(-?(?:0|[1-9][0-9]*))[.,]0+")
_ENDINGS = {f".{ending}" for ending in (*IMAGE_ENDINGS, *VIDEO_ENDINGS)}


def whole_number(text: str) -> str:
    """The text without a fraction of zeros: "3.0" and "3,0" are "3"; all else is as it was."""
    match = _FLOAT.fullmatch(text)
    return match[1] if match else text


def fold_id(media_id: str) -> str:
    """What the forms of one id have in common, for comparing ids of several files."""
    return whole_number(composed(media_id))


def composed(text: str) -> str:
    """The text in composed Unicode (NFC), for comparing."""
    return unicodedata.normalize("NFC", text)


def other_forms(media_id: str) -> list[str]:
    """The composed and the decomposed form of an id, as far as they differ from it."""
    forms = dict.fromkeys(unicodedata.normalize(form, media_id) for form in ("NFC", "NFD"))
    return [form for form in forms if form != media_id]


def file_stem(name: str) -> str:
    """The name of an image or recording without folders and ending, or all of what names no such file.

    Folders may be those of Windows: `C:\\videos\\a.mp4`, `videos\\a.mp4` and `videos/a.mp4` are `a`.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in _ENDINGS else name


class IdFinder:
    """Finds ids of a store by the ids of annotations.

    Args:
        media: the store.
        aliases: id in annotations -> id in the store.
    """

    def __init__(self, media: MediaSource, aliases: Mapping[str, str] | None = None) -> None:
        self._media = media
        self._aliases = aliases or {}
        self._folded_aliases = {fold_id(name): store_id for name, store_id in self._aliases.items()}

    def find(self, media_id: str) -> str | None:
        """The store's id: as it is, by an alias, as the name of a file, or in another form; None without one.

        An id that is there as it is written always comes first.
        """
        names = list(dict.fromkeys(self._names(media_id)))
        exact = next((name for name in names if name in self._media), None)
        fold = composed if file_stem(media_id) != media_id else fold_id  # the file 3.0.png is not 3.png
        return exact or next(filter(None, (self._in_other_form(name, fold(name)) for name in names)), None)

    def find_form(self, media_id: str) -> str | None:
        """The store's id: as it is, or in another Unicode form; None without one."""
        return media_id if media_id in self._media else self._in_other_form(media_id, composed(media_id))

    def _names(self, media_id: str) -> Iterator[str]:
        windows = PureWindowsPath(media_id)
        drive_less = windows.stem if windows.drive and windows.suffix.lower() in _ENDINGS else media_id
        for name in (media_id, file_stem(media_id), drive_less):
            yield name
            alias = self._aliases.get(name, self._folded_aliases.get(fold_id(name)))
            if alias is not None:
                yield alias

    def _in_other_form(self, name: str, folded: str) -> str | None:
        forms = (folded, unicodedata.normalize("NFD", folded))
        found = next((form for form in forms if form in self._media), None)
        if found is None and not name.isascii():  # composed in part, or as an older Unicode composes
            same = self._by_folded.get(folded, ())
            found = same[0] if len(same) == 1 else None
        return found

    @cached_property
    def _by_folded(self) -> Mapping[str, list[str]]:
        by_folded: defaultdict[str, list[str]] = defaultdict(list)
        for media_id in self._media.ids():
            if not media_id.isascii():
                by_folded[composed(media_id)].append(media_id)
        return by_folded
