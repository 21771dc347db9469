import errno
import os
import tempfile
from pathlib import Path

import pytest

from clipbug.errors import ClipbugError
from clipbug.runtime.files import (
    WriteError,
    atomic_folder,
    atomic_write,
    can_write,
    follow_link,
    remove_folder,
    remove_temporaries,
    replace_link,
    safe_name,
    special_file,
)


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("login bug.mp4", "login bug.mp4"),
        ("日本-über.mp4", "日本-über.mp4"),
        ('a:b?c*d"e<f>g|h/i\\j.mp4', "a_b_c_d_e_f_g_h_i_j.mp4"),
        ("line\nbreak\x00.mp4", "line_break_.mp4"),
        ("dots...", "dots"),
        ("space ", "space"),
        ("..", "_"),
        ("", "_"),
        ("CON", "_CON"),
        ("nul.mp4", "_nul.mp4"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        ("LPT¹", "_LPT¹"),
        ("console.mp4", "console.mp4"),
        ("half \ud83d.mp4", "half _.mp4"),
        ("日" * 200 + ".mp4", "日" * 73 + ".mp4"),
    ],
)
def test_safe_names(name: str, expected: str) -> None:
    assert safe_name(name) == expected
    assert len(os.fsencode(safe_name(name))) <= 255


def test_a_name_of_the_greatest_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("日" * 85)  # 255 bytes
    atomic_write(path, "x")
    assert path.read_text() == "x"
    assert len(_names(tmp_path)) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_what_is_no_file_is_named_and_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "file").touch()
    assert special_file(tmp_path / "link") == special_file(tmp_path / "pipe") == "a named pipe"
    assert special_file(Path(os.devnull)) == "a device"
    assert [special_file(path) for path in (tmp_path, tmp_path / "file", tmp_path / "none")] == [None] * 3
    with pytest.raises(WriteError, match="it is not a regular file"):
        atomic_write(tmp_path / "pipe", "x")
    assert (tmp_path / "pipe").is_fifo()


def test_links_where_the_system_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    for step in ("step-000001", "step-000002"):
        (tmp_path / step).mkdir()
        replace_link(tmp_path / "last", step)
        assert follow_link(tmp_path / "last") == tmp_path / step
    assert follow_link(tmp_path / "best") is None


def test_folders_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_write(tmp_path / "new" / "folder")
    assert _names(tmp_path) == []
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda dir: _full_disk())
    assert not can_write(tmp_path)
