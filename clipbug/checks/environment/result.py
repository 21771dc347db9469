"""Findings of `clipbug doctor`."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was checked.
        status: "error" if clipbug cannot run, "warning" if it can run with a limitation.
        found: what was found.
        fix: how to fix it; empty if there is nothing to fix.
    """

    check: str
    status: Status
    found: str
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the object that `doctor --json` prints."""
        return asdict(self)


Check = Callable[[], Iterator[Finding]]


def run_check(check: Check) -> list[Finding]:
    """Return the findings of a check; an exception of any kind, as of a broken install, is a finding too."""
    findings: list[Finding] = []
    try:
        findings.extend(check())
    except Exception as error:
        name = getattr(check, "__name__", "check").strip("_").replace("_", " ")
        found = f"{type(error).__name__}: {error}"
        findings.append(Finding(name, "error", found, "reinstall: pip install --force-reinstall clipbug"))
    return findings


def gigabytes(count: float) -> str:
    """Return a size in GB as text."""
    return f"{count / 1e9:.1f} GB"
