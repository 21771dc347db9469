"""Decode the frames of a report at the times in the predictions."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.loading.frame_size import resized_size
from clipbug.data.media import MediaSource
from clipbug.errors import ClipbugError, DataError
from clipbug.report.contents import Card, Filmstrip, Ranking
from clipbug.report.pictures import make_filmstrip
from clipbug.runtime.progress import ProgressBar

# (number of frames on the page, longer side in pixels), so that the file stays below about 40 MB.
_SIDES = ((600, 420), (2_000, 288), (6_000, 180), (20_000, 128))
MAX_FRAMES = 20_000
_MAX_STRIP_PIXELS = 60_000  # a JPEG is at most 65,535 wide
_SPREAD = (0.08, 0.36, 0.64, 0.92)  # positions of the frames of a search result, relative to its length

FrameTimes = Mapping[str, tuple[float, ...]]


def cards_frames(cards: Sequence[Card]) -> FrameTimes:
    """Return the frame times of each recording's worst question, worst recording first.

    Predictions of other programs have no frame times; the times of their recordings are empty.
    """
    times: dict[str, tuple[float, ...]] = {}
    for card in sorted(cards, key=lambda card: card.rank):
        times[card.media_id] = times.get(card.media_id) or card.frame_seconds
    return times


def rankings_frames(rankings: Sequence[Ranking]) -> FrameTimes:
    """Return the recordings to show, those of the worst rankings first, without specific frame times."""
    worst_first = sorted(rankings, key=lambda ranking: ranking.order)
    return {media_id: () for ranking in worst_first for media_id in ranking.shown}


def make_filmstrips(
    times: FrameTimes, open_source: Callable[[], MediaSource]
) -> tuple[dict[str, Filmstrip], list[str]]:
    """Decode a filmstrip for each recording.

    A report without frames is still useful, so a missing store or recording results in a note, not an error.

    Args:
        times: recording -> times of the frames to show; without times, a few frames from start to end. If
            there are too many frames in total, only the first recordings are shown.
        open_source: opens the stores.

    Returns:
        The filmstrips by media id, and notes on the recordings without one.
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
        notes.append(f"No frames for {len(missing)} recordings: {'; '.join(missing[:5])}{more}.")
    return strips, notes


def _within_limit(times: FrameTimes) -> tuple[list[str], list[str]]:
    """Return the recordings that fit on the page, and a note if some do not fit."""
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
        f"Frames are shown only for the {len(chosen)} recordings with the worst answers;"
        f" {len(times) - len(chosen)} are omitted to keep this file below {MAX_FRAMES:,} frames."
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
        indices = nearest_frames(decoder, seconds)
        return make_filmstrip(decoder.frames_at(indices, size=(height, width)).data, seconds)


def nearest_frames(decoder: VideoDecoder, seconds: Sequence[float]) -> list[int]:
    """Return the index of the frame nearest to each time."""
    return [int(np.abs(decoder.pts_seconds - second).argmin()) for second in seconds]
