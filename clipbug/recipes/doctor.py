"""`clipbug doctor`: check whether clipbug can run on this machine, and suggest fixes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

from clipbug._version import __version__
from clipbug.checks.environment.machine import (
    check_device,
    check_disk,
    check_extras,
    check_memory,
    check_packages,
    check_python,
    check_threads,
)
from clipbug.checks.environment.result import Check, Finding, run_check
from clipbug.checks.environment.storage import check_decoders, check_lmdb, check_presets, check_storage


@dataclass(frozen=True, slots=True)
class DoctorResult:
    """All findings; later checks depend on earlier ones."""

    findings: tuple[Finding, ...]

    @property
    def is_usable(self) -> bool:
        """Return whether no finding is an error."""
        return all(finding.status != "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        rows: Sequence[Mapping[str, Any]] = [finding.to_json() for finding in self.findings]
        return {"version": __version__, "usable": self.is_usable, "findings": rows}


def examine(*, storage: Path) -> DoctorResult:
    """Check everything that clipbug needs. Never raises; a failing check becomes a finding.

    Args:
        storage: storage root; it is left unchanged.

    Returns:
        The findings of all checks.
    """
    # fmt: off
    checks: tuple[Check, ...] = (
        check_python, check_packages, check_device, check_threads, check_memory,
        _bind(check_disk, storage), check_decoders, _bind(check_lmdb, storage), check_presets,
        _bind(check_storage, storage), check_extras,
    )
    # fmt: on
    return DoctorResult(tuple(finding for check in checks for finding in run_check(check)))


def _bind(check: Any, storage: Path) -> Check:
    bound: Check = update_wrapper(partial(check, storage), check)
    return bound
