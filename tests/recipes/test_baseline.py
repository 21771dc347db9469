"""Baselines on small files whose scores can be worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from clipbug.cli.views.baseline import baseline_table
from clipbug.errors import ConfigError, DataError
from clipbug.recipes.baseline import BaselineReport, baseline

VIDEO = {"video_id": "video1", "question": "what is tapped?", "answer": "save", "answer_type": "what"}
CHOICE = {"gif_name": "gif1", "question": "what first?", "options": ["tap", "type"], "answer": 1}


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def caption(text: str, name: str) -> dict[str, Any]:
    return {"caption": text, "clip_name": name}


def printed(report: BaselineReport) -> str:
    console = Console(width=140)
    with console.capture() as capture:
        console.print(baseline_table(report.scores))
    return capture.get()


def test_open_questions(tmp_path: Path) -> None:
    train = write(
        tmp_path / "train.jsonl",
        *[VIDEO] * 2,
        *[{**VIDEO, "question": "how many taps?", "answer": "two", "answer_type": "how"}] * 3,
    )
    data = write(
        tmp_path / "test.jsonl",
        {**VIDEO, "video_id": "v8", "app": "todo"},
        {**VIDEO, "video_id": "v9", "answer": "never seen"},
        {**VIDEO, "video_id": "v9", "question": "how many taps?", "answer": "TWO", "answer_type": "How"},
        {"video_id": "v9", "question": "why?"},
    )
    result = baseline([data], train=[train])
    report = result.to_json()
    assert report["baselines"] == {"majority": pytest.approx(1 / 3), "question_only": pytest.approx(2 / 3)}
    assert (report["task"], report["metric"], report["count"]) == ("video_qa", "accuracy", 3)
    assert report["unlabelled"] == 1
    assert report["oracle"] == 1.0
    assert report["ceiling"] == pytest.approx(2 / 3)
    assert report["oov_share"] == pytest.approx(1 / 3)
    assert report["details"]["question_only"]["by_type"]["what"] == {"score": 0.5, "count": 2}
    assert report["details"]["majority"]["by_app"] == {"todo": {"score": 0.0, "count": 1}}
    assert report["majority_answer"] == "two"
    text = printed(result)
    assert "66.7 %" in text
    assert "type: what" in text


def test_soft_labels_score_their_weight(tmp_path: Path) -> None:
    row = {"image_id": 1, "question": "What?", "question_id": 10, "labels": {"OK": 0.5, "Close": 0.5}}
    path = write(tmp_path / "train.jsonl", row)
    report = baseline([path], train=[path]).to_json()
    assert (report["metric"], report["oracle"], report["baselines"]["majority"]) == ("vqa_score", 0.5, 0.5)


def test_counts(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", *[{**VIDEO, "answer": count} for count in (2, 2, 8)])
    data = write(tmp_path / "test.jsonl", {**VIDEO, "answer": 4}, {**VIDEO, "video_id": "v", "answer": 2})
    result = baseline([data], train=[train], task="count")
    report = result.to_json()
    assert report["baselines"] == {"majority": 0.5, "question_only": 0.5, "mean": 0.5}
    assert report["mse"] == {"majority": 2.0, "question_only": 2.0, "mean": 2.0}
    assert "mean squared error" in printed(result)


def test_multiple_choice(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", CHOICE, CHOICE)
    data = write(tmp_path / "test.jsonl", {**CHOICE, "options": ["type", "a", "b", "c"], "answer": 0})
    result = baseline([data], train=[train])
    report = result.to_json()
    assert report["baselines"] == {"random": 0.25, "majority": 0.0, "question_only": 1.0}
    assert "multiple_choice" in printed(result)


def test_captions_are_found_by_the_words_of_documents(tmp_path: Path) -> None:
    data = write(tmp_path / "OB_best.jsonl", caption("export error", "A"), caption("dark theme", "B"))
    ocr = write(  # another order, as in the real files: rows are joined by the recording
        tmp_path / "OB_OCR.jsonl", caption("Theme Dark Light", "B"), caption("file export failed", "A")
    )
    result = baseline([data], documents=[ocr])
    report = result.to_json()
    assert report["text2video"]["r@1"] == report["video2text"]["r@1"] == 1.0
    assert report["baselines"] == {"random": 0.75, "bm25": 1.0}
    assert report["documents"] == 2
    assert "text to video" in printed(result)


def test_without_texts_about_the_recordings_only_chance_is_known(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", caption("crash", "C"))
    data = write(tmp_path / "val.jsonl", caption("export error", "A"), caption("dark theme", "B"))
    result = baseline([data], train=[train])
    report = result.to_json()
    assert report["baselines"] == {"random": 0.75}
    assert "name some with --documents" in printed(result)


def test_training_captions_of_the_same_recordings_are_documents(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", caption("an export fails", "A"), caption("crash", "C"))
    data = write(tmp_path / "val.jsonl", caption("export error", "A"), caption("dark theme", "B"))
    report = baseline([data], train=[train]).to_json()
    assert report["documents"] == 1
    assert report["text2video"]["mrr"] == 0.75  # nothing is known of B: of equal scores the wrong one leads


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "val.jsonl", caption("export error", "A"), caption("dark theme", "B"))
    other = write(tmp_path / "ocr.jsonl", caption("export error", "Z"))
    questions = write(tmp_path / "test.jsonl", VIDEO)
    blank = write(tmp_path / "blank.jsonl", {"video_id": "v", "question": "why?"})
    with pytest.raises(DataError, match="holds the queries"):
        baseline([data], documents=[data])
    with pytest.raises(DataError, match="none of the 1 documents is about one of the 2 recordings"):
        baseline([data], documents=[other])
    with pytest.raises(DataError, match="no training rows"):
        baseline([questions])
    with pytest.raises(DataError, match="none of the 1 rows has an answer"):
        baseline([blank], train=[questions])
    with pytest.raises(ConfigError, match="task pretraining has no baselines"):
        baseline([data], task="pretraining")
