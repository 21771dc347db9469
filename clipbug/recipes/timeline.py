"""`clipbug timeline`: what recordings, GIFs and screenshots show, and what the user did in them."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from clipbug.data.ingest.find_files import find_media_files
from clipbug.data.store.in_memory import LooseMedia, loose_media
from clipbug.errors import ClipbugError, DecodeError
from clipbug.inference.decoded_frames import DecodedFrames
from clipbug.perception.ocr import RapidOcr
from clipbug.perception.reader import read_timeline
from clipbug.perception.timeline import Timeline
from clipbug.report.timeline_markdown import steps_markdown
from clipbug.report.timeline_page import render_timelines
from clipbug.report.timeline_pictures import pictures_of, write_pictures
from clipbug.runtime.contained import ContainedPool, Lost
from clipbug.runtime.files import atomic_write
from clipbug.runtime.progress import ProgressBar
from clipbug.workspace.timeline_cache import TimelineCache

Format = Literal["table", "json", "markdown", "html"]

_SECONDS_PER_FILE = 3600.0
_TRY_AGAIN = "Try it alone with --workers 1; if it happens again, report it with the file."


@dataclass(frozen=True, slots=True)
class TimelineReport:
    """The timelines of all files that could be read.

    Attributes:
        timelines: in the order of the files.
        bad: files that could not be read, each with its reason.
        written: files that --output has made.
        text: the whole document of a format that is printed as it is; empty otherwise.
    """

    timelines: tuple[Timeline, ...]
    bad: tuple[Mapping[str, str], ...]
    written: tuple[Path, ...] = ()
    text: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        row: dict[str, Any] = {
            "timelines": [timeline.to_json() for timeline in self.timelines],
            "bad": list(self.bad),
        }
        return {**row, "written": list(map(str, self.written))} if self.written else row


def make_timelines(
    paths: Sequence[Path],
    *,
    storage: Path,
    format: Format = "table",
    output: Path | None = None,
    num_workers: int | None = None,
    use_cache: bool = True,
) -> TimelineReport:
    """Read files, and write or return the timelines in a format.

    Args:
        paths: recordings, GIFs, images, and folders of these.
        storage: storage root, where timelines are kept.
        format: what to write or print.
        output: file, or for Markdown with pictures a folder; None to print.
        num_workers: processes; default: one per core, and no more than files.
        use_cache: take timelines that were made before, and keep new ones.

    Returns:
        The timelines, the text to print, the files written, and the files that could not be read.

    Raises:
        ClipbugError: no file can be read, or the output cannot be written.
        DecodeError: the only file cannot be decoded.
    """
    files = list(_files(paths))
    cache = TimelineCache(storage) if use_cache else None
    results = list(_read_all(files, cache, num_workers))
    timelines = tuple(result for result in results if isinstance(result, Timeline))
    bad = tuple(result for result in results if isinstance(result, BadFile))
    if bad and not timelines:
        raise DecodeError(bad[0].message, bad[0].hint)
    report = TimelineReport(timelines, tuple(asdict(result) for result in bad))
    text = _document(report, format)
    if output is None:
        return TimelineReport(report.timelines, report.bad, text=text)
    return TimelineReport(report.timelines, report.bad, tuple(_write(report, format, text, output)))


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that could not be read, and why."""

    file: str
    message: str
    hint: str


@dataclass
class FileReader:
    """Reads one file after the other with the same models; can be sent to another process.

    Attributes:
        cache: where timelines are kept, if they are.
    """

    cache: TimelineCache | None
    engine: RapidOcr = field(default_factory=RapidOcr)

    def __call__(self, path: Path) -> Timeline | BadFile:
        """Return the timeline of a file, or why there is none."""
        try:
            media = loose_media(path)
            return self.read(media, file=str(path))
        except ClipbugError as error:
            return BadFile(str(path), error.message, error.hint)

    def read(self, media: LooseMedia, *, file: str) -> Timeline:
        """Return the timeline of a file in memory.

        Raises:
            DecodeError: it cannot be decoded.
        """
        media_id = Path(media.name).stem
        sha256 = hashlib.sha256(media.read(media.name)).hexdigest()
        known = self.cache.get(sha256) if self.cache else None
        if known is not None:
            return known.model_copy(update={"media_id": media_id, "file": file})
        media.look_closely()
        with media.open(media.name) as decoder:
            timeline = read_timeline(DecodedFrames(decoder), media_id=media_id, file=file, engine=self.engine)
        if self.cache:
            self.cache.put(sha256, timeline)
        return timeline


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files, folders resolved; one that is missing is found out when it is read."""
    for path in paths:
        if path.is_dir():
            yield from find_media_files([path], extensions=(), file_type="auto").files
        else:
            yield path


def _read_all(
    files: Sequence[Path], cache: TimelineCache | None, num_workers: int | None
) -> Iterator[Timeline | BadFile]:
    reader = FileReader(cache)
    workers = min(num_workers or os.cpu_count() or 1, len(files))
    with ProgressBar("reading", len(files), unit="files") as progress:
        if workers <= 1:
            for path in files:
                yield reader(path)
                progress.update()
            return
        pool = ContainedPool[Path, Timeline | BadFile](
            reader, num_workers=workers, seconds_per_item=_SECONDS_PER_FILE
        )
        for path, result in zip(files, pool.map(files), strict=True):
            if isinstance(result, Lost):
                yield BadFile(str(path), f"{path}: reading it {result.reason}", _TRY_AGAIN)
            else:
                yield result
            progress.update()


def _document(report: TimelineReport, format: Format) -> str:
    if format == "json":
        return json.dumps(report.to_json(), ensure_ascii=False, indent=2)
    if format == "markdown":
        return steps_markdown(report.timelines)
    if format == "html":
        return render_timelines([(timeline, pictures_of(timeline)) for timeline in report.timelines])
    return ""


def _write(report: TimelineReport, format: Format, text: str, output: Path) -> Iterator[Path]:
    """Write the document, and for Markdown into a folder also the pictures of the steps."""
    if format == "table":
        raise ClipbugError(
            "a table is printed, not written", "Choose a --format for --output: json, markdown or html."
        )
    is_folder = format == "markdown" and (output.is_dir() or not output.suffix)
    if not is_folder:
        atomic_write(output, text)
        yield output
        return
    pictures = {}
    for number, timeline in enumerate(report.timelines):
        pictures[number] = write_pictures(timeline, output, prefix=f"{number + 1}-{timeline.media_id}")
    document = output / "steps.md"
    atomic_write(document, steps_markdown(report.timelines, pictures))
    yield document
    for names in pictures.values():
        yield from (output / name for name in names.values())
