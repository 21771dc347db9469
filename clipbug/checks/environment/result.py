"""What `clipbug doctor` finds: one finding per thing that was looked at."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at.
        status: "error" where clipbug cannot be used, "warning" where it can but something will hurt.
        found: what there is.
        fix: what to do; empty where nothing is wrong.
    """

    check: str
    status: Status
    found: str
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        """As `doctor --json` prints it."""
        return asdict(self)


Check = Callable[[], Iterator[Finding]]


def run_check(check: Check) -> list[Finding]:
    """All findings of a check; one that breaks is a finding too, because a broken install raises anything."""
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except Exception as error:
        name = getattr(check, "__name__", "check").strip("_").replace("_", " ")
        found = f"{type(error).__name__}: {error}"
        findings.append(Finding(name, "error", found, "install again: pip install --force-reinstall clipbug"))
    return findings


def gigabytes(count: float) -> str:
    """A size for people."""
    return f"{count / 1e9:.1f} GB"
