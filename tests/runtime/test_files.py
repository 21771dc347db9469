import errno
import os
from pathlib import Path

import pytest

from clipbug.errors import ClipbugError
from clipbug.runtime.files import atomic_folder, atomic_write, remove_folder, remove_temporaries, replace_link


def _full_disk(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _fail_inside(path: Path, error: Exception) -> None:
    with atomic_folder(path) as folder:
        (folder / "new").write_text("new")
        raise error


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.json"
    atomic_write(path, "é")
    assert path.read_bytes() == "é".encode()
    atomic_write(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert _names(path.parent) == ["b.json"]


def test_write_on_full_disk_names_the_file_and_keeps_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scores.json"
    atomic_write(path, "old")
    monkeypatch.setattr(os, "fsync", _full_disk)
    with pytest.raises(ClipbugError, match="No space left on device") as caught:
        atomic_write(path, "new")
    assert str(path) in caught.value.message
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["scores.json"]


def test_write_where_a_folder_should_be_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ClipbugError, match=r"run/config\.yaml"):
        atomic_write(tmp_path / "run" / "config.yaml", "x")


def test_folder_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "step-000001"
    with atomic_folder(path) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text("x")
        assert not path.exists()
    assert (path / "inner" / "file").read_text() == "x"
    assert _names(tmp_path) == ["step-000001"]


def test_folder_replaces_an_older_one_completely(tmp_path: Path) -> None:
    path = tmp_path / "step-000001"
    for name in ("old", "new"):
        with atomic_folder(path) as folder:
            (folder / name).write_text(name)
    assert _names(path) == ["new"]
    assert _names(tmp_path) == ["step-000001"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), ValueError("ours")])
def test_folder_that_fails_leaves_the_older_one(tmp_path: Path, error: Exception) -> None:
    path = tmp_path / "step-000001"
    with atomic_folder(path) as folder:
        (folder / "old").write_text("old")
    expected = ClipbugError if isinstance(error, OSError) else ValueError
    with pytest.raises(expected):
        _fail_inside(path, error)
    assert _names(path) == ["old"]
    assert _names(tmp_path) == ["step-000001"]


def test_folder_that_cannot_be_renamed_brings_the_older_one_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "step-000001"
    with atomic_folder(path) as folder:
        (folder / "old").write_text("old")
    rename = Path.rename

    def refuse_new(self: Path, target: Path) -> Path:
        if (self / "new").exists():
            _full_disk()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(ClipbugError, match="step-000001"), atomic_folder(path) as folder:
        (folder / "new").write_text("new")
    assert _names(path) == ["old"]


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".step-000002.0a0a0a0a.tmp").mkdir()
    (tmp_path / ".step-000002.0a0a0a0a.tmp" / "model.safetensors").write_text("half")
    (tmp_path / "step-000001").mkdir()
    remove_temporaries(tmp_path)
    assert _names(tmp_path) == ["step-000001"]


def test_link_is_replaced(tmp_path: Path) -> None:
    for name in ("step-000001", "step-000002"):
        (tmp_path / name).mkdir()
        replace_link(tmp_path / "last", name)
    assert (tmp_path / "last").readlink() == Path("step-000002")
    assert _names(tmp_path) == ["last", "step-000001", "step-000002"]


def test_folder_is_removed_with_its_contents(tmp_path: Path) -> None:
    (tmp_path / "old" / "inner").mkdir(parents=True)
    remove_folder(tmp_path / "old")
    assert _names(tmp_path) == []
    with pytest.raises(ClipbugError, match="old"):
        remove_folder(tmp_path / "old")
