"""One file of each published format, made by hand with the fields and quirks of the real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbug.data.annotations import detect_family, read_annotations, scan_annotations
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionRecord
from tests.helpers.annotation_rows import write_lines

VQA_V2 = {"image_id": 262148, "question": "Is it on?", "question_id": 262148000, "answer_type": "yes/no"}
FORMATS: list[tuple[str, list[dict[str, Any]], str, str]] = [  # name, rows, family, media of the first row
    ("vqa_v2", [{**VQA_V2, "labels": {"yes": 1, "no": 0.3}}, VQA_V2], "vqa", "262148"),
    (
        "vg_qa",
        [{"image_id": "2", "question": "what?", "question_id": "vg1", "labels": {"a": 1.0}}],
        "vqa",
        "2",
    ),
    (
        "rico",
        [
            {
                "image_id": 66,
                "labels": {"Launch": 1, "STOP": 0.5, "Stop": 0.33},
                "question_id": 660,
                "answer_type": "other",
                "question_type": "what",
                "question": "What will be your tap",
                "file_id": "66",
            }
        ],
        "vqa",
        "66",
    ),
    (
        "frameqa",
        [{"gif_name": "tumblr_1", "question": "how many?", "answer": 2, "answer_type": "number"}],
        "video_qa",
        "tumblr_1",
    ),
    (
        "tgif_count",
        [{"gif_name": "tumblr_1", "question": "how many times?", "answer": 3}],
        "video_qa",
        "tumblr_1",
    ),
    (
        "msrvtt_qa",
        [{"video_id": "video6513", "question": "who?", "answer": "man", "answer_type": "who"}],
        "video_qa",
        "video6513",
    ),
    (
        "tango_qa",
        [{"video_id": "video9", "question": "what?", "answer": "wrong output", "answer_type": ""}],
        "video_qa",
        "video9",
    ),
    (
        "tgif_action",
        [{"gif_name": "tumblr_1", "question": "what?", "options": list("abcde"), "answer": 2}],
        "multiple_choice",
        "tumblr_1",
    ),
    (
        "msrvtt_mc",
        [{"qid": 0, "clip_name": "video9770", "options": list("abcde"), "answer": 0}],
        "multiple_choice",
        "video9770",
    ),
    (
        "tango_ob",
        [{"caption": "export error", "clip_name": "APOD-CC4", "retrieval_key": "ret3"}],
        "captions",
        "APOD-CC4",
    ),
    (
        "andror2",
        [
            {
                "caption": " \u3000Crash \u201ewhen\u2026 ",
                "clip_name": "k-9_issue_1_video_1",
                "retrieval_key": "ret0",
            }
        ],
        "captions",
        "k-9_issue_1_video_1",
    ),
    ("didemo", [{"caption": "a dog", "clip_name": "1@N0_2.mov", "sen_id": 4}], "captions", "1@N0_2.mov"),
    ("anet", [{"caption": "a man", "clip_name": "v_bXdq2zI1Ms0"}], "captions", "v_bXdq2zI1Ms0"),
    ("coco_cap", [{"coco_id": 391895, "caption": "a man"}], "captions", "391895"),
    ("vg_cap", [{"vg_id": "2407890", "caption": "a man"}], "captions", "2407890"),
    ("generic", [{"id": "screen1", "caption": "login"}], "captions", "screen1"),
    (
        "screen_qa",
        [
            {
                "image_id": "3",
                "image_width": 1080,
                "image_height": 1920,
                "question": "what?",
                "ground_truth": [
                    {"full_answer": "It is 4.", "ui_elements": [{"text": "4", "bounds": [0, 0, 1, 1]}]},
                    {"full_answer": "<no answer>", "ui_elements": []},
                ],
            }
        ],
        "vqa",
        "3",
    ),
]


@pytest.mark.parametrize("ending", [".jsonl", ".json"])
@pytest.mark.parametrize(("name", "rows", "family", "media_id"), FORMATS, ids=[name for name, *_ in FORMATS])
def test_every_format_is_found_and_read(
    tmp_path: Path, name: str, rows: list[dict[str, Any]], family: str, media_id: str, ending: str
) -> None:
    path = tmp_path / f"{name}{ending}"
    if ending == ".json":
        path.write_text(json.dumps(rows))
    else:
        write_lines(path, rows)
    assert detect_family(path) == family
    records = read_annotations(path)
    assert len(records) == len(rows)
    assert records[0].media_id == media_id


def first(tmp_path: Path, name: str) -> Any:
    rows = next(rows for format_name, rows, *_ in FORMATS if format_name == name)
    return read_annotations(write_lines(tmp_path / f"{name}.jsonl", rows))[0]


def test_what_the_rows_say(tmp_path: Path) -> None:
    rico, frames, choice = (first(tmp_path, name) for name in ("rico", "frameqa", "msrvtt_mc"))
    assert isinstance(rico, QuestionRecord)
    assert rico.labels == {"Launch": 1.0, "STOP": 0.5, "Stop": 0.33}
    assert frames.labels == {"2": 1.0}
    assert first(tmp_path, "tgif_count").labels == {"3": 1.0}
    assert first(tmp_path, "tango_qa").answer_type == "unknown"
    assert isinstance(choice, ChoiceRecord)
    assert first(tmp_path, "andror2").caption == "Crash \u201ewhen\u2026"


def test_every_answer_of_a_rater_is_right(tmp_path: Path) -> None:
    assert first(tmp_path, "screen_qa").labels == {"It is 4.": 1.0, "<no answer>": 1.0}
    row = {"image_id": 3, "question": "how many?", "ground_truth": ["12", " 12", "twelve"]}
    (record,) = read_annotations(write_lines(tmp_path / "short.jsonl", [row]))
    assert isinstance(record, QuestionRecord)
    assert record.labels == {"12": 1.0, "twelve": 1.0}


def test_the_file_of_coco_names_the_files_of_its_images(tmp_path: Path) -> None:
    path = tmp_path / "captions_val2014.json"
    coco = {
        "info": {"year": 2014},
        "images": [{"id": 7, "file_name": "COCO_val2014_000000000007.jpg"}],
        "annotations": [
            {"image_id": 7, "id": 1, "caption": "a man "},
            {"image_id": 8, "id": 2, "caption": "lost"},
            {"image_id": 7, "id": 3, "caption": "a dog"},
        ],
    }
    path.write_text(json.dumps(coco, indent=1))
    assert detect_family(path) == "captions"
    file = scan_annotations(path)
    assert [(record.media_id, record.text) for record in file.records] == [
        ("COCO_val2014_000000000007", "a man"),
        ("COCO_val2014_000000000007", "a dog"),
    ]
    assert file.records[1].source == f"{path}:annotations[2]"
    assert file.problems == (f"{path}:annotations[1]: no entry of `images` has the id 8",)


def test_objects_that_list_rows(tmp_path: Path) -> None:
    msrvtt = tmp_path / "train_val_videodatainfo.json"
    sentences = [{"caption": "a man", "video_id": "video2960", "sen_id": 0}]
    msrvtt.write_text(json.dumps({"videos": [{"video_id": "video2960"}], "sentences": sentences}))
    (record,) = read_annotations(msrvtt)
    assert (record.media_id, record.text, record.source) == (
        "video2960",
        "a man",
        f"{msrvtt}:sentences[0]",
    )
    vqa = tmp_path / "v2_OpenEnded_mscoco_test2015_questions.json"
    vqa.write_text(json.dumps({"questions": [{key: VQA_V2[key] for key in ("image_id", "question")}]}))
    assert detect_family(vqa) == "vqa"
    didemo = tmp_path / "train_data.json"
    didemo.write_text(json.dumps([{"description": "a dog", "video": "1@N0_2.mov", "times": [[0, 1]]}]))
    assert read_annotations(didemo)[0].media_id == "1@N0_2.mov"


def test_a_file_of_one_row_is_no_list(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"clip_name": "v", "caption": "a dog"}))
    assert len(read_annotations(path)) == 1


def test_a_table_of_questions(tmp_path: Path) -> None:
    path = tmp_path / "questions.csv"
    path.write_text(
        "video_id,question,answer,answer_type\n"
        'video3,"where is the ""opml export"" item?","click on ""settings"",\nthen scroll",Where\n'
        "\n"
        "video9,what is this video about?,wrong output,\n"
        "video9,what?,3:45,what,too much\n",
        encoding="utf-8-sig",
    )
    file = scan_annotations(path)
    assert file.family == "video_qa"
    one, two = file.records
    assert isinstance(one, QuestionRecord)
    assert one.question == 'where is the "opml export" item?'
    assert one.answer == 'click on "settings",\nthen scroll'
    assert one.answer_type == "where"
    assert (two.source, two.media_id) == (f"{path}:5", "video9")
    assert file.problems == (f"{path}:6: expected 4 cells as in the header, got 5; quote texts with commas",)


def test_summaries_of_screens_may_have_commas(tmp_path: Path) -> None:
    path = tmp_path / "screen_summaries.csv"
    path.write_text("screenId,summary\n54137,display of news articles\n25675,a list, with ads\n")
    assert read_annotations(path) == [
        CaptionRecord("54137#1", "54137", "display of news articles", None, f"{path}:2"),
        CaptionRecord("25675#1", "25675", "a list, with ads", None, f"{path}:3"),
    ]


def test_a_table_with_tabs_may_be_called_csv(tmp_path: Path) -> None:
    path = tmp_path / "Train_frameqa_question.csv"
    path.write_text("gif_name\tquestion\tanswer\ntumblr_1\twhat, or who?\tdog\n")
    (record,) = read_annotations(path)
    assert (record.media_id, record.text) == ("tumblr_1", "what, or who?")


def test_a_table_that_breaks_off_names_the_place(tmp_path: Path) -> None:
    path = tmp_path / "broken.tsv"
    path.write_text('id\tcaption\na\tlogin\nb\t"never closed\n')
    file = scan_annotations(path)
    assert len(file.records) == 1
    assert "invalid CSV" in file.problems[0]


def test_every_row_is_a_record_or_named(tmp_path: Path) -> None:
    """The property that all kinds of files have: nothing is dropped in silence."""
    rows = [row for _, rows, *_ in FORMATS for row in rows] + [{"caption": 3}, {"image_id": 1}]
    path = write_lines(tmp_path / "all.jsonl", rows)
    with path.open("a") as file:
        file.write('\n{"broken\n17\n')
    for family in ("vqa", "video_qa", "multiple_choice", "captions"):
        scanned = scan_annotations(path, family=family)  # type: ignore[arg-type]
        places = [record.source for record in scanned.records]
        places += [problem.split(": ")[0] for problem in scanned.problems]
        assert sorted(places) == sorted(f"{path}:{number}" for number in range(1, len(rows) + 3))
