"""What has been found in a recording so far, for the parts that build on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipbug.perception.changes import Change
from clipbug.perception.frames import FrameStore
from clipbug.perception.moments import Moment
from clipbug.perception.names import Place
from clipbug.perception.screens import Stay, find_title
from clipbug.perception.touches import FoundTouches
from clipbug.perception.typed_text import Typed

EFFECT_SHARE = 0.0015
_BEFORE_SECONDS = 0.05
_MARK_SECONDS = 0.2
_EFFECT_SECONDS = 1.2


@dataclass(frozen=True, slots=True)
class Reading:
    """A recording as moments, the changes between them, screens, typed text and touches."""

    frames: FrameStore
    moments: Sequence[Moment]
    changes: Sequence[Change]
    stays: Sequence[Stay]
    typed: Sequence[Typed]
    found: FoundTouches

    def moment_before(self, seconds: float) -> int:
        """Return the last moment that was shown before a time."""
        index = self.frames.index_at(seconds - _BEFORE_SECONDS)
        places = [place for place, moment in enumerate(self.moments) if moment.first <= index]
        return places[-1] if places else 0

    def screen_of(self, moment: int) -> int:
        """Return the number of the screen that a moment belongs to."""
        return next(number for number, stay in enumerate(self.stays) if stay.first <= moment <= stay.last)

    def place(self, moment: int, seconds: float | None = None) -> Place:
        """Return what a touch at that moment can hit, as it was before the touch drew its mark.

        Args:
            moment: the moment's place in the list.
            seconds: when the touch began.
        """
        shown, frames = self.moments[moment], self.frames
        frame = shown.frame
        if seconds is not None:
            kept = frames.pictures_between(shown.first, frames.index_at(seconds - _MARK_SECONDS))
            frame = kept[-1] if kept else frame
        return Place(
            lines=shown.texts,
            picture=frames.picture(frame),
            scale=frames.reading_scale,
            width=frames.width,
            height=frames.height,
            dialog=self.stays[self.screen_of(moment)].dialog,
            is_start=self._heading(0) is not None and self._heading(0) == self._heading(moment),
        )

    def _heading(self, moment: int) -> str | None:
        title = find_title(self.moments[moment].texts, self.frames.height)
        return title.text if title else None

    def has_effect(self, start: float, end: float) -> bool:
        """Return whether something changes soon after a touch."""
        return any(
            start - 0.1 <= change.start_seconds <= end + _EFFECT_SECONDS
            and (change.share > EFFECT_SHARE or bool(change.appeared or change.vanished))
            for change in self.changes
        )
