"""Names of recordings that say which issue of a repository they belong to."""

import re
from dataclasses import dataclass

# "k-9_issue_6620_video_2", "owner_repo_issue_12", "repo_issue_12.mp4"
_NAME = re.compile(r"(?P<prefix>.+)_issue_(?P<number>[0-9]+)(?=$|[_.])")


@dataclass(frozen=True, slots=True)
class IssueName:
    """An issue as names of files give it.

    Attributes:
        prefix: "<repo>" or "<owner>_<repo>"; only a list of repositories could tell which.
        number: of the issue.
    """

    prefix: str
    number: int


def issue_of_name(name: str) -> IssueName | None:
    """The issue in a name, or None."""
    match = _NAME.match(name)
    return IssueName(match["prefix"], int(match["number"])) if match else None
