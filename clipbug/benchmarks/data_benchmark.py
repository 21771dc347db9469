"""`clipbug benchmark data`: compare the cost of loading clips with ClipBERT's.

All variants read the same frames (those that ClipBERT samples), which is checked before timing. Times are CPU
seconds of one load: medians of interleaved runs, so that other work affects all variants alike.
"""

import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from clipbug.benchmarks.clipbert_decoding import decode_clips_as_clipbert, read_clips_as_clipbert
from clipbug.benchmarks.recordings import write_recording
from clipbug.data.decoding.packet_reader import PacketReader
from clipbug.data.decoding.plan import is_before_start, plan_stretches
from clipbug.data.loading.visuals import VisualReader
from clipbug.data.media import MediaEntry
from clipbug.data.sampling.clip_sampling import ClipSampler, build_clip_sampler
from clipbug.data.store.prepare import PrepareSettings, prepare
from clipbug.data.store.probe import probe
from clipbug.data.store.store import MediaStore, StoreWriter
from clipbug.errors import DataError
from clipbug.runtime.progress import ProgressBar

_FRAMES_PER_CLIP = 2
_FPS = 2.0
_CLIPBERT_WAYS = ("ClipBERT, evaluation", "ClipBERT, training")


@dataclass(frozen=True, slots=True)
class DataBenchmark:
    """The measurements.

    Attributes:
        recordings: properties of the recordings, and the error of the prepared form (levels of 0 to 255).
        rows: one per recording, number of clips and variant. `times_evaluation` and `times_training` are the
            speedups over ClipBERT in evaluation and training; `of_decoder` is the time relative to decoding.
    """

    recordings: tuple[dict[str, Any], ...]
    rows: tuple[dict[str, Any], ...]
    longer_side: int
    repeats: int

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return {
            "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
            "longer_side": self.longer_side,
            "repeats": self.repeats,
            "recordings": list(self.recordings),
            "rows": list(self.rows),
        }


def measure_data(
    recordings: Sequence[Path], *, clips: Sequence[int], longer_side: int, repeats: int
) -> DataBenchmark:
    """Measure on recordings; by default on two synthetic ones (20 s, 720 x 1280), one still and one moving.

    Args:
        recordings: mp4 or mov files; empty for synthetic ones.
        clips: numbers of clips to load.
        longer_side: longer side of the frames in pixels.
        repeats: number of runs; the median is reported.

    Returns:
        The measurements.

    Raises:
        DataError: a recording cannot be read, or its header lacks what ClipBERT needs.
    """
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix="clipbug-benchmark-") as folder, ExitStack() as stack:
        files = list(recordings) or _generate(Path(folder))
        subjects = [
            stack.enter_context(_Subject(file, Path(folder) / f"{number}", longer_side))
            for number, file in enumerate(files)
        ]
        rows: list[dict[str, Any]] = []
        with ProgressBar("benchmark", len(subjects) * len(clips) * repeats, unit="rounds") as progress:
            for subject in subjects:
                for num_clips in clips:
                    rows += subject.measure(num_clips, repeats, progress)
        return DataBenchmark(tuple(subject.about for subject in subjects), tuple(rows), longer_side, repeats)


def _generate(folder: Path) -> list[Path]:
    files = [folder / "still.mp4", folder / "moving.mp4"]
    write = partial(write_recording, seconds=20.0, width=720, height=1280, gop=250, seed=0)
    write(files[0], motion="still")
    write(files[1], motion="moving")
    return files


class _Subject:
    """A recording in two stores, with and without its prepared form."""

    def __init__(self, file: Path, folder: Path, longer_side: int) -> None:
        self._data = file.read_bytes()
        self._longer_side = longer_side
        started = time.process_time()
        entry = probe(self._data, media_id=file.stem, file_name=file.name)
        probed = time.process_time()
        prepared, form = prepare(self._data, entry, PrepareSettings(longer_side))
        self._name = file.stem
        self._stores = [
            _store(folder / "plain", entry, self._data),
            _store(folder / "prepared", prepared, self._data, form),
        ]
        with self._stores[0].open(self._name) as decoder:
            if decoder.metadata.declared is None:
                raise DataError(
                    f"{file}: the header lacks the number of frames or the duration, which ClipBERT needs",
                    "Choose an mp4 or mov file.",
                )
        assert prepared.prepared is not None, "created above"
        self.about = {
            "recording": file.name,
            "height": entry.height,
            "width": entry.width,
            "duration_seconds": round(entry.duration_seconds, 3),
            "num_pictures": entry.num_frames,
            "num_bytes": entry.num_bytes,
            "probe_seconds": probed - started,
            "prepare_seconds": time.process_time() - probed,
            "prepared_pictures": prepared.prepared.num_pictures,
            "prepared_bytes": prepared.prepared.num_bytes,
            "mean_difference": prepared.prepared.mean_difference,
            "max_difference": prepared.prepared.max_difference,
        }

    def __enter__(self) -> "_Subject":
        return self

    def __exit__(self, *error: object) -> None:
        for store in self._stores:
            store.close()

    def measure(self, num_clips: int, repeats: int, progress: ProgressBar) -> list[dict[str, Any]]:
        """Time all variants for one number of clips, and return a row for each."""
        sampler = build_clip_sampler(
            "clipbert",
            random=False,
            num_clips=num_clips,
            num_frames_per_clip=_FRAMES_PER_CLIP,
            fps=_FPS,
        )
        self._check(num_clips, sampler)
        ways = self._ways(num_clips, sampler)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                started = time.process_time()
                way()
                seconds[name].append(time.process_time() - started)
            progress.update()
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        return [self._row(num_clips, name, medians) for name in ways]

    def _row(self, num_clips: int, name: str, medians: dict[str, float]) -> dict[str, Any]:
        seconds = medians[name]
        return {
            "recording": self.about["recording"],
            "clips": f"{num_clips}x{_FRAMES_PER_CLIP}",
            "way": name,
            "cpu_seconds": seconds,
            "frames_per_second": num_clips * _FRAMES_PER_CLIP / seconds,
            "times_evaluation": medians[_CLIPBERT_WAYS[0]] / seconds,
            "times_training": medians[_CLIPBERT_WAYS[1]] / seconds,
            "of_decoder": seconds / medians["decoder alone"],
        }

    def _ways(self, num_clips: int, sampler: ClipSampler) -> dict[str, Callable[[], object]]:
        generator = np.random.default_rng(0)
        plain, prepared = (
            VisualReader(
                store,
                clip_sampler=sampler,
                max_frame_size=self._longer_side,
                resize="antialiased",
                augment=False,
            )
            for store in self._stores
        )
        ways: dict[str, Callable[[], object]] = {
            name: partial(
                read_clips_as_clipbert,
                self._data,
                start_fractions=_fractions(num_clips),
                num_frames_per_clip=_FRAMES_PER_CLIP,
                fps=_FPS,
                max_frame_size=self._longer_side,
                has_whole_file_pass=name == _CLIPBERT_WAYS[0],
            )
            for name in _CLIPBERT_WAYS
        }
        indices = self._indices(sampler)
        return {
            **ways,
            "decoder alone": lambda: self._decode_only(indices),
            "clipbug": lambda: plain.read(self._name, generator),
            "clipbug, prepared": lambda: prepared.read(self._name, generator),
        }

    def _indices(self, sampler: ClipSampler) -> list[int]:
        with self._stores[0].open(self._name) as decoder:
            return sampler(decoder, np.random.default_rng(0)).indices.ravel().tolist()

    def _check(self, num_clips: int, sampler: ClipSampler) -> None:
        """Raise DataError if ClipBERT reads other frames, or the prepared form is not as close as stated."""
        indices = self._indices(sampler)
        with (
            self._stores[0].open(self._name) as decoder,
            self._stores[1].open(self._name, longer_side=self._longer_side) as form,
        ):
            kept = form.frames_at(indices).data.astype(np.int16)
            small = decoder.frames_at(indices, size=kept.shape[1:3]).data
            full = decoder.frames_at(indices).data
        theirs = decode_clips_as_clipbert(
            self._data,
            start_fractions=_fractions(num_clips),
            num_frames_per_clip=_FRAMES_PER_CLIP,
            fps=_FPS,
            has_whole_file_pass=False,
        )
        if not np.array_equal(theirs.reshape(full.shape), full):
            raise DataError(f"{self._name}: clipbug and ClipBERT read different frames", "")
        if np.abs(kept - small).max() > self.about["max_difference"]:
            raise DataError(f"{self._name}: the prepared form differs by more than the manifest states", "")

    def _decode_only(self, indices: Sequence[int]) -> None:
        """Decode only the packets that the wanted frames depend on, and do nothing else."""
        entry = self._stores[0].entry(self._name)
        table = entry.packets
        assert table is not None, "it is a recording"
        shown = table.shown_indices()
        with PacketReader(self._data, media_id=self._name, table=table) as reader:
            for stretch in plan_stretches(table, {shown[index] for index in indices}):
                for index, packet in reader.packets(stretch.first, stretch.last):
                    if index != stretch.first and is_before_start(table, stretch, index):
                        continue
                    is_wanted = index in stretch.wanted or index == stretch.first
                    reader.context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
                    reader.context.decode(packet)
                reader.context.decode(None)
                reader.context.flush_buffers()


def _fractions(num_clips: int) -> list[float]:
    return [clip / num_clips for clip in range(num_clips)]


def _store(folder: Path, entry: MediaEntry, data: bytes, form: bytes | None = None) -> MediaStore:
    with StoreWriter(folder) as writer:
        writer.put_many([(entry, data)], forms={entry.media_id: form} if form else None)
    return MediaStore(folder)
