"""`clipbug data convert --videos`: join recordings with the GitHub issues that they were attached to."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.annotations.github_issues import Issue, issues_in
from clipbug.data.annotations.issue_names import issue_of_name
from clipbug.data.ingest.find_files import find_media_files
from clipbug.data.store.lmdb_environment import DATA_FILE, is_lmdb_file
from clipbug.data.store.store import open_stores
from clipbug.errors import DataError
from clipbug.recipes.data_convert import ConversionResult, refuse_existing, write_rows
from clipbug.runtime.json_reading import JsonError, decode_text, has_surrogate, problem_of_text


@dataclass(frozen=True, slots=True)
class _Video:
    """The name of a recording, and of its folder, which may be the owner of the repository."""

    name: str
    folder: str


def convert_issues(sources: Sequence[Path], *, videos: Sequence[Path], output: Path) -> ConversionResult:
    """Write a caption row, the title of the issue, for every recording that belongs to exactly one issue.

    A recording belongs to the issue in its name (`<repo>_issue_7_video_1` or `<owner>_<repo>_issue_7_...`),
    or else to the issue whose text links to a file of that name, as attachments have random names.

    Args:
        sources: JSON files of issues, or folders of them.
        videos: folders of recordings, stores, or text files with one name per line.
        output: a new file.

    Returns:
        The number of rows, and the recordings that belong to no issue or to several.

    Raises:
        DataError: there are no issues or recordings, no recording belongs to an issue, or the output exists.
    """
    refuse_existing(output)
    issues, bad = _read_issues(sources)
    recordings = sorted({video.name: video for video in _videos(videos)}.values(), key=lambda v: v.name)
    rows, used, kinds = list[dict[str, Any]](), set[str](), Counter[str]()
    for video in recordings:
        matches = _issues_of(video, issues)
        if has_surrogate(video.name):
            bad.append(f"{video.name!a}: its name is not valid UTF-8; rename the file")
        elif len(matches) == 1:
            rows.append(_row(video, matches[0]))
            used.add(matches[0].key)
            kinds[rows[-1]["kind"]] += 1
        else:
            bad.append(f"{video.name}: {_reason(video, matches)}")
    write_rows(output, rows)
    counts = {"issues": len(issues), "issues_without_video": len(issues) - len(used), **kinds}
    return ConversionResult(str(output), len(rows), tuple(bad), counts)


def _read_issues(sources: Sequence[Path]) -> tuple[list[Issue], list[str]]:
    listed = (sorted(source.rglob("*.json")) if source.is_dir() else [source] for source in sources)
    files = [file for folder in listed for file in folder]
    found = [issue for file in files for issue in issues_in(file)]
    issues = {issue.key: issue for issue in found if isinstance(issue, Issue)}
    if not issues:
        raise DataError(
            f"no issues in {', '.join(map(str, sources))}",
            "give JSON files in the format of https://api.github.com/repos/OWNER/REPO/issues/N",
        )
    return list(issues.values()), [problem for problem in found if isinstance(problem, str)]


def _videos(paths: Sequence[Path]) -> Iterator[_Video]:
    for path in paths:
        if (path / DATA_FILE).is_file() or is_lmdb_file(path):
            yield from (_Video(media_id, "") for media_id in open_stores([path]).ids())
        elif path.suffix == ".txt":
            lines = _text_of(path).splitlines()
            yield from (_video(Path(line.strip())) for line in lines if line.strip())
        else:
            found = find_media_files([path], extensions=(), file_type="video")
            yield from map(_video, found.files)


def _text_of(path: Path) -> str:
    try:
        text = decode_text(path.read_bytes())
        problem = problem_of_text(text)
    except (OSError, JsonError) as error:
        problem = str(error)
    if problem:
        raise DataError(f"{path} cannot be read: {problem}", "give a text file with one recording per line")
    return text


def _video(path: Path) -> _Video:
    return _Video(path.stem, path.parent.name)


def _issues_of(video: _Video, issues: Iterable[Issue]) -> list[Issue]:
    named = issue_of_name(video.name)
    if named is None:
        return [issue for issue in issues if video.name in issue.attachments]
    found = [issue for issue in issues if issue.number == named.number and issue.is_named(named.prefix)]
    of_owner = [issue for issue in found if (issue.owner or "").lower() == video.folder.lower()]
    return of_owner if len(found) > 1 and len(of_owner) == 1 else found


def _reason(video: _Video, matches: Sequence[Issue]) -> str:
    if matches:
        return f"ambiguous, may belong to {' or '.join(issue.key for issue in matches)}"
    if issue_of_name(video.name) is None:
        return "its name contains no issue, and no issue links to a file of this name"
    return "the issue in its name is not in the files"


def _row(video: _Video, issue: Issue) -> dict[str, Any]:
    optional = {"state": issue.state, "created_at": issue.created_at}
    return {
        "caption": issue.title,
        "clip_name": video.name,
        "app": issue.full_repository,
        "issue": issue.key,
        "kind": "pull_request" if issue.is_pull_request else "issue",
        "issue_labels": list(issue.labels),
        **{name: value for name, value in optional.items() if value is not None},
    }
