"""Which packets to decode for a set of wanted pictures. Pure arithmetic over a packet table."""

from collections.abc import Iterable
from dataclasses import dataclass

from clipbug.data.media import PacketTable


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packets `first` ... `last` of a stream, decoded from a keyframe on to get the pictures of `wanted`."""

    first: int
    last: int
    wanted: frozenset[int]


def plan_stretches(table: PacketTable, wanted: Iterable[int]) -> list[Stretch]:
    """The fewest packets that give the pictures of the `wanted` packets, as stretches in decoding order.

    A stretch ends with the last wanted packet, since a picture needs no later packet. A new one starts at a
    keyframe if that saves packets.
    """
    stretches: list[Stretch] = []
    for place in sorted(set(wanted)):
        stretch = Stretch(start_for(table, place), place, frozenset({place}))
        while stretches and stretch.first <= stretches[-1].last + 1:
            before = stretches.pop()
            stretch = Stretch(min(before.first, stretch.first), place, before.wanted | stretch.wanted)
        stretches.append(stretch)
    return stretches


def is_before_start(table: PacketTable, stretch: Stretch, place: int) -> bool:
    """Whether a packet's picture is shown before the keyframe that the stretch starts with.

    Such a picture (open GOP) may need what is in front of the keyframe, and nothing in the stretch needs it.
    """
    return table.is_shown[place] and table.pts[place] < table.pts[stretch.first]


def start_for(table: PacketTable, place: int) -> int:
    """The nearest keyframe before a packet that is not shown later than it.

    A picture that is decoded after a keyframe but shown before it needs an earlier one (`is_before_start`).
    """
    for start in range(place, 0, -1):
        if table.is_keyframe[start] and table.pts[start] <= table.pts[place]:
            return start
    return 0
