"""The size that frames are scaled to."""


def resized_size(height: int, width: int, longer_side: int) -> tuple[int, int]:
    """(height, width) with the longer side scaled to `longer_side`, up or down, and the aspect kept.

    The shorter side is truncated, and the ratio taken first, as the original does it: 61 x 112 at 224 gives
    121, not 122. It is at least 1.

    Raises:
        ValueError: a side is below 1.
    """
    for name, side in (("height", height), ("width", width), ("longer_side", longer_side)):
        if side < 1:
            raise ValueError(f"{name} must be at least 1, got {side}")
    shorter_side = max(1, int(longer_side * (min(height, width) / max(height, width))))
    return (longer_side, shorter_side) if height >= width else (shorter_side, longer_side)
