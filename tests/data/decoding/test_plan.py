"""Which packets are decoded: checked against a search over all ways to choose keyframes."""

from itertools import pairwise, product

import numpy as np
import pytest

from clipbug.data.decoding.plan import is_before_start, plan_stretches
from clipbug.data.media import PacketTable


def table(pts: list[int], keyframes: set[int]) -> PacketTable:
    return PacketTable(
        time_base=(1, 10),
        pts=tuple(pts),
        is_keyframe=tuple(place in keyframes for place in range(len(pts))),
        is_shown=(True,) * len(pts),
        end_pts=len(pts),
        rotation_degrees=0,
        has_container_times=True,
    )


def fewest_packets(packets: PacketTable, wanted: list[int]) -> int:
    """Least number of packets over all ways to start each wanted one at any keyframe that may serve it."""
    starts = [
        [
            start
            for start in range(place + 1)
            if start == 0 or (packets.is_keyframe[start] and packets.pts[start] <= packets.pts[place])
        ]
        for place in wanted
    ]
    return min(
        len({place for start, last in zip(choice, wanted, strict=True) for place in range(start, last + 1)})
        for choice in product(*starts)
    )


@pytest.mark.parametrize("seed", range(200))
def test_fewest_packets_and_all_wanted(seed: int) -> None:
    random = np.random.default_rng(seed)
    keyframes = {0, *random.integers(24, size=6).tolist()}
    shifts = random.integers(-3, 4, 24).tolist()  # B-frames are shown out of order, keyframes are not
    packets = table([place + shifts[place] * (place not in keyframes) for place in range(24)], keyframes)
    wanted = sorted(set(random.integers(24, size=4).tolist()))
    stretches = plan_stretches(packets, wanted)
    assert sorted(place for stretch in stretches for place in stretch.wanted) == wanted
    assert sum(stretch.last - stretch.first + 1 for stretch in stretches) == fewest_packets(packets, wanted)
    for stretch in stretches:
        assert stretch.first == 0 or packets.is_keyframe[stretch.first]
        assert stretch.last == max(stretch.wanted)
        assert all(packets.pts[stretch.first] <= packets.pts[p] or stretch.first == 0 for p in stretch.wanted)
    for before, after in pairwise(stretches):
        assert before.last < after.first, "no packet is read twice"


def test_shown_before_the_keyframe_in_front_of_it() -> None:
    """Open GOP: packet 6 is decoded after keyframe 5 but shown before it; decoding starts at keyframe 0."""
    packets = table([0, 1, 2, 3, 4, 7, 5, 6, 8], {0, 5})
    assert [(s.first, s.last) for s in plan_stretches(packets, [6])] == [(0, 6)]
    assert [(s.first, s.last) for s in plan_stretches(packets, [8])] == [(5, 8)]
    assert [(s.first, s.last) for s in plan_stretches(packets, [2, 5, 6])] == [(0, 6)]
    (stretch,) = plan_stretches(packets, [8])
    assert [place for place in range(5, 9) if is_before_start(packets, stretch, place)] == [6, 7]
