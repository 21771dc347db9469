"""The prepared form of a recording: small JPEGs of the frames that differ, with all timestamps.

Screen recordings are mostly static, so few frames represent all of them. The form is a single byte string:
header length, header in JSON, and the JPEGs.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import DeclaredTiming, FrameBatch, InMemory, VideoMetadata, check_indices
from clipbug.data.decoding.pictures.decoder import resize
from clipbug.data.media import MediaEntry, PreparedInfo
from clipbug.errors import DecodeError

Picture = NDArray[np.uint8]
ReadSlices = Callable[[Sequence[tuple[int, int]]], list[bytes]]
"""Returns the bytes of a prepared form by (start, end)."""

_LENGTH = struct.Struct("<I")


def join_form(first: Sequence[int], jpegs: Sequence[bytes], extra: Mapping[str, Any]) -> bytes:
    """Serialize a prepared form.

    Args:
        first: Index of the first frame of the recording that each JPEG represents, increasing from 0.
        jpegs: The encoded frames.
        extra: "declared" and "declared_fps" of the recording's metadata.

    Returns:
        The bytes to store.
    """
    header = {"first": list(first), "lengths": [len(jpeg) for jpeg in jpegs], **extra}
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(text)), text, *jpegs))


def encode_picture(picture: Picture, quality: int) -> bytes:
    """Encode a JPEG with full-resolution chroma: half the error at red text for a fifth more bytes."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def decode_picture(jpeg: bytes) -> Picture | None:
    """Return the decoded image (H, W, 3), or None if the bytes are not a JPEG."""
    stored = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if jpeg else None
    return None if stored is None else cv2.cvtColor(stored, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


class PreparedDecoder(InMemory):
    """A `VideoDecoder` over a prepared form: all frames and times of the recording, few of them stored.

    Args:
        entry: Manifest entry of the recording, with packets.
        read: Reads byte ranges of the form; called on opening and for requested frames.

    Raises:
        DecodeError: The form is damaged.
    """

    def __init__(self, entry: MediaEntry, read: ReadSlices) -> None:
        assert entry.prepared is not None, "the caller opens prepared forms only"
        assert entry.packets is not None, "every prepared recording has packets"
        self._media_id = entry.media_id
        self._read = read
        table = entry.packets
        shown = table.shown_indices()
        self.pts_seconds: NDArray[np.float64] = table.seconds_shown()
        self.changes = np.array(table.changes, np.uint8)[shown]
        header, start = self._read_header()
        self._first = np.array(header["first"])
        self._ends = list(accumulate(header["lengths"], initial=start))
        self.metadata = _metadata(entry, entry.prepared, header)

    def frames_at(self, indices: Sequence[int], *, size: tuple[int, int] | None = None) -> FrameBatch:
        """Return the frames kept for `indices`, with the recording's times; see `VideoDecoder.frames_at`."""
        check_indices(indices, len(self.pts_seconds), media_id=self._media_id)
        stored = (self.metadata.height, self.metadata.width)
        kept = (np.searchsorted(self._first, np.array(indices, np.int64), side="right") - 1).tolist()
        data = np.empty((len(indices), *(size or stored), 3), np.uint8)
        pictures = dict(self._pictures(sorted(set(kept)), size or stored))
        for row, number in enumerate(kept):
            data[row] = pictures[number]
        return FrameBatch(data, self.pts_seconds[list(indices)])

    def _read_header(self) -> tuple[dict[str, Any], int]:
        (head,) = self._read([(0, _LENGTH.size)])
        start = _LENGTH.size + (_LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0)
        (text,) = self._read([(_LENGTH.size, start)])
        try:
            return dict(json.loads(text)), start
        except ValueError as error:
            raise self._damaged("its header") from error

    def _pictures(self, numbers: Sequence[int], size: tuple[int, int]) -> Iterator[tuple[int, Picture]]:
        slices = [(self._ends[number], self._ends[number + 1]) for number in numbers]
        for number, jpeg in zip(numbers, self._read(slices), strict=True):
            picture = decode_picture(jpeg)
            if picture is None:
                raise self._damaged(f"frame {number} of {len(self._first)}")
            yield number, resize(picture, size)

    def _damaged(self, what: str) -> DecodeError:
        return DecodeError(
            f"{self._media_id}: the prepared form is damaged ({what})",
            "Check the store with `clipbug data verify`, and ingest the file again into a new one.",
        )


def _metadata(entry: MediaEntry, form: PreparedInfo, header: dict[str, Any]) -> VideoMetadata:
    declared = header["declared"]
    if declared:
        declared = DeclaredTiming(**{**declared, "time_base": tuple(declared["time_base"])})
    return VideoMetadata(
        codec=entry.codec,
        width=form.width,
        height=form.height,
        num_frames=entry.num_frames,
        duration_seconds=entry.duration_seconds,
        average_fps=entry.average_fps,
        rotation_degrees=entry.rotation_degrees,
        is_variable_rate=entry.is_variable_rate,
        declared=declared,
        declared_fps=header["declared_fps"],
    )
