"""Tables as Excel, LibreOffice, Google Sheets and pandas write them: read as they are, or a row is named."""

from pathlib import Path

import pytest

from clipbug.data.annotations import detect_family, scan_annotations
from clipbug.data.records import QuestionRecord, Record
from clipbug.errors import DataError

ROWS = [
    ["video_id", "question", "answer"],
    ["a", "what, then; or|\twhy?", "red"],
    ["b", 'line\nbreak and "quotes"', "Äpfel"],
]


def written(separator: str, line_end: str = "\r\n") -> str:
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row] for row in ROWS]
    return "".join(separator.join(row) + line_end for row in quoted)


def said(records: list[Record]) -> list[tuple[str, str, str | None]]:
    assert all(isinstance(record, QuestionRecord) for record in records)
    return [(one.media_id, one.text, one.answer) for one in records if isinstance(one, QuestionRecord)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.txt", "rows", "rows.jsonl"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_and_encoding_whatever_the_ending(
    tmp_path: Path, separator: str, name: str, encoding: str
) -> None:
    path = tmp_path / name
    path.write_bytes(written(separator).encode(encoding))
    file = scan_annotations(path)
    assert file.problems == ()
    assert said(file.records) == [tuple(row) for row in ROWS[1:]]
    assert [record.source for record in file.records] == [f"{path}:2", f"{path}:3"]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;"])
def test_the_line_that_tells_excel_the_separator(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(f"\ufeff{line}\r\n{written(';')}b;q;x;y\r\n".encode())
    file = scan_annotations(path)
    assert said(file.records) == [tuple(row) for row in ROWS[1:]]
    assert file.records[0].source == f"{path}:3"
    assert file.problems[0].startswith(f"{path}:6: expected 3 cells as in the header, got 4")


def test_ends_of_lines_of_an_old_mac(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"video_id,question,answer\ra,q,red\rb,r,blue\r")
    assert said(scan_annotations(path).records) == [("a", "q", "red"), ("b", "r", "blue")]


def test_decimal_commas_stay_texts(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("video_id;question;answer\n3,0;q;2,5\n")
    assert said(scan_annotations(path).records) == [("3,0", "q", "2,5")]
    path.write_text("video_id,question,answer\n3,q,2,5\n")
    assert "expected 3 cells as in the header, got 4" in scan_annotations(path, family="video_qa").problems[0]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1251"])
def test_rows_in_another_encoding_are_named_and_the_others_are_read(tmp_path: Path, encoding: str) -> None:
    text = "video_id;question;answer\na;q;red\nb;q;{}\n".format("жук" if encoding == "cp1251" else "größer")
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode(encoding))
    file = scan_annotations(path)
    assert said(file.records) == [("a", "q", "red")]
    assert file.problems[0].startswith(f"{path}:3: invalid UTF-8 at byte ")
    assert "CSV UTF-8" in file.problems[0]


def test_a_column_twice(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    for header in ("video_id,question,answer,answer", "video_id,question,answer,video_id", "a1,a2,a1,answer"):
        path.write_text(f"{header}\na,b,c,d\n")
        with pytest.raises(DataError, match=r"rows\.csv:1: column '\w+' occurs more than once"):
            scan_annotations(path)


def test_columns_that_nothing_reads_may_be_called_alike(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(",video_id,question,note,note,\n0,a,q,one,two,\n")
    [(fields, _)] = scan_annotations(path).rows
    assert fields == {"": "0", "video_id": "a", "question": "q", "note": "one", "note (2)": "two"}


def test_cells_that_a_spreadsheet_adds_or_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("video_id,question,answer\na,q,red,,\nb,q\n,,\n")
    file = scan_annotations(path)
    assert said(file.records) == [("a", "q", "red"), ("b", "q", None)]
    assert file.problems == ()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"PK\x03\x04...", "a workbook"),
        (b"\xd0\xcf\x11\xe0...", "an old workbook"),
        (b"\x1f\x8b\x08...", "gzip"),
        (b"PAR1....", "Parquet"),
        ("video_id;question\na;q\n".encode("utf-16-le"), "without a byte order mark"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, data: bytes, expected: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(data)
    assert detect_family(path) is None
    with pytest.raises(DataError, match=rf"rows\.csv:1: the file is .*{expected}"):
        scan_annotations(path)


def test_json_may_be_called_csv(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('{"video_id": "a", "question": "q", "answer": "x"}\n')
    assert said(scan_annotations(path).records) == [("a", "q", "x")]


def test_json_lines_of_powershell(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = '{"video_id": "a", "question": "q", "answer": "é"}\r\n{"video_id": "b", "question":\r\n'
    path.write_bytes(rows.encode("utf-16"))
    file = scan_annotations(path)
    assert said(file.records) == [("a", "q", "é")]
    assert file.problems[0].startswith(f"{path}:2: invalid JSON")
    assert detect_family(path) == "video_qa"
    path.write_bytes(rows.encode("utf-16")[:-1])
    assert "damaged utf-16" in scan_annotations(path).problems[-1]


def test_labels_and_options_in_a_cell(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(
        'image_id,question,labels\n7,q,"{""yes"": 1, ""no"": 0.5}"\n8,q,"{""yes"": 1e999}"\n9,q,{yes}\n'
    )
    file = scan_annotations(path)
    assert [getattr(record, "labels", None) for record in file.records] == [{"yes": 1.0, "no": 0.5}]
    assert "1e999 is too large" in file.problems[0]
    assert "expected an object" in file.problems[1]
    path.write_text('video_id,question,options,answer\na,q,"[""x"", ""y""]",1\n')
    (record,) = scan_annotations(path).records
    assert record.texts == ("q x", "q y")


def test_a_quote_that_is_never_closed_is_named_where_its_row_begins(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('video_id,question,answer\na,q,x\nb,"q,y\nc,q,z\n')
    file = scan_annotations(path)
    assert len(file.records) == 1
    assert file.problems == (f"{path}:3: invalid CSV: unexpected end of data; the rest is not read",)
