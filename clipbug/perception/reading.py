"""What has been found in a recording so far, for the parts that build on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from clipbug.perception.changes import Change
from clipbug.perception.frames import FrameStore
from clipbug.perception.moments import Moment
from clipbug.perception.names import Place
from clipbug.perception.screens import Stay
from clipbug.perception.touches import FoundTouches
from clipbug.perception.typed_text import Typed

EFFECT_SHARE = 0.0015
_BEFORE_SECONDS = 0.05
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

    def place(self, moment: int) -> Place:
        """Return what a touch at that moment can hit."""
        shown = self.moments[moment]
        return Place(
            lines=shown.texts,
            picture=self.frames.picture(shown.frame),
            scale=self.frames.reading_scale,
            width=self.frames.width,
            height=self.frames.height,
            dialog=self.stays[self.screen_of(moment)].dialog,
        )

    def has_effect(self, start: float, end: float) -> bool:
        """Return whether something changes soon after a touch."""
        return any(
            start - 0.1 <= change.start_seconds <= end + _EFFECT_SECONDS
            and (change.share > EFFECT_SHARE or bool(change.appeared or change.vanished))
            for change in self.changes
        )
