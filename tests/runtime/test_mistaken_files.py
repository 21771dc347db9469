"""Files that are something else are named as what they are."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from clipbug.errors import DataError
from clipbug.runtime.mistaken_files import find_mistake, refuse_mistaken

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 98765\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Sign\n in</title></head><body>no</body></html>"


def tar(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        information = tarfile.TarInfo("weights.pth")
        information.size = len(content)
        archive.addfile(information, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty (0 bytes)"),
        (bytes(5000), "all zero bytes"),
        (POINTER, "a Git LFS pointer to a file of 98765 bytes"),
        (b"version https://hawser.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"/annex/objects/SHA256E-s5--ab.pth\n", "a git-annex pointer"),
        (PAGE, "a web page ('Sign in')"),
        (b"\xef\xbb\xbf<html lang='en'>" + b"x" * 9000, "a web page"),
        (b"<!-- saved --><HTML><body>404</body>", "a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML document: 'AccessDenied'"),
        (b'{"error": "Repository not found"}', "the error message of a server: 'Repository not found'"),
        (b'{"message": "Bad credentials", "status": "401"}', "the error message of a server: 'Bad cred"),
        (gzip.compress(b"x", mtime=0), "a gzip archive"),
        (tar(b"x"), "a tar archive"),
        (b"\x89HDF\r\n\x1a\n" + bytes(range(99)), "an HDF5 file"),
    ],
)
@pytest.mark.parametrize("is_text", [True, False])
def test_what_a_file_is(tmp_path: Path, content: bytes, what: str, is_text: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    mistake = find_mistake(path, is_text=is_text)
    assert mistake is not None
    assert what in mistake.what
    assert mistake.hint
    with pytest.raises(DataError, match="file is "):
        refuse_mistaken(path, is_text=is_text, error=DataError)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"hello there", "a text file that begins with 'hello there'"),
        ("żółć\n".encode() * 3000, "a text file"),
        ("hello".encode("utf-16"), "a text file that begins with 'hello'"),
        (b'{"hidden_size": 16}', "a JSON document"),
    ],
)
def test_text_is_a_mistake_where_none_is_expected(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    mistake = find_mistake(path, is_text=False)
    assert mistake is not None
    assert what in mistake.what
    refuse_mistaken(path)


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"error": 3, "yes": 0}).encode(),  # an answer vocabulary
        json.dumps({f"word {n}": n for n in range(20)} | {"message": "x"}).encode(),
        b"[PAD]\n[UNK]\n<s>\n",
        b"task: {name: video_qa}\n",
    ],
)
def test_files_of_text_that_are_right(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    refuse_mistaken(path)
    refuse_mistaken(tmp_path / "there is none")
