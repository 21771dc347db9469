"""Tables and issues to JSON lines: nothing is lost without being named, and nobody is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbug.data.annotations import read_annotations
from clipbug.errors import DataError
from clipbug.recipes.data_convert import convert_annotations
from clipbug.recipes.data_convert_issues import convert_issues
from clipbug.recipes.data_split import split_annotations

QUESTIONS = """video_id,question,answer,answer_type
video3,"where do you find the ""settings"" item?","click on the ""settings"" button",Where
video6,how do you add a podcast?,"lick on it, then chagning it",how
video9,what is this video about?,wrong output,
video9,what is clicked?,,what
"""
UUID = "3b9f0c1e-0d7e-4e0a-9c57-6f5f8a1e2b3c"
LINK = f"https://github.com/user-attachments/assets/{UUID}"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def issue(owner: str, repository: str, number: int, title: str = "It crashes", **more: Any) -> dict[str, Any]:
    return {
        "repository_url": f"https://api.github.com/repos/{owner}/{repository}",
        "number": number,
        "title": title,
        "user": {"login": "someone", "avatar_url": "https://avatars/u/1"},
        "labels": [{"name": "bug", "color": "red"}],
        "state": "open",
        "created_at": "2021-01-01T00:00:00Z",
        "body": "",
        **more,
    }


def write_issues(folder: Path, **issues: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, value in issues.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def write_videos(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def test_a_table_of_questions(tmp_path: Path) -> None:
    (tmp_path / "questions.csv").write_text(QUESTIONS)
    output = tmp_path / "questions.jsonl"
    report = convert_annotations([tmp_path / "questions.csv"], output=output)
    assert report.bad == ()
    assert report.changed == {"answer_types_normalized": 1, "answers_shortened": 0}
    rows = lines(output)
    assert rows[0] == {
        "video_id": "video3",
        "question_id": "video3#1",
        "question": 'where do you find the "settings" item?',
        "answer": 'click on the "settings" button',
        "answer_type": "where",
    }
    assert rows[1]["answer"] == "lick on it, then chagning it"  # as the table has it
    assert "answer_type" not in rows[2]
    assert "answer" not in rows[3]
    again = [record.record_id for record in read_annotations(output)]
    assert again == [record.record_id for record in read_annotations(tmp_path / "questions.csv")]


def test_short_answers_keep_the_whole_one(tmp_path: Path) -> None:
    (tmp_path / "questions.csv").write_text(QUESTIONS)
    convert_annotations([tmp_path / "questions.csv"], output=tmp_path / "q.jsonl", form="short")
    row = lines(tmp_path / "q.jsonl")[0]
    assert row["answer"] == "click settings button"
    assert row["full_answer"] == 'click on the "settings" button'


@pytest.mark.parametrize(
    "rows",
    [
        [{"image_id": 3, "question": "how many?", "ground_truth": ["12", "twelve"]}],
        [{"image_id": 3, "question": "tap?", "question_id": 30, "labels": {"OK": 0.5, "Close": 0.5}}],
        [{"gif_name": "g", "question": "what?", "options": ["a", "b"], "answer": 1}],
        [{"qid": 1, "clip_name": "v", "options": ["a", "b"], "answer": 0}],
        [{"clip_name": "v", "caption": "it crashes", "app": "todo"}],
    ],
)
def test_what_is_written_reads_as_what_was_read(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    source, output = tmp_path / "source.json", tmp_path / "rows.jsonl"
    source.write_text(json.dumps(rows))
    convert_annotations([source], output=output)
    before, after = (
        [str(record).replace(record.source, "") for record in read_annotations(path)]
        for path in (source, output)
    )
    assert before == after


def test_bad_rows_are_named_and_files_are_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("video_id,question\nvideo1,what?\n,why?\n")
    report = convert_annotations([tmp_path / "q.csv"], output=tmp_path / "q.jsonl")
    assert len(lines(tmp_path / "q.jsonl")) == 1
    assert report.bad[0].startswith(f"{tmp_path}/q.csv:3: field 'video_id'")
    with pytest.raises(DataError, match="exists"):
        convert_annotations([tmp_path / "q.csv"], output=tmp_path / "q.jsonl")


def test_recordings_join_the_issue_that_their_whole_name_says(tmp_path: Path) -> None:
    issues = write_issues(
        tmp_path / "json",
        KISS_issue_54=issue("Neamar", "KISS", 54, "small number"),
        KISS_issue_546=issue("Neamar", "KISS", 546, "large number"),
        AntennaPod_AntennaPod_issue_3513=issue("AntennaPod", "AntennaPod", 3513, "podcast"),
        owner_app_issue_7=issue("owner", "app", 7, "of owner"),
        other_app_issue_7=issue("other", "app", 7, "of other", pull_request={"url": "..."}),
        random=issue("x", "y", 1, "attached", body=f"see {LINK} !"),
    )
    videos = write_videos(
        tmp_path / "videos",
        "Neamar/KISS_issue_546_video_1",
        "Neamar/KISS_issue_546_video_2",
        "AntennaPod/AntennaPod_AntennaPod_issue_3513_video_1",
        "owner/app_issue_7_video_1",
        "mixed/other_app_issue_7_video_2",
        "mixed/app_issue_7_video_3",
        f"mixed/{UUID}",
        "mixed/KISS_issue_5_video_1",
        "mixed/holiday",
    )
    output = tmp_path / "captions.jsonl"
    report = convert_issues([issues], videos=[videos], output=output)
    assert {row["clip_name"]: row["caption"] for row in lines(output)} == {
        "KISS_issue_546_video_1": "large number",
        "KISS_issue_546_video_2": "large number",
        "AntennaPod_AntennaPod_issue_3513_video_1": "podcast",
        "app_issue_7_video_1": "of owner",
        "other_app_issue_7_video_2": "of other",
        UUID: "attached",
    }
    assert report.bad == (
        "KISS_issue_5_video_1: the issue in its name is not in the files",
        "app_issue_7_video_3: ambiguous, may belong to other/app#7 or owner/app#7",
        "holiday: its name contains no issue, and no issue links to a file of this name",
    )
    assert report.changed == {"issues": 6, "issues_without_video": 1, "issue": 5, "pull_request": 1}
    assert [row["clip_name"] for row in lines(output)] == sorted(row["clip_name"] for row in lines(output))


def test_people_are_left_out(tmp_path: Path) -> None:
    title = "  Crash, says @jane-doe  (jane@mail.example.org) at 12@3"
    issues = write_issues(tmp_path / "json", a=issue("o", "r", 1, title, body="my phone is 555"))
    videos = tmp_path / "names.txt"
    videos.write_text("r_issue_1_video_1.mp4\n")
    output = tmp_path / "captions.jsonl"
    convert_issues([issues], videos=[videos], output=output)
    text = output.read_text()
    assert lines(output)[0]["caption"] == "Crash, says <user> (<email>) at 12@3"
    assert not any(word in text for word in ("jane", "someone", "avatar", "555"))
    assert lines(output)[0]["issue"] == "o/r#1"
    assert lines(output)[0]["issue_labels"] == ["bug"]


def test_files_that_are_no_issues_are_named(tmp_path: Path) -> None:
    folder = write_issues(tmp_path / "json", a=issue("o", "r", 1), b={"title": "x"})
    (folder / "c.json").write_text("{")
    videos = write_videos(tmp_path / "videos", "r_issue_1_video_1")
    report = convert_issues([folder], videos=[videos], output=tmp_path / "c.jsonl")
    assert [problem.split(": ")[1] for problem in report.bad] == ["not an issue", "invalid JSON"]
    with pytest.raises(DataError, match="no issues in"):
        convert_issues([videos], videos=[videos], output=tmp_path / "d.jsonl")


def test_recordings_of_one_issue_stay_on_one_side_of_a_split(tmp_path: Path) -> None:
    names = [f"app_issue_{number}_video_{video}" for number in range(8) for video in (1, 2, 3)]
    rows = [{"caption": f"caption {index}", "clip_name": name} for index, name in enumerate(names)]
    others = ("uuid1", "uuid2", "uuid3")
    rows += [{"caption": f"{name}", "clip_name": name, "issue": "o/r#1"} for name in others]
    path = tmp_path / "captions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    report = split_annotations(path, output=tmp_path / "split", share=0.5)
    assert report.groups == 9
    sides = [
        {record.media_id for record in read_annotations(tmp_path / "split" / f"{part}.jsonl")}
        for part in ("train", "test")
    ]
    groups = [set(names[start : start + 3]) for start in range(0, 24, 3)] + [set(others)]
    assert all(any(group <= side for side in sides) for group in groups)


def test_rows_with_equal_fields_stay_on_one_side(tmp_path: Path) -> None:
    rows = [
        {"caption": caption, "clip_name": name, "app": app}
        for caption, name, app in [("a", "1", "x"), ("A", "2", "y"), ("b", "3", "y"), ("c", "4", "z")]
    ]
    path = tmp_path / "captions.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    by_caption = split_annotations(path, output=tmp_path / "1", group_by=["caption"])
    by_both = split_annotations(path, output=tmp_path / "2", group_by=["caption", "app"])
    assert (by_caption.groups, by_both.groups) == (3, 2)  # 1, 2 and 3 hang together through 2
