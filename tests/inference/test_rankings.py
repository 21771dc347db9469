"""Retrieval, multiple choice and duplicates on a few recordings, through the command line."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipbug.cli.main import main
from clipbug.inference.result_log import Result, ResultWriter
from tests.helpers.rounding import TERMS_OF_A_TINY_MODEL, assert_close

Run = Callable[..., tuple[int, dict[str, Any]]]
VIDEOS = ("even", "late", "uneven", "matroska", "still")
CAPTIONS = [
    ("numbers go up", "even"),
    ("a late start", "late"),
    ("the pace changes", "uneven"),
    ("A  late start", "matroska"),  # the same text about another recording, in another spelling
    ("it does not move", "still"),
    ("nothing moves at all", "still"),
]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*words, "--json", "-q"])
        return int(end.value.code or 0), json.loads(capsys.readouterr().out)

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Annotations of every kind."""
    folder = tmp_path_factory.mktemp("search")
    captions = [{"caption": text, "clip_name": video, "app": video[0]} for text, video in CAPTIONS]
    choices = [
        {
            "clip_name": video,
            "qid": number,
            "options": [text, "a dog runs", "no"][: 2 + number % 2],
            "answer": 0,
        }
        for number, (text, video) in enumerate(CAPTIONS)
    ]
    for name, rows in (("captions", captions), ("choices", choices)):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    duplicates = {
        "moving": {"up": ["even", "late"], "other": ["uneven", "matroska"]},
        "resting": {"no": ["still"]},
    }
    (folder / "duplicates.json").write_text(json.dumps(duplicates))
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path, synthetic_store: Path) -> Path:
    """A retrieval run of few steps."""
    captions = str(folder / "captions.jsonl")
    with pytest.raises(SystemExit) as end:
        main(
            [
                *("finetune", "--task", "retrieval", "--config", "tiny/retrieval", "-q", "--max-steps", "4"),
                *("--train", captions, "--val", captions, "--media", str(synthetic_store)),
                *("--output", str(folder / "run"), "--set", "precision=fp32"),
            ]
        )
    assert end.value.code == 0
    return folder / "run"


def test_training_reports_and_keeps_the_best_by_the_search(trained: Path) -> None:
    summary = json.loads((trained / "summary.json").read_text())
    assert summary["metric"] == "mrr"
    lines = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    validated = [line for line in lines if "valid/score" in line]
    assert validated
    assert max(line["valid/score"] for line in validated) == summary["score"]
    assert {"valid/text2video/r@1", "valid/video2text/median_rank"} <= validated[0].keys()


def test_search_writes_lists_and_the_whole_matrix(
    trained: Path, folder: Path, run: Run, tmp_path: Path
) -> None:
    code, report = run(
        *("infer", "--run", str(trained), "--data", str(folder / "captions.jsonl")),
        *("--output", str(tmp_path), "--scores", str(tmp_path / "elsewhere.npz")),
    )
    assert code == 0, report
    assert (report["queries"], report["recordings"]) == (6, 5)
    rows = [json.loads(line) for line in Path(report["predictions"]).read_text().splitlines()]
    assert [row["text"] for row in rows] == [text for text, _ in CAPTIONS]
    with np.load(tmp_path / "elsewhere.npz") as scores:
        matrix, media_ids = scores["scores"], scores["recording_ids"].tolist()
        assert scores["question_ids"].tolist() == [row["id"] for row in rows]
        assert scores["media_ids"].tolist() == [media_id for _, media_id in CAPTIONS]
        own = matrix[range(len(rows)), [media_ids.index(media_id) for _, media_id in CAPTIONS]]
        pooled, clips = scores["pooled_logits"], scores["clip_logits"]
    size = np.abs(pooled).max()
    assert_close(pooled[:, 1] - pooled[:, 0], own, terms=TERMS_OF_A_TINY_MODEL, size=size)
    assert_close(np.logaddexp.reduce(clips, axis=1), pooled, terms=TERMS_OF_A_TINY_MODEL)
    assert media_ids == list(VIDEOS)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix[1], matrix[3])  # one text in two spellings is scored once
    for row, own in zip(rows, matrix, strict=True):
        order = np.argsort(-own, kind="stable")
        assert [name for name, _ in row["top"]] == [media_ids[index] for index in order]
        assert [score for _, score in row["top"]] == own[order].tolist()  # not rounded
        assert (row["answer"], row["score"]) == tuple(row["top"][0])


@pytest.mark.parametrize("name", ["captions.jsonl", "duplicates.json"])
def test_a_stopped_search_goes_on_where_it_was(
    name: str, trained: Path, folder: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("infer", "--run", str(trained), "--data", str(folder / name), "--batch-size", "1")
    _, whole = run(*words, "--output", str(tmp_path / "whole"))
    written: list[Result] = []

    def write_two(writer: ResultWriter, done: Sequence[Result]) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.extend(done)
        add(writer, done)

    add = ResultWriter.add
    with monkeypatch.context() as patched:
        patched.setattr(ResultWriter, "add", write_two)
        code, _ = run(*words, "--output", str(tmp_path / "stopped"))
    assert code == 130
    assert (tmp_path / "stopped" / "parts").exists()
    code, report = run(*words, "--output", str(tmp_path / "stopped"))
    assert (code, report["resumed"], report["recordings"]) == (0, 2, len(VIDEOS))
    assert Path(report["predictions"]).read_text() == Path(whole["predictions"]).read_text()
    with np.load(report["scores"]) as stopped, np.load(whole["scores"]) as expected:
        assert list(stopped) == list(expected)
        for array in expected:
            np.testing.assert_array_equal(stopped[array], expected[array])
    assert not (tmp_path / "stopped" / "parts").exists()
    _, again = run(*words, "--output", str(tmp_path / "stopped"))
    assert again["resumed"] == 0


def test_scores_of_the_run_of_its_lists_and_by_hand_are_the_same(
    trained: Path, folder: Path, run: Run, tmp_path: Path
) -> None:
    data = ("--data", str(folder / "captions.jsonl"))
    code, of_run = run("evaluate", "--run", str(trained), *data)
    assert code == 0, of_run
    lists = Path(of_run["predictions"])
    for file in (lists, lists.with_name("scores.npz")):
        code, of_file = run("evaluate", "--predictions", str(file), *data)
        assert code == 0, of_file
        different = {key for key in of_run if of_run[key] != of_file[key]} - {"predictions"}
        assert not different
    with np.load(lists.with_name("scores.npz")) as arrays:
        matrix = arrays["scores"]
    right = [{0}, {1, 3}, {2}, {1, 3}, {4}, {4}]
    best = [
        1 + min(sum(row[wrong] >= row[one] for wrong in set(range(5)) - own) for one in own)
        for row, own in zip(matrix, right, strict=True)
    ]
    assert of_run["score"] == pytest.approx(np.mean([1 / rank for rank in best]))
    assert of_run["text2video"]["r@1"] == np.mean([rank == 1 for rank in best])
    assert of_run["count"] == 6
    assert of_run["video2text"]["count"] == 5
    assert of_run["video2text"]["candidates"] == of_run["texts"] == 5
    assert of_run["by_app"].keys() == {"e", "l", "u", "m", "s"}
    assert of_run["text2video"]["macro"]["mrr"] == pytest.approx(
        np.mean([group["score"] for group in of_run["by_app"].values()])
    )
    assert (of_run["missing"], of_run["unlisted"], of_run["ties"]) == (0, 0, 0)


def test_what_lists_do_not_name_stands_last(folder: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    ids = ["even#1", "late#1", "uneven#1", "matroska#1", "still#1"]
    rows = [{"id": name, "top": [["even", 2], ["late", 1.5]]} for name in ids]
    file.write_text("\n".join(map(json.dumps, [*rows, {"id": "another", "top": []}])))
    code, scores = run("evaluate", "--predictions", str(file), "--data", str(folder / "captions.jsonl"))
    assert code == 0, scores
    assert (scores["missing"], scores["unmatched"], scores["unlisted"]) == (1, 1, 15)
    # even: 1; late and its second spelling: 2; the others stand behind all that are listed or tie with them
    assert scores["score"] == pytest.approx((1 + 1 / 2 + 1 / 5 + 1 / 2 + 1 / 5 + 1 / 5) / 6)
    assert scores["video2text"] is None
    file.write_text(json.dumps({"id": "even#1", "answer": "even"}))
    code, error = run("evaluate", "--predictions", str(file), "--data", str(folder / "captions.jsonl"))
    assert code == 1
    assert "is no ranking" in error["error"]["message"]


def test_options_are_chosen_by_a_retrieval_run(trained: Path, folder: Path, run: Run, tmp_path: Path) -> None:
    choices = str(folder / "choices.jsonl")
    code, report = run("infer", "--run", str(trained), "--data", choices, "--output", str(tmp_path))
    assert code == 0, report
    rows = [json.loads(line) for line in Path(report["predictions"]).read_text().splitlines()]
    assert [len(row["top"]) for row in rows] == [2, 3, 2, 3, 2, 3]
    code, scores = run("evaluate", "--predictions", report["predictions"], "--data", choices)
    assert code == 0, scores
    right = [row["answer"] == text for row, (text, _) in zip(rows, CAPTIONS, strict=True)]
    assert (scores["task"], scores["score"]) == ("multiple_choice", np.mean(right))
    assert scores["baselines"]["random"] == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_options_score_as_the_search_scores_them(
    trained: Path, folder: Path, run: Run, tmp_path: Path
) -> None:
    """The probability of an option is the sigmoid of its score as a text to search with."""
    _, search = run(
        "infer",
        "--run",
        str(trained),
        "--data",
        str(folder / "captions.jsonl"),
        "--output",
        str(tmp_path / "a"),
    )
    _, choice = run(
        "infer",
        "--run",
        str(trained),
        "--data",
        str(folder / "choices.jsonl"),
        "--output",
        str(tmp_path / "b"),
    )
    found = [json.loads(line) for line in Path(search["predictions"]).read_text().splitlines()]
    chosen = [json.loads(line) for line in Path(choice["predictions"]).read_text().splitlines()]
    for one, other, (text, video) in zip(found, chosen, CAPTIONS, strict=True):
        score = dict(map(tuple, one["top"]))[video]
        # fp32 in other batch shapes
        assert dict(map(tuple, other["top"]))[text] == pytest.approx(1 / (1 + np.exp(-score)), abs=1e-5)


def test_duplicates_of_any_run(trained: Path, folder: Path, run: Run) -> None:
    data = ("--data", str(folder / "duplicates.json"))
    code, report = run("infer", "--run", str(trained), *data)
    assert code == 0, report
    rows = [json.loads(line) for line in Path(report["predictions"]).read_text().splitlines()]
    assert [row["id"] for row in rows] == list(VIDEOS)
    assert all(len(row["top"]) == 4 and row["id"] not in dict(map(tuple, row["top"])) for row in rows)
    code, scores = run("evaluate", "--run", str(trained), *data)
    assert code == 0, scores
    assert (scores["count"], scores["recordings"], scores["without_duplicate"]) == (4, 5, 1)
    assert scores["baselines"].keys() == {"random", "untrained", "thumbnail"}
    partner = {"even": "late", "late": "even", "uneven": "matroska", "matroska": "uneven"}
    ranks = []
    for row in rows[:4]:
        own_app = [name for name, _ in row["top"] if name != "still"]
        ranks.append(1 + own_app.index(partner[row["id"]]))
    assert scores["score"] == pytest.approx(np.mean([1 / rank for rank in ranks]))
    assert scores["settings"]["all_apps"]["model"]["count"] == 4
    code, of_lists = run("evaluate", "--predictions", report["predictions"], *data)
    assert code == 0, of_lists
    assert of_lists["settings"]["own_app"]["model"] == scores["settings"]["own_app"]["model"]
    assert of_lists["baselines"].keys() == {"random"}


def test_other_names_of_recordings_change_no_score(
    trained: Path, folder: Path, run: Run, tmp_path: Path
) -> None:
    rows = [json.loads(line) for line in (folder / "captions.jsonl").read_text().splitlines()]
    renamed = [{**row, "clip_name": f"APOD-{row['clip_name']}"} for row in rows]
    (tmp_path / "renamed.jsonl").write_text("\n".join(map(json.dumps, renamed)))
    (tmp_path / "aliases.json").write_text(json.dumps({f"APOD-{name}": name for name in VIDEOS}))
    scores = []
    for name, words in (
        (str(folder / "captions.jsonl"), ()),
        (str(tmp_path / "renamed.jsonl"), ("--aliases", str(tmp_path / "aliases.json"))),
    ):
        target = str(tmp_path / Path(name).stem)
        code, report = run("infer", "--run", str(trained), "--data", name, "--output", target, *words)
        assert code == 0, report
        code, found = run("evaluate", "--predictions", report["predictions"])
        assert code == 0, found
        scores.append({key: found[key] for key in ("score", "count", "missing", "unlisted", "text2video")})
    assert scores[0] == scores[1]
    assert report["renamed"] == {f"APOD-{name}": name for name in VIDEOS}


def test_a_pretrained_model_finds_duplicates_too(folder: Path, synthetic_store: Path, run: Run) -> None:
    code, trained = run(
        *("pretrain", "--config", "tiny/pretraining", "--max-steps", "1", "--media", str(synthetic_store)),
        *("--train", str(folder / "captions.jsonl"), "--output", str(folder / "pretrained")),
    )
    assert code == 0, trained
    code, scores = run(
        "evaluate", "--run", str(folder / "pretrained"), "--data", str(folder / "duplicates.json")
    )
    assert code == 0, scores
    assert scores["count"] == 4
