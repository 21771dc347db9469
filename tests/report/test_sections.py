"""Frames on the page are those at the times that the predictions name; searches and findings are there."""

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from clipbug.builders.records import read_records
from clipbug.data.store.store import open_stores
from clipbug.errors import DataError
from clipbug.recipes.report import data_findings, make_report
from clipbug.report import frames
from clipbug.report.contents import Card, Filmstrip, Ranking
from clipbug.report.frames import cards_frames, make_filmstrips, rankings_frames
from clipbug.report.page import render_page
from clipbug.tasks.base import ClipPrediction
from tests.helpers.report_contents import card, contents
from tests.helpers.video_factory import read_index


def about(media_id: str, *seconds: float, **changes: object) -> Card:
    return replace(card(media_id=media_id, **changes), votes=(ClipPrediction(0.0, 1.0, seconds, "yes", 0.5),))


def numbers_in(strip: Filmstrip) -> list[int]:
    data = np.frombuffer(base64.b64decode(strip.uri.partition(",")[2]), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture.shape[:2] == (strip.height, strip.width * len(strip.frame_seconds))
    return [read_index(frame) for frame in np.split(picture, len(strip.frame_seconds), axis=1)]


def test_frames_at_their_times(synthetic_store: Path) -> None:
    cards = [
        about("even", 0.0, 1.2, 3.9),  # 10 pictures a second
        about("late", 2.0, 2.5),  # its first picture is at 2 s on a player's clock
        about("uneven", 0.1, 1.0, 2.5),  # a picture each 0.1 s for 2 s, then 30 a second
        about("screen", 0.0),
    ]
    strips, notes = make_filmstrips(cards_frames(cards), lambda: open_stores([synthetic_store]))
    assert notes == []
    assert numbers_in(strips["even"]) == [0, 12, 39]
    assert numbers_in(strips["late"]) == [0, 5]
    assert numbers_in(strips["uneven"]) == [1, 10, 35]
    assert numbers_in(strips["screen"]) == [77]


def test_predictions_of_another_program_show_some_pictures(synthetic_store: Path) -> None:
    cards = [replace(about("even"), votes=())]
    strips, notes = make_filmstrips(cards_frames(cards), lambda: open_stores([synthetic_store]))
    assert len(numbers_in(strips["even"])) == 4
    assert notes == []
    page = render_page(contents(*cards, filmstrips=strips)).decode()
    assert page.count("frames of even") == 1


def test_what_is_missing_is_named(synthetic_store: Path) -> None:
    cards = [about("even", 0.0), about("nowhere", 0.0)]
    strips, notes = make_filmstrips(cards_frames(cards), lambda: open_stores([synthetic_store]))
    assert list(strips) == ["even"]
    assert "nowhere" in notes[0]


def test_without_stores_there_is_still_a_report() -> None:
    def nothing() -> None:
        raise DataError("there is no store under storage")

    strips, notes = make_filmstrips(cards_frames([about("even", 0.0)]), nothing)  # type: ignore[arg-type]
    assert strips == {}
    assert notes == ["No frames: there is no store under storage."]


def test_the_worst_answers_keep_their_frames(synthetic_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_FRAMES", 4)
    cards = [
        about("even", 0.0, 0.1, score=1.0, answer="no"),
        about("late", 0.0, 0.1),
        about("uneven", 0.0, 0.1),
    ]
    strips, notes = make_filmstrips(cards_frames(cards), lambda: open_stores([synthetic_store]))
    assert set(strips) == {"late", "uneven"}
    assert "1 are omitted" in notes[0]


def test_some_pictures_of_a_found_recording(synthetic_store: Path) -> None:
    ranking = Ranking("q", "text", None, None, ("even",), (("late", 2.0), ("nowhere", 1.0)), num_shown=1)
    strips, _ = make_filmstrips(rankings_frames([ranking]), lambda: open_stores([synthetic_store]))
    assert list(strips) == ["even", "late"]
    # even has 40 pictures, 3.9 s from the first to the last
    assert numbers_in(strips["even"]) == [3, 14, 25, 36]


CAPTIONS = (("the list is empty", "even"), ("the dialog stays", "late"), ("The List is empty ", "uneven"))


def search_folder(folder: Path, tops: Sequence[Sequence[tuple[str, float]]]) -> tuple[Path, Path]:
    data = folder / "captions_test.jsonl"
    data.write_text(
        "\n".join(
            json.dumps({"caption": text, "clip_name": name, "retrieval_key": f"ret{number}"})
            for number, (text, name) in enumerate(CAPTIONS)
        )
    )
    ids = [record.record_id for record in read_records([data], "retrieval")]
    lines = [{"id": name, "top": list(map(list, top))} for name, top in zip(ids, tops, strict=True)]
    (folder / "predictions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder, data


def test_the_report_of_a_search(synthetic_store: Path, tmp_path: Path) -> None:
    first = (("late", 3.0), ("uneven", 2.0), ("even", 1.0))
    folder, data = search_folder(tmp_path, [first, first, first])
    done = make_report(storage=tmp_path, source=folder, data=data, media=[synthetic_store])
    page = Path(done.output).read_text(encoding="utf-8")
    assert done.questions == page.count("<article") == 3
    assert done.wrong == 2  # captions 1 and 3 are one text with two right recordings, first found at rank 2
    assert page.count("rank 2") == 2
    assert page.count("rank 1<") == 1
    assert done.score == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert page.index("rank 2") < page.index("rank 1<")
    assert page.count("data:image/jpeg") == 3


def test_the_report_of_duplicates(synthetic_store: Path, tmp_path: Path) -> None:
    data = tmp_path / "duplicates.json"
    data.write_text(json.dumps({"shop": {"crash": ["even", "late"], "freeze": ["uneven", "matroska"]}}))
    tops = {
        "even": [["uneven", 0.9], ["late", 0.8], ["matroska", 0.1]],
        "late": [["even", 0.9], ["uneven", 0.8], ["matroska", 0.1]],
        "uneven": [["even", 0.9], ["late", 0.8], ["matroska", 0.1]],
        "matroska": [["uneven", 0.9], ["even", 0.8], ["late", 0.1]],
    }
    lines = [json.dumps({"id": name, "top": top}) for name, top in tops.items()]
    (tmp_path / "predictions.jsonl").write_text("\n".join(lines))
    done = make_report(storage=tmp_path, source=tmp_path, data=data, media=[synthetic_store])
    page = Path(done.output).read_text(encoding="utf-8")
    assert [page.count(f"<b>rank {rank}</b>") for rank in (1, 2, 3)] == [2, 1, 1]
    assert page.count("<span>query</span>") == 4
    assert done.wrong == 2


def test_findings_of_the_data_are_in_the_report(synthetic_store: Path, tmp_path: Path) -> None:
    data = tmp_path / "test.jsonl"
    row = {"video_id": "even", "question": "is it blue?", "answer": "yes", "answer_type": "Is"}
    rows = [row, {**row, "video_id": "nowhere"}]
    data.write_text("\n".join(map(json.dumps, rows)))
    found = data_findings(None, [data], [str(synthetic_store)])
    assert any("nowhere" in f"{finding.message} {finding.hint}" for finding in found)
    broken = data_findings(None, [tmp_path / "missing.jsonl"], [])
    assert "could not be checked" in broken[0].message
