"""Turn captions into a retrieval problem: texts, recordings, and which of them belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipbug.data.annotations.answers import fold
from clipbug.data.records import Record


@dataclass(frozen=True, slots=True)
class RetrievalSet:
    """Captions as queries and candidates.

    Captions that differ only in case or whitespace are one text, for which all recordings of its rows are
    relevant, whatever file or id the rows have.

    Attributes:
        rows: The captions, each a query.
        texts: Distinct captions, in order of first occurrence.
        text_of_row: Index in `texts` of each row's caption.
        media_ids: Distinct recordings, in order of first occurrence.
        right_media: For each text, indices of the recordings that it describes.
        right_texts: For each recording, indices of the texts that describe it.
    """

    rows: tuple[Record, ...]
    texts: tuple[str, ...]
    text_of_row: tuple[int, ...]
    media_ids: tuple[str, ...]
    right_media: tuple[frozenset[int], ...]
    right_texts: tuple[frozenset[int], ...]

    @classmethod
    def from_records(cls, records: Sequence[Record]) -> "RetrievalSet":
        """Group records by caption and by recording."""
        captions: dict[str, str] = {}
        for record in records:
            captions.setdefault(fold(record.text), record.text)
        text_numbers = {key: number for number, key in enumerate(captions)}
        media_ids = tuple(dict.fromkeys(record.media_id for record in records))
        media_numbers = {media_id: number for number, media_id in enumerate(media_ids)}
        pairs = [(text_numbers[fold(record.text)], media_numbers[record.media_id]) for record in records]
        right_media: list[set[int]] = [set() for _ in captions]
        right_texts: list[set[int]] = [set() for _ in media_ids]
        for text, media in pairs:
            right_media[text].add(media)
            right_texts[media].add(text)
        return cls(
            rows=tuple(records),
            texts=tuple(captions.values()),
            text_of_row=tuple(text for text, _ in pairs),
            media_ids=media_ids,
            right_media=tuple(map(frozenset, right_media)),
            right_texts=tuple(map(frozenset, right_texts)),
        )
