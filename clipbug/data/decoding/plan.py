"""Plan which packets to decode for a set of requested frames. Pure arithmetic over a packet table."""

from collections.abc import Iterable
from dataclasses import dataclass

from clipbug.data.media import PacketTable


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packets `first` to `last` of a stream, decoded from a keyframe on to get the frames of `wanted`."""

    first: int
    last: int
    wanted: frozenset[int]


def plan_stretches(table: PacketTable, wanted: Iterable[int]) -> list[Stretch]:
    """Return the fewest packets that yield the frames of the `wanted` packets, as ranges in decoding order.

    A range ends at the last wanted packet, because a frame needs no later packet. A new range starts at a
    keyframe if that saves packets.

    Args:
        table: Packet table.
        wanted: Indices of packets.

    Returns:
        Ranges of packets.
    """
    stretches: list[Stretch] = []
    for packet_index in sorted(set(wanted)):
        stretch = Stretch(start_for(table, packet_index), packet_index, frozenset({packet_index}))
        while stretches and stretch.first <= stretches[-1].last + 1:
            before = stretches.pop()
            stretch = Stretch(min(before.first, stretch.first), packet_index, before.wanted | stretch.wanted)
        stretches.append(stretch)
    return stretches


def is_before_start(table: PacketTable, stretch: Stretch, packet_index: int) -> bool:
    """Return whether a packet's frame is shown before the keyframe at which the range starts.

    Such a frame (open GOP) may need packets before the keyframe, and nothing in the range needs it.

    Returns:
        Whether to skip the packet.
    """
    return table.is_shown[packet_index] and table.pts[packet_index] < table.pts[stretch.first]


def start_for(table: PacketTable, packet_index: int) -> int:
    """Return the nearest keyframe before a packet that is not shown later than it.

    A frame that is decoded after a keyframe but shown before it needs an earlier one (see `is_before_start`).

    Returns:
        Index of the keyframe.
    """
    for start in range(packet_index, 0, -1):
        if table.is_keyframe[start] and table.pts[start] <= table.pts[packet_index]:
            return start
    return 0
