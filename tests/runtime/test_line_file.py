import os
from pathlib import Path

import pytest

from clipbug.errors import ClipbugError
from clipbug.runtime.line_file import LineFile, complete_lines


def lines_of(path: Path) -> list[str]:
    return [line.decode() for _, line in complete_lines(path)]


def test_lines_are_appended_over_several_openings(tmp_path: Path) -> None:
    path = tmp_path / "parts" / "a.jsonl"
    for lines in (["one", "zwei ä"], [], ["three"]):
        with LineFile(path) as file:
            file.append(lines)
    assert lines_of(path) == ["one", "zwei ä", "three"]
    places = [place for place, _ in complete_lines(path)]
    assert [place.read().decode() for place in places] == ["one", "zwei ä", "three"]


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_line_that_a_killed_process_left_half_written_goes(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n" + b"second\n"[:-cut])
    assert lines_of(path) == ["one"]
    with LineFile(path) as file:
        file.append(["third"])
    assert path.read_bytes() == b"one\nthird\n"


def test_what_was_appended_is_there_without_closing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with LineFile(path) as file:
        file.append(["one"])
        assert path.read_bytes() == b"one\n"


def test_short_writes_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with LineFile(tmp_path / "a.jsonl") as file:
        monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
        file.append(["a long line", "another"])
    assert lines_of(tmp_path / "a.jsonl") == ["a long line", "another"]


def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with LineFile(tmp_path / "a.jsonl") as file:
        monkeypatch.setattr(os, "write", fail)
        with pytest.raises(ClipbugError, match="No space left") as caught:
            file.append(["one"])
    assert "goes on" in caught.value.hint


def test_two_writers_are_refused(tmp_path: Path) -> None:
    with LineFile(tmp_path / "a.jsonl") as file:
        file.append(["one"])
        with pytest.raises(ClipbugError, match="another process is writing"):
            LineFile(tmp_path / "a.jsonl")
    with LineFile(tmp_path / "a.jsonl") as file:
        file.append(["two"])
    assert lines_of(tmp_path / "a.jsonl") == ["one", "two"]
