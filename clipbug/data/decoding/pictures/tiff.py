"""Read TIFF images of grey and alpha: Pillow supports only one kind of them, OpenCV drops the alpha."""

import io
import warnings

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from clipbug.data.decoding.pixels import divide_by_alpha, to_8_bits
from clipbug.errors import DecodeError

_HINT = "Open the image in a viewer; if it displays, save it again as PNG or JPEG. If not, exclude it."
_PHOTOMETRIC, _ORIENTATION, _SAMPLES, _EXTRA_SAMPLES, _PROFILE = 262, 274, 277, 338, 34675
_ASSOCIATED, _UNASSOCIATED = 1, 2


def read_grey_with_alpha(data: bytes, *, media_id: str) -> tuple[Image.Image, bytes | None, int] | None:
    """Read a TIFF with two channels.

    Args:
        data: The file.
        media_id: For messages.

    Returns:
        Image (mode L or LA), ICC profile and orientation; None for other files.

    Raises:
        DecodeError: The file is of this kind, but damaged.
    """
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
        file = io.BytesIO(data)
        file.seek(tags.next)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags.load(file)
            is_grey_with_alpha = tags.get(_SAMPLES) == 2 and tags.get(_PHOTOMETRIC) in (0, 1)
    except Exception:  # reading it with Pillow reports the problem
        return None
    if not is_grey_with_alpha:
        return None
    try:
        decoder = av.CodecContext.create("tiff", "r")
        assert isinstance(decoder, VideoCodecContext)
        samples = _grey_and_alpha(decoder.decode(av.Packet(data))[0])
    except (av.FFmpegError, IndexError, ValueError, KeyError) as error:
        raise DecodeError(f"{media_id}: the image (format tiff) is damaged: {error}", _HINT) from error
    if tags[_PHOTOMETRIC] == 0:
        samples[..., 1] = ~samples[..., 1]  # FFmpeg inverts alpha too
    kind = (*tags.get(_EXTRA_SAMPLES, ()), _UNASSOCIATED)[0]
    grey = to_8_bits(samples) if samples.dtype == np.uint16 else samples.astype(np.uint8)
    if kind == _ASSOCIATED:
        grey = divide_by_alpha(grey)
    image = Image.merge("LA", [Image.fromarray(np.ascontiguousarray(grey[..., band])) for band in (0, 1)])
    if kind not in (_ASSOCIATED, _UNASSOCIATED):  # not alpha
        image = image.getchannel("L")
    return image, tags.get(_PROFILE), tags.get(_ORIENTATION, 1)


def _grey_and_alpha(frame: VideoFrame) -> NDArray[np.unsignedinteger]:
    """Return grey and alpha (H, W, 2) of a frame of 8 or 16 bits."""
    dtype = {"ya8": "u1", "ya16le": "<u2", "ya16be": ">u2"}[frame.format.name]
    rows = np.frombuffer(bytes(frame.planes[0]), dtype).reshape(frame.height, -1)[:, : 2 * frame.width]
    samples = rows.reshape(frame.height, frame.width, 2)
    return samples.astype(np.uint8) if dtype == "u1" else samples.astype(np.uint16)
