"""Configs written into the folder the test runs in."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import recipes

__all__ = ["recipes"]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a config into the folder the test runs in."""
    monkeypatch.chdir(tmp_path)

    def write_config(text: str, name: str = "my.yaml") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write_config
