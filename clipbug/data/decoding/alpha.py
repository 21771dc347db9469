"""Decode the transparency that Matroska and WebM store with each frame, as a second, grey video stream."""

from __future__ import annotations  # Packet is not subscriptable at run time

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

_ALPHA_ID = (1).to_bytes(8, "big")  # BlockAddID of alpha; other ids hold captions or metadata


class AlphaStream:
    """Decodes the alpha channel of VP8 and VP9 packets in step with their colours."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._context: VideoCodecContext | None = None
        self._alpha: dict[int, NDArray[np.uint8]] = {}
        self._expected: set[int] = set()

    def restart(self) -> None:
        """Discard all state before decoding continues at a keyframe."""
        self._alpha, self._expected = {}, set()
        if self._context is not None:
            self._context.flush_buffers()

    def feed(self, packet: Packet[VideoStream], *, is_wanted: bool, is_start_known: bool) -> None:
        """Decode the alpha data of a packet, if it has any.

        Args:
            packet: Packet of the colour stream.
            is_wanted: Keep the result for `take`.
            is_start_known: Decoding began with the first packet of the recording.

        Raises:
            FFmpegError: The alpha data is damaged. Without `is_start_known` it may just depend on an earlier
                keyframe; then nothing is raised and `is_missing` reports it.
        """
        if not packet.has_sidedata("matroska_block_additional") or packet.pts is None:
            return
        data = bytes(packet.get_sidedata("matroska_block_additional"))
        if not data.startswith(_ALPHA_ID):
            return
        self._expected.add(packet.pts)
        try:
            frames = self._decoder().decode(Packet(data[len(_ALPHA_ID) :]))
        except av.FFmpegError:
            if is_start_known:
                raise
            return
        if frames and is_wanted:
            self._alpha[packet.pts] = _luma(frames[-1])

    def is_missing(self, pts: int) -> bool:
        """Return whether the frame at this time has alpha data that could not be decoded."""
        return pts in self._expected and pts not in self._alpha

    def take(self, pts: int) -> NDArray[np.uint8] | None:
        """Return the alpha (H, W) of the frame at this time, once; None if the frame is opaque."""
        return self._alpha.pop(pts, None)

    def _decoder(self) -> VideoCodecContext:
        if self._context is None:
            context = av.CodecContext.create(self._codec, "r")
            assert isinstance(context, VideoCodecContext), "the same codec decodes the colours"
            context.thread_count = 1
            self._context = context
        return self._context


def _luma(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the luma as stored: the highest value is opaque, whatever range the stream declares."""
    plane, bits = frame.planes[0], frame.format.components[0].bits
    values: NDArray[np.integer] = np.frombuffer(bytes(plane), "u1" if bits == 8 else "<u2")
    rows = values.reshape(frame.height, -1)[:, : frame.width]
    return (rows >> (bits - 8)).astype(np.uint8)
