"""Checks of annotation files: each quirk of the real files is found and named; a clean set has none."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbug.checks.dataset.findings import Finding
from clipbug.recipes import data_check
from clipbug.recipes.data_check import CheckResult, check_data
from tests.helpers.fake_media import FakeMedia, fake_image

VIDEO = {"video_id": "video1", "question": "what is tapped?", "answer": "save", "answer_type": "what"}
PICTURE = {"image_id": 1, "question": "What will be your tap", "question_id": 10, "labels": {"OK": 1}}
CHOICE = {"gif_name": "gif1", "question": "what first?", "options": ["tap", "type"], "answer": 1}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def found(report: CheckResult, check: str) -> Finding:
    (finding,) = [finding for finding in report.findings if finding.check == check]
    return finding


def checks_of(report: CheckResult) -> list[str]:
    return [finding.check for finding in report.findings]


def test_a_clean_data_set_has_no_findings(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", VIDEO, {**VIDEO, "question": "what then?", "answer": "menu"})
    test = write(tmp_path / "test.jsonl", {**VIDEO, "video_id": "video2"})
    report = check_data([train, test])
    assert report.findings == ()
    assert report.to_json()["errors"] == 0
    assert report.files[0] == {
        "file": str(train),
        "split": "train",
        "format": "video_qa",
        "rows": 2,
        "unreadable": 0,
        "media": 1,
        "texts": 2,
        "answers": 2,
        "types": {"what": 2},
        "most_frequent": {"save": 1, "menu": 1},
    }
    (scores,) = report.scores
    assert scores == {
        "format": "video_qa",
        "split": "test",
        "metric": "accuracy",
        "count": 1,
        "oracle": 1.0,
        "ceiling": 1.0,
        "oov_share": 0.0,
        "majority": 0.0,  # of "menu" and "save", equally frequent, the first in the alphabet is guessed
        "question_only": 1.0,
    }


def test_answer_types_are_normalized_and_named(tmp_path: Path) -> None:
    rows = [
        {**VIDEO, "question": f"what {n}?", "answer_type": kind}
        for n, kind in enumerate(["what", "What", "Where", "", "Where"])
    ]
    finding = found(check_data([write(tmp_path / "train.jsonl", *rows)]), "answer-type")
    assert finding.severity == "warning"
    assert set(finding.items) == {
        '"Where" -> where: 2 rows',
        '"What" -> what: 1 rows',
        '"" (blank) -> unknown: 1 rows',
    }


def test_quirks_of_rows(tmp_path: Path) -> None:
    rows = [
        {**PICTURE, "file_id": "1", "question_type": "what"},
        {**PICTURE, "file_id": 2, "labels": {"OK": 0.33, "Stop ": 0.33, "STOP": 0.33}},
        {**PICTURE, "question_id": 12, "image_id": 3, "labels": {"Log In": 0.5, "Login": 0.5}},
        {**PICTURE, "question_id": 12, "image_id": 3, "labels": {"log in": 0.5, "LOGIN": 0.5}},
        {**PICTURE, "question_id": 13, "image_id": 4, "labels": {}},
    ]
    report = check_data([write(tmp_path / "rico_train.jsonl", *rows)])
    assert found(report, "id-type").items == ("file_id: 1 numbers, 1 texts",)
    assert found(report, "two-ids").items == ("rico_train.jsonl:2: 1 and 2",)
    assert found(report, "unused-field").items == ("question_type",)
    assert found(report, "space").items == ("rico_train.jsonl:2",)
    assert found(report, "label-mass").items == ("0.99: 1 rows",)
    assert found(report, "question-id").items == ("10: 2 rows", "12: 2 rows")
    assert found(report, "duplicate-row").items == ("rico_train.jsonl:4 = rico_train.jsonl:3",)
    assert found(report, "contradiction").items == ("rico_train.jsonl:1 and rico_train.jsonl:2",)
    assert found(report, "no-answer").items == ("13",)
    merged, apart = sorted(
        (finding for finding in report.findings if finding.check == "answer-twin"),
        key=lambda finding: finding.severity,
    )
    assert (merged.severity, apart.severity) == ("info", "warning")
    assert "STOP = Stop" in merged.items
    assert apart.items == ("log in | login",)


def test_unreadable_rows_are_errors_and_the_others_are_still_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "train.jsonl", VIDEO, {"video_id": "video2"}, VIDEO)
    report = check_data([path])
    assert found(report, "unreadable-row").severity == "error"
    assert f"{path}:2: field 'question' is missing" in found(report, "unreadable-row").items[0]
    assert found(report, "duplicate-row").items == ("train.jsonl:3 = train.jsonl:1",)
    assert report.files[0]["unreadable"] == 1


def test_leaks_between_parts(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", VIDEO, {**VIDEO, "video_id": "video2"})
    val = write(tmp_path / "val.jsonl", {**VIDEO, "answer": " SAVE"})
    test = write(tmp_path / "test.jsonl", {**VIDEO, "question": "why?"}, {**VIDEO, "video_id": "video3"})
    report = check_data([train, val, test])
    leak = found(report, "leaked-row")
    assert (leak.severity, leak.items) == ("error", ("val.jsonl:1 = train.jsonl:1",))
    assert "1 of 1 val rows" in leak.message
    media = [finding for finding in report.findings if finding.check == "leaked-media"]
    assert [(finding.message, finding.items) for finding in media] == [
        ("1 media items of val are also in train", ("video1: 1 val rows",)),
        ("1 media items of test are also in train", ("video1: 1 test rows",)),
        ("1 media items of test are also in val", ("video1: 1 test rows",)),
    ]


def test_captions_of_siblings(tmp_path: Path) -> None:
    def caption(text: str, name: str) -> dict[str, Any]:
        return {"caption": text, "clip_name": name, "retrieval_key": "ret0"}

    train = write(tmp_path / "train.jsonl", caption("Pins too high", "app_issue_2650_video_1"))
    val = write(
        tmp_path / "val.jsonl",
        caption("pins  too high", "app_issue_2650_video_2"),
        caption("other words", "app_issue_2650_video_3"),
        caption("slow start", "k-9_issue_6620_video_1"),
        caption("slow start", "k-9_issue_6620_video_2"),
        caption("crash", "k-9_issue_26_video_2"),
    )
    report = check_data([train, val])
    assert found(report, "leaked-caption").items == ("val.jsonl:1 = train.jsonl:1",)
    assert found(report, "leaked-issue").items == (
        "val.jsonl:1 = train.jsonl:1",
        "val.jsonl:2 = train.jsonl:1",
    )
    shared = found(report, "shared-caption")
    assert shared.items == ("k-9_issue_6620_video_1, k-9_issue_6620_video_2",)
    assert "80.0 %" in shared.message  # three rows of five are sure, two are found every second time


def test_answers_out_of_reach(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", VIDEO)
    test = write(
        tmp_path / "test.jsonl",
        {**VIDEO, "video_id": "video7", "answer": "Save"},
        {**VIDEO, "video_id": "video8", "answer": "45"},
    )
    answers = tmp_path / "ans2label.json"
    answers.write_text('{"45": 0, "field": 1}')
    report = check_data([train, test], answers=answers)
    unseen = found(report, "unseen-answer")
    assert unseen.items == ("45",)
    assert "1 of 2 test rows" in unseen.message
    assert "the best reachable score is 50.0 %" in unseen.message
    assert found(report, "vocabulary-leak").items == ("45", "field")
    assert found(report, "vocabulary-gap").items == ("save",)
    assert report.scores[0]["ceiling"] == 0.5


def test_missing_renamed_and_unused_media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = FakeMedia({name: fake_image(size=(8, 8)) for name in ("video0", "video1", "video99")})
    monkeypatch.setattr(data_check, "open_stores", lambda paths: stored)
    aliases = tmp_path / "aliases.json"
    aliases.write_text('{"APOD-CC1": "video0"}')
    rows = [{**VIDEO, "video_id": name} for name in ("APOD-CC1", "video1", "95", "95")]
    path = write(tmp_path / "train.jsonl", *rows)
    report = check_data([path], media=[Path("store")], aliases=aliases)
    missing = found(report, "missing-media")
    assert (missing.severity, missing.items) == ("error", ("95: 2 rows",))
    assert found(report, "renamed-media").items == ("APOD-CC1 = video0",)
    assert found(report, "unused-media").items == ("video99",)
    assert report.findings[0] is missing  # the worst come first


def test_media_too_narrow_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"video0": (500, 100), "video1": (510, 100), "video2": (40, 400)}
    stored = FakeMedia({name: fake_image(size=size) for name, size in sizes.items()})
    monkeypatch.setattr(data_check, "open_stores", lambda paths: stored)
    path = write(tmp_path / "train.jsonl", *({**VIDEO, "video_id": name} for name in sizes))
    narrow = found(check_data([path], media=[Path("store")]), "narrow-media")
    assert narrow.severity == "warning"
    assert narrow.items == (
        "video1: 100 x 510 pixels: scaled to 448 pixels, 87 pixels of its width are left; cut it into parts",
        "video2: 400 x 40 pixels: scaled to 448 pixels, 44 pixels of its height are left; cut it into parts",
    )


def test_families_are_not_mixed(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "qa_train.jsonl", VIDEO),
        write(tmp_path / "qa_test.jsonl", {**VIDEO, "video_id": "video2"}),
        write(tmp_path / "vqa_train.jsonl", {**PICTURE, "labels": {"SAVE": 1}}),
        write(tmp_path / "vqa_test.jsonl", {**PICTURE, "image_id": "video1", "labels": {"Save": 1}}),
    ]
    report = check_data(files)
    twin = found(report, "answer-twin")
    assert twin.items == ("SAVE = Save",)
    assert [(one["format"], one["count"], one["ceiling"]) for one in report.scores] == [
        ("video_qa", 1, 1.0),
        ("vqa", 1, 1.0),
    ]


def test_multiple_choice(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", CHOICE, {**CHOICE, "options": ["tap", "Tap"], "answer": 0})
    test = write(tmp_path / "test.jsonl", {**CHOICE, "gif_name": "gif2"})
    report = check_data([train, test])
    assert found(report, "repeated-option").items == ("train.jsonl:2",)
    assert report.scores[0]["random"] == 0.5


def test_parts_may_be_named_by_options(tmp_path: Path) -> None:
    one, other = (write(tmp_path / name, VIDEO) for name in ("OB_1.jsonl", "OB_best.jsonl"))
    assert checks_of(check_data([one, other])) == ["no-split"]
    assert checks_of(check_data([], train=[one], test=[other])) == ["leaked-row", "leaked-media"]


def test_options_in_columns_are_said(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("gif_name;question;a1;a2;answer\ng;what?;tap;type;1\nh;what?;tap;type;0\n")
    finding = found(check_data([path]), "option-columns")
    assert finding.items == ("a1, a2: 2 rows",)
    errors = check_data([path], data_format="video_qa").to_json()
    assert errors["errors"] == 1
    assert "make this a multiple-choice row" in errors["findings"][0]["items"][0]


def test_what_a_spreadsheet_writes_where_a_formula_has_failed(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text("video_id,question,answer,note\nv,what?,#N/A,#REF!\n#REF!,what?,ok,\n")
    finding = found(check_data([path]), "spreadsheet-error")
    assert finding.items == ("train.csv:2: answer is #N/A", "train.csv:3: video_id is #REF!")


@pytest.mark.parametrize(("one", "other"), [(3, "3.0"), (3, 3.0), ("Caf\u00e9", "Cafe\u0301")])
def test_one_recording_in_two_forms_of_its_id_is_a_leak(tmp_path: Path, one: object, other: object) -> None:
    train = write(tmp_path / "train.jsonl", {**VIDEO, "video_id": one})
    test = write(tmp_path / "test.jsonl", {**VIDEO, "video_id": other})
    assert {"leaked-row", "leaked-media"} <= set(checks_of(check_data([train, test])))
    other_id = write(tmp_path / "val.jsonl", {**VIDEO, "video_id": "003"})
    assert "leaked-media" not in checks_of(check_data([train, other_id]))
