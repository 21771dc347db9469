"""The size that frames are scaled to."""

_MAX_ASPECT = 5.0  # beyond it a phone's screen, or three of them side by side, can no longer be read
_DEFAULT_LONGER_SIDE = 448


def resized_size(height: int, width: int, longer_side: int) -> tuple[int, int]:
    """Return (height, width) with the longer side scaled to `longer_side`, and the aspect ratio kept.

    The shorter side is truncated, and the ratio taken first, as in ClipBERT: 61 x 112 at 224 gives
    121, not 122. It is at least 1.

    Raises:
        ValueError: a side is below 1.
    """
    for name, side in (("height", height), ("width", width), ("longer_side", longer_side)):
        if side < 1:
            raise ValueError(f"{name} must be at least 1, got {side}")
    shorter_side = max(1, int(longer_side * (min(height, width) / max(height, width))))
    return (longer_side, shorter_side) if height >= width else (shorter_side, longer_side)


def describe_narrow(height: int, width: int, longer_side: int = _DEFAULT_LONGER_SIDE) -> str | None:
    """Describe what scaling leaves of a picture that is too long or wide to be read; None for other pictures.

    Args:
        height, width: of the picture, as shown.
        longer_side: to which it is scaled.
    """
    if max(height, width) <= _MAX_ASPECT * min(height, width):
        return None
    scaled = resized_size(height, width, longer_side)
    side = "width" if width < height else "height"
    return (
        f"{width} x {height} pixels: scaled to {longer_side} pixels, {min(scaled)} pixels of its {side}"
        " are left; cut it into parts"
    )
