"""Several data sets in one training: whose turn it is, and where each one's media is."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Protocol

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.data.loading.loaders import EvaluationBatches
from clipbug.data.media import MediaEntry, MediaSource
from clipbug.errors import DataError

_SEPARATOR = "/"  # in no id of a store: ids are file names


def id_in_set(name: str, media_id: str) -> str:
    """The id of an image or recording of a data set among those of all sets."""
    return f"{name}{_SEPARATOR}{media_id}"


def set_of_id(media_id: str) -> str:
    """The data set whose image or recording it is."""
    return media_id.partition(_SEPARATOR)[0]


class MediaOfSets:
    """The media of several data sets as one source. Two sets may use the same ids for different pictures.

    Args:
        sources: name of a data set -> its media.
    """

    def __init__(self, sources: Mapping[str, MediaSource]) -> None:
        self._sources = dict(sources)

    def __contains__(self, media_id: object) -> bool:
        name, _, inner = str(media_id).partition(_SEPARATOR)
        return name in self._sources and inner in self._sources[name]

    def __len__(self) -> int:
        return sum(map(len, self._sources.values()))

    def ids(self) -> Iterator[str]:
        """All ids, sorted."""
        for name in sorted(self._sources):
            yield from (id_in_set(name, inner) for inner in self._sources[name].ids())

    def entry(self, media_id: str) -> MediaEntry:
        """See `MediaSource.entry`."""
        source, inner = self._source_of(media_id)
        return source.entry(inner)

    def read(self, media_id: str) -> bytes:
        """See `MediaSource.read`."""
        source, inner = self._source_of(media_id)
        return source.read(inner)

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """See `MediaSource.open`."""
        source, inner = self._source_of(media_id)
        return source.open(inner, longer_side=longer_side)

    def _source_of(self, media_id: str) -> tuple[MediaSource, str]:
        name, _, inner = media_id.partition(_SEPARATOR)
        if name not in self._sources:
            raise DataError(f"{media_id!r} is of no data set", f"data sets: {', '.join(self._sources)}")
        return self._sources[name], inner


class BatchStream(Protocol):
    """What `TrainBatches` is to a mixture."""

    num_groups: int
    batch_size: int

    def batches_from(self, position: int) -> Iterator[Batch]:
        """The stream from its batch number `position` on."""
        ...


class MixedBatches:
    """Micro-batches of several data sets by turns, each of one set, so that images never pad recordings.

    The turns are spread as evenly as the ratios allow and are the same on every process. Whose turn it is at
    a position, and how many turns each set had before, follow from the position: it is the whole state.

    Args:
        streams: of the data sets.
        ratios: turns of each set, of all of them in one round; whole numbers from 1 on.
        batch_size: that counts as a full micro-batch where sets have other sizes.

    Raises:
        ValueError: no streams, not as many ratios, or a ratio below 1.
    """

    def __init__(self, streams: Sequence[BatchStream], ratios: Sequence[int], *, batch_size: int) -> None:
        if not streams or len(streams) != len(ratios) or min(ratios) < 1:
            raise ValueError(f"as many ratios from 1 on as streams are needed, got {list(ratios)}")
        self._streams = tuple(streams)
        self._turns = turns_of_round(ratios)
        self.batch_size = batch_size
        # One pass over all sets, in visuals of full micro-batches: what the length of an epoch is taken from.
        self.num_groups = sum(
            -(-stream.num_groups * batch_size // stream.batch_size) for stream in self._streams
        )

    def batches_from(self, position: int) -> Iterator[Batch]:
        """The stream from its micro-batch number `position` on; nothing before it is read."""
        rounds, turn = divmod(position, len(self._turns))
        begun = self._turns[:turn]
        iterators = [
            stream.batches_from(rounds * self._turns.count(number) + begun.count(number))
            for number, stream in enumerate(self._streams)
        ]
        for place in count(turn):
            yield next(iterators[self._turns[place % len(self._turns)]])


class ChainedBatches:
    """The batches of several data sets one after the other, for evaluation."""

    def __init__(self, parts: Sequence[EvaluationBatches]) -> None:
        self._parts = tuple(parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Batch]:
        for part in self._parts:
            yield from part

    @property
    def unread(self) -> list[UnreadVisual]:
        """See `EvaluationBatches.unread`."""
        return [visual for part in self._parts for visual in part.unread]


def turns_of_round(ratios: Sequence[int]) -> tuple[int, ...]:
    """Whose turn it is in one round: each number as often as its ratio says, spread evenly.

    Every turn each one gains its ratio; who has most takes it and pays for all ((3, 1) gives 0 0 1 0).
    """
    credits = [0] * len(ratios)
    turns = []
    for _ in range(sum(ratios)):
        credits = [credit + ratio for credit, ratio in zip(credits, ratios, strict=True)]
        chosen = max(range(len(ratios)), key=lambda number: (credits[number], -number))
        credits[chosen] -= sum(ratios)
        turns.append(chosen)
    return tuple(turns)
