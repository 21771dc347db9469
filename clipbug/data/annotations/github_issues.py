"""Read issues in the format of GitHub's REST API, without personal data."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clipbug.data.annotations.issue_names import issue_of_name
from clipbug.errors import DataError
from clipbug.runtime.json_reading import JsonError, decode_text, parse_whole, problem_of

_REPOSITORY = re.compile(r"https://(?:api\.)?github\.com/(?:repos/)?([^/\s]+)/([^/\s]+)(?:$|/)")
_LINK = re.compile(r"https?://[^\s)>\]\"']+")
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_MENTION = re.compile(r"(?<![\w/`@])@[A-Za-z0-9][A-Za-z0-9-]{0,38}\b")


@dataclass(frozen=True, slots=True)
class Issue:
    """The fields that are kept of an issue or pull request.

    Attributes:
        owner: None if only a file name identifies the repository.
        title: With email addresses and account names replaced.
        attachments: Names, without extension, of the files that the text links to.
    """

    owner: str | None
    repository: str
    number: int
    title: str
    is_pull_request: bool
    state: str | None
    labels: tuple[str, ...]
    created_at: str | None
    attachments: frozenset[str]

    @property
    def full_repository(self) -> str:
        """Return "owner/repository", or the repository alone if the owner is unknown."""
        return self.repository if self.owner is None else f"{self.owner}/{self.repository}"

    @property
    def key(self) -> str:
        """Return the issue's reference, such as "owner/repository#7"."""
        return f"{self.full_repository}#{self.number}"

    def is_named(self, prefix: str) -> bool:
        """Return whether a file name prefix denotes the issue's repository, in either common style."""
        styles = {self.repository.lower(), f"{self.owner}_{self.repository}".lower()}
        return prefix.lower() in styles


def issues_in(path: Path) -> Iterator[Issue | str]:
    """Read every issue of a JSON file (one object or a list).

    Yields:
        An issue, or a message about what is wrong with it.

    Raises:
        DataError: The file cannot be opened.
    """
    try:
        content = parse_whole(decode_text(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", "give JSON files of issues") from error
    except JsonError as error:
        yield f"{path}: {error}"
        return
    for number, value in enumerate(content if isinstance(content, list) else [content]):
        where = f"{path}[{number}]" if isinstance(content, list) else str(path)
        problem = problem_of(value)
        yield f"{where}: {problem}" if problem else _issue(value, path, where)


def without_people(text: str) -> str:
    """Replace email addresses and mentioned accounts, and collapse whitespace."""
    return " ".join(_MENTION.sub("<user>", _EMAIL.sub("<email>", text)).split())


def _issue(value: Any, path: Path, where: str) -> Issue | str:
    if not isinstance(value, Mapping):
        return f"{where}: expected a JSON object, got {type(value).__name__}"
    title, number = value.get("title"), value.get("number")
    if not isinstance(title, str) or not title.strip() or type(number) is not int:
        return f"{where}: not an issue: it needs a `title` and a `number`"
    owner, repository = _repository(value, path)
    if repository is None:
        return f"{where}: unknown repository: neither a URL field nor the file name identifies it"
    text = _text(value.get("body")) or ""
    labels = value.get("labels") or ()
    names = (label.get("name") if isinstance(label, Mapping) else label for label in labels)
    return Issue(
        owner=owner,
        repository=repository,
        number=number,
        title=without_people(title),
        is_pull_request="pull_request" in value,
        state=_text(value.get("state")),
        labels=tuple(name for name in names if isinstance(name, str)),
        created_at=_text(value.get("created_at")),
        attachments=frozenset(PurePosixPath(link.split("?")[0]).stem for link in _LINK.findall(text)),
    )


def _repository(value: Mapping[str, Any], path: Path) -> tuple[str | None, str | None]:
    for name in ("repository_url", "url", "html_url"):
        match = _REPOSITORY.match(value.get(name) or "")
        if match:
            return match[1], match[2]
    named = issue_of_name(path.stem)
    return None, named.prefix if named else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
