"""Parse names of recordings that contain a repository and an issue number."""

import re
from dataclasses import dataclass

# "k-9_issue_6620_video_2", "owner_repo_issue_12", "repo_issue_12.mp4"
_NAME = re.compile(r"(?P<prefix>.+)_issue_(?P<number>[0-9]+)(?=$|[_.])")


@dataclass(frozen=True, slots=True)
class IssueName:
    """The issue that a file name refers to.

    Attributes:
        prefix: "<repo>" or "<owner>_<repo>"; only a list of repositories can tell which.
        number: Issue number.
    """

    prefix: str
    number: int


def issue_of_name(name: str) -> IssueName | None:
    """Return the issue in a file name, or None."""
    match = _NAME.match(name)
    return IssueName(match["prefix"], int(match["number"])) if match else None
