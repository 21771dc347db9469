"""The frames of a report, decoded again at the times that the predictions name."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.loading.frame_size import resized_size
from clipbug.data.media import MediaSource
from clipbug.errors import ClipbugError, DataError
from clipbug.report.contents import Card, Filmstrip, Ranking
from clipbug.report.pictures import make_filmstrip
from clipbug.runtime.progress import ProgressBar

# Longer side in pixels by the number of frames on the page, so that the file stays below some 40 MB.
_SIDES = ((600, 420), (2_000, 288), (6_000, 180), (20_000, 128))
MAX_FRAMES = 20_000
_MAX_STRIP_PIXELS = 60_000  # a JPEG is at most 65,535 wide
_SPREAD = (0.08, 0.36, 0.64, 0.92)  # of the length: where the pictures of a found recording are taken

FrameTimes = Mapping[str, tuple[float, ...]]


def cards_frames(cards: Sequence[Card]) -> FrameTimes:
    """Frame times of each recording, of its worst question; worst recording first.

    Predictions that another program made name no frames: none are given for their recordings.
    """
    times: dict[str, tuple[float, ...]] = {}
    for card in sorted(cards, key=lambda card: card.rank):
        times[card.media_id] = times.get(card.media_id) or card.frame_seconds
    return times


def rankings_frames(rankings: Sequence[Ranking]) -> FrameTimes:
    """Recordings to show some pictures of, those of the worst rankings first."""
    worst_first = sorted(rankings, key=lambda ranking: ranking.order)
    return {media_id: () for ranking in worst_first for media_id in ranking.shown}


def make_filmstrips(
    times: FrameTimes, open_source: Callable[[], MediaSource]
) -> tuple[dict[str, Filmstrip], list[str]]:
    """One filmstrip per recording, and notes on what was left out.

    A report without pictures is still worth reading, so a missing store or recording is a note, not an error.

    Args:
        times: recording -> times of the pictures to show, or none for some pictures from start to end; where
            there are too many, the first ones are shown.
        open_source: opens the stores.
    """
    if not times:
        return {}, []
    try:
        media = open_source()
    except ClipbugError as error:
        return {}, [f"No frames: {error.message}."]
    chosen, notes = _within_limit(times)
    side = next(
        side for limit, side in _SIDES if sum(len(times[name]) or len(_SPREAD) for name in chosen) <= limit
    )
    strips: dict[str, Filmstrip] = {}
    missing: list[str] = []
    with ProgressBar("report frames", len(chosen), unit="recordings") as bar:
        for media_id in chosen:
            try:
                strips[media_id] = _filmstrip(media, media_id, times[media_id], side)
            except DataError as error:
                missing.append(error.message)
            bar.update()
    if missing:
        more = f" (and {len(missing) - 5} more)" if len(missing) > 5 else ""
        notes.append(f"No frames of {len(missing)} recordings: {'; '.join(missing[:5])}{more}.")
    return strips, notes


def _within_limit(times: FrameTimes) -> tuple[list[str], list[str]]:
    """As many recordings as the page may hold, and a note if that is not all."""
    chosen: list[str] = []
    total = 0
    for media_id, seconds in times.items():
        total += len(seconds) or len(_SPREAD)
        if total > MAX_FRAMES:
            break
        chosen.append(media_id)
    if len(chosen) == len(times):
        return chosen, []
    note = (
        f"Frames are shown for the {len(chosen)} recordings with the worst answers;"
        f" {len(times) - len(chosen)} others have none, to keep this file below {MAX_FRAMES:,} frames."
    )
    return chosen, [note]


def _filmstrip(media: MediaSource, media_id: str, seconds: tuple[float, ...], side: int) -> Filmstrip:
    with media.open(media_id, longer_side=side) as decoder:
        meta = decoder.metadata
        if not seconds:
            first, last = float(decoder.pts_seconds[0]), float(decoder.pts_seconds[-1])
            seconds = tuple(first + (last - first) * share for share in _SPREAD) if last > first else (first,)
        height, width = resized_size(meta.height, meta.width, min(side, max(meta.height, meta.width)))
        if width * len(seconds) > _MAX_STRIP_PIXELS:
            height, width = resized_size(height, width, max(16, _MAX_STRIP_PIXELS // len(seconds)))
        indices = nearest_pictures(decoder, seconds)
        return make_filmstrip(decoder.frames_at(indices, size=(height, width)).data, seconds)


def nearest_pictures(decoder: VideoDecoder, seconds: Sequence[float]) -> list[int]:
    """The picture nearest to each time on a player's clock."""
    return [int(np.abs(decoder.pts_seconds - second).argmin()) for second in seconds]
