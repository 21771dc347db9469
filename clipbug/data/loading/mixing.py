"""Train on several data sets: the order of their batches, and the source of their media."""

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
    """Return the id of a media item of a data set, unique among all sets."""
    return f"{name}{_SEPARATOR}{media_id}"


def set_of_id(media_id: str) -> str:
    """Return the data set of a media item."""
    return media_id.partition(_SEPARATOR)[0]


class MediaOfSets:
    """The media of several data sets as one source. Two sets may use one id for different media.

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
        """Return all ids, sorted."""
        for name in sorted(self._sources):
            yield from (id_in_set(name, inner) for inner in self._sources[name].ids())

    def entry(self, media_id: str) -> MediaEntry:
        """Return the manifest entry; see `MediaSource.entry`."""
        source, inner = self._source_of(media_id)
        return source.entry(inner)

    def read(self, media_id: str) -> bytes:
        """Read the bytes; see `MediaSource.read`."""
        source, inner = self._source_of(media_id)
        return source.read(inner)

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """Open a decoder; see `MediaSource.open`."""
        source, inner = self._source_of(media_id)
        return source.open(inner, longer_side=longer_side)

    def _source_of(self, media_id: str) -> tuple[MediaSource, str]:
        name, _, inner = media_id.partition(_SEPARATOR)
        if name not in self._sources:
            raise DataError(f"{media_id!r} is of no data set", f"data sets: {', '.join(self._sources)}")
        return self._sources[name], inner


class BatchStream(Protocol):
    """The part of `TrainBatches` that a mixture uses."""

    num_groups: int
    batch_size: int

    def batches_from(self, position: int) -> Iterator[Batch]:
        """Yield the stream from batch number `position` on."""
        ...


class MixedBatches:
    """Alternating micro-batches of several data sets, each of one set, so that images never pad recordings.

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
        """Yield the stream from micro-batch number `position` on; nothing before it is read."""
        rounds, turn = divmod(position, len(self._turns))
        begun = self._turns[:turn]
        iterators = [
            stream.batches_from(rounds * self._turns.count(number) + begun.count(number))
            for number, stream in enumerate(self._streams)
        ]
        for place in count(turn):
            yield next(iterators[self._turns[place % len(self._turns)]])


class ChainedBatches:
    """The batches of several data sets, one set after the other, for evaluation."""

    def __init__(self, parts: Sequence[EvaluationBatches]) -> None:
        self._parts = tuple(parts)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[Batch]:
        for part in self._parts:
            yield from part

    @property
    def unread(self) -> list[UnreadVisual]:
        """Return what could not be read; see `EvaluationBatches.unread`."""
        return [visual for part in self._parts for visual in part.unread]


def turns_of_round(ratios: Sequence[int]) -> tuple[int, ...]:
    """Return the order of the sets in one round: each as often as its ratio says, spread evenly.

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
