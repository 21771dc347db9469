"""The frames of a report, decoded again at the times that the predictions name."""

from collections.abc import Callable, Sequence

import numpy as np

from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.frame_size import resized_size
from clipbug.data.media import MediaSource
from clipbug.errors import ClipbugError, DataError
from clipbug.report.contents import Card, Filmstrip
from clipbug.report.pictures import make_filmstrip
from clipbug.runtime.progress import ProgressBar

# Longer side in pixels by the number of frames on the page, so that the file stays below some 40 MB.
_SIDES = ((600, 420), (2_000, 288), (6_000, 180), (20_000, 128))
MAX_FRAMES = 20_000
_MAX_STRIP_PIXELS = 60_000  # a JPEG is at most 65,535 wide


def make_filmstrips(
    cards: Sequence[Card], open_source: Callable[[], MediaSource]
) -> tuple[dict[str, Filmstrip], list[str]]:
    """One filmstrip per recording, those with the worst answers first, and notes on what was left out.

    Questions of one recording share its strip; all look at the same frames. A report without pictures is
    still worth reading, so a missing store or recording is a note, not an error.

    Args:
        cards: the questions.
        open_source: opens the stores.
    """
    times = _frame_times(cards)
    if not times:
        return {}, ["The predictions name no clips, so there are no frames."] if cards else []
    try:
        media = open_source()
    except ClipbugError as error:
        return {}, [f"No frames: {error.message}."]
    chosen, notes = _within_limit(times)
    side = next(side for limit, side in _SIDES if sum(len(times[name]) for name in chosen) <= limit)
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


def _frame_times(cards: Sequence[Card]) -> dict[str, tuple[float, ...]]:
    """Frame times of each recording, of its worst question; worst recording first."""
    times: dict[str, tuple[float, ...]] = {}
    for card in sorted(cards, key=lambda card: card.rank):
        if card.frame_seconds:
            times.setdefault(card.media_id, card.frame_seconds)
    return times


def _within_limit(times: dict[str, tuple[float, ...]]) -> tuple[list[str], list[str]]:
    """As many recordings as the page may hold, and a note if that is not all."""
    chosen: list[str] = []
    total = 0
    for media_id, seconds in times.items():
        total += len(seconds)
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
        height, width = resized_size(meta.height, meta.width, min(side, max(meta.height, meta.width)))
        if width * len(seconds) > _MAX_STRIP_PIXELS:
            height, width = resized_size(height, width, max(16, _MAX_STRIP_PIXELS // len(seconds)))
        indices = nearest_pictures(decoder, seconds)
        return make_filmstrip(decoder.frames_at(indices, size=(height, width)).data, seconds)


def nearest_pictures(decoder: VideoDecoder, seconds: Sequence[float]) -> list[int]:
    """The picture nearest to each time; times count from the first picture."""
    times = decoder.pts_seconds - decoder.pts_seconds[0]
    return [int(np.abs(times - second).argmin()) for second in seconds]
