"""Match the spellings that file systems and spreadsheets give to one id.

macOS stores file names in decomposed Unicode (NFD), people type composed Unicode (NFC). A spreadsheet or data
frame with an empty cell turns the ids 3 and 4 into 3.0 and 4.0 (3,0 and 4,0 in some locales). 003 is not the
same id as 3.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath

from clipbug.data.media import IMAGE_ENDINGS, VIDEO_ENDINGS, MediaSource

_FLOAT = re.compile(r"(-?(?:0|[1-9][0-9]*))[.,]0+")
_ENDINGS = {f".{ending}" for ending in (*IMAGE_ENDINGS, *VIDEO_ENDINGS)}


def whole_number(text: str) -> str:
    """Strip a fraction of zeros: "3.0" and "3,0" become "3"; any other text is unchanged."""
    match = _FLOAT.fullmatch(text)
    return match[1] if match else text


def fold_id(media_id: str) -> str:
    """Return a key that all spellings of an id share, for comparing ids of several files."""
    return whole_number(composed(media_id))


def composed(text: str) -> str:
    """Return the text in composed Unicode (NFC), for comparing."""
    return unicodedata.normalize("NFC", text)


def other_forms(media_id: str) -> list[str]:
    """Return the composed and the decomposed form of an id, as far as they differ from it."""
    forms = dict.fromkeys(unicodedata.normalize(form, media_id) for form in ("NFC", "NFD"))
    return [form for form in forms if form != media_id]


def file_stem(name: str) -> str:
    r"""Return the name of an image or recording without folders and extension; any other text is unchanged.

    Folders may be Windows paths: `C:\\videos\\a.mp4`, `videos\\a.mp4` and `videos/a.mp4` all become `a`.

    Returns:
        The stem, or `name` if it has no known extension.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in _ENDINGS else name


class IdFinder:
    """Finds the id in a store that an annotation's id refers to.

    Args:
        media: The store.
        aliases: Id in annotations -> id in the store.
    """

    def __init__(self, media: MediaSource, aliases: Mapping[str, str] | None = None) -> None:
        self._media = media
        self._aliases = aliases or {}
        self._folded_aliases = {fold_id(name): store_id for name, store_id in self._aliases.items()}

    def find(self, media_id: str) -> str | None:
        """Find an id: as written, by an alias, as a file name, or in another spelling.

        An exact match always comes first.

        Returns:
            The id in the store, or None.
        """
        names = list(dict.fromkeys(self._names(media_id)))
        exact = next((name for name in names if name in self._media), None)
        fold = composed if file_stem(media_id) != media_id else fold_id  # the file 3.0.png is not 3.png
        return exact or next(filter(None, (self._in_other_form(name, fold(name)) for name in names)), None)

    def find_form(self, media_id: str) -> str | None:
        """Find an id as written or in another Unicode form; return None if there is none."""
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
        if found is None and not name.isascii():  # partly composed, or composed by an older Unicode version
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
