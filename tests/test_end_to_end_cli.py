"""The whole way on a few recordings, each step through the command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipbug.cli.main import main
from tests.helpers.rounding import TERMS_OF_A_TINY_MODEL, assert_close

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def demo_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "storage"
    with pytest.raises(SystemExit) as end:
        main(["demo", "--quick", "--keep", str(folder), "-q"])
    assert end.value.code == 0
    return folder


@pytest.fixture
def storage(demo_storage: Path, tmp_path: Path) -> Path:
    """A copy with data and without runs."""
    shutil.copytree(demo_storage, tmp_path / "storage", ignore=shutil.ignore_patterns("finetune", "demo"))
    return tmp_path / "storage"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*words, "--json"])
        return int(end.value.code or 0), json.loads(capsys.readouterr().out)

    return call


TINY = (
    *("--set", "max_frame_size=64", "--set", "train.batch_size=2", "--set", "eval.num_clips=2"),
    *("--set", "train.eval_every=2", "--set", "train.log_every=1"),
)


def finetune(run: Run, storage: Path, *words: str, steps: int = 4) -> dict[str, Any]:
    code, report = run(
        *("finetune", "--task", "video-qa", "--config", "tiny/video_qa", "--storage", str(storage)),
        *("--max-steps", str(steps), *TINY, *words),
    )
    assert code == 0, report
    return report


def test_the_three_lines_of_the_readme(
    storage: Path, demo_storage: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(storage.parent)
    shutil.copytree(next((demo_storage / "demo").rglob("*.mp4")).parent, "videos")
    code, report = run("ingest", "videos/", "--ext", "mp4", "avi")
    assert code == 0, report
    assert report["store"] == "storage/vis_db/videos"
    shutil.rmtree("storage/vis_db/videos")  # the same ids are in the demo's own store
    code, report = run("finetune", "--task", "vqa", *TINY, "--set", "train.max_steps=2")
    assert code == 0, report
    code, report = run("infer", "--step", "20000", "--n-clips", "16")
    assert code == 1
    assert "available steps: 2" in report["error"]["hint"]
    assert "clipbug finetune --task vqa --max-steps 20000" in report["error"]["hint"]
    code, report = run("infer", "--step", "2", "--n-clips", "16")
    assert code == 0, report


def test_predictions_hold_what_the_contract_says(storage: Path, run: Run, tmp_path: Path) -> None:
    report = finetune(run, storage)
    code, inference = run(
        *("infer", "--run", report["run"], "--n-clips", "3", "--scores", str(tmp_path / "scores.npz")),
        *("--storage", str(storage)),
    )
    assert code == 0, inference
    rows = [json.loads(line) for line in Path(inference["predictions"]).read_text().splitlines()]
    questions = Path(inference["data"][0]).read_text().splitlines()
    assert [row["question"] for row in rows] == [json.loads(line)["question"] for line in questions]
    answers = json.loads((Path(report["run"]) / "answers.json").read_text())
    for row in rows:
        assert row["answer"] == row["top"][0][0]
        assert row["answer"] in answers
        assert row["probability"] == pytest.approx(row["top"][0][1])
        assert len(row["clips"]) == 3
        for clip in row["clips"]:
            # a clip may begin between two pictures: it then shows the one that came up before (12 per second)
            assert clip["start_seconds"] - 1 / 12 - 1e-6 <= min(clip["frame_seconds"])
            assert max(clip["frame_seconds"]) <= clip["end_seconds"]
    with np.load(tmp_path / "scores.npz") as scores:
        assert scores["media_ids"].tolist() == [row["media_id"] for row in rows]
        assert scores["clip_logits"].shape == (len(rows), 3, len(answers))
        best = scores["pooled_logits"].argmax(axis=1)
        assert [answers[row["answer"]] for row in rows] == best.tolist()


def test_answers_do_not_depend_on_batch_size_or_company(storage: Path, run: Run, tmp_path: Path) -> None:
    report = finetune(run, storage)
    answers = []
    for size in ("1", "5"):
        target = tmp_path / size
        code, _ = run(
            *("infer", "--run", report["run"], "--batch-size", size, "--output", str(target)),
            *("--scores", str(target / "scores.npz"), "--storage", str(storage)),
        )
        assert code == 0
        with np.load(target / "scores.npz") as scores:
            answers.append(scores["pooled_logits"])
    assert_close(answers[0], answers[1], terms=TERMS_OF_A_TINY_MODEL)


def test_inference_works_without_answers_and_evaluation_says_so(
    storage: Path, run: Run, tmp_path: Path
) -> None:
    report = finetune(run, storage)
    source = next((storage / "txt_db" / "demo_video_qa").glob("test.jsonl"))
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    blind = tmp_path / "blind.jsonl"
    fields = ("video_id", "question")
    blind.write_text("\n".join(json.dumps({key: row[key] for key in fields}) for row in rows))
    code, inference = run("infer", "--run", report["run"], "--data", str(blind), "--storage", str(storage))
    assert code == 0, inference
    assert inference["questions"] == len(rows)
    code, scores = run("evaluate", "--run", report["run"], "--data", str(blind), "--storage", str(storage))
    assert code == 1
    assert "answer" in scores["error"]["message"]


def test_evaluation_scores_what_infer_wrote(storage: Path, run: Run) -> None:
    report = finetune(run, storage)
    code, inference = run("infer", "--run", report["run"], "--storage", str(storage))
    assert code == 0
    code, scores = run("evaluate", "--run", report["run"], "--storage", str(storage))
    assert code == 0, scores
    assert scores["predictions"] == inference["predictions"]
    given = [json.loads(line) for line in Path(inference["predictions"]).read_text().splitlines()]
    right = [json.loads(line)["answer"] for line in Path(inference["data"][0]).read_text().splitlines()]
    matches = [
        row["answer"].casefold() == answer.casefold() for row, answer in zip(given, right, strict=True)
    ]
    assert scores["score"] == pytest.approx(sum(matches) / len(matches))
    assert scores["count"] == len(matches)
    low, high = scores["interval"]
    assert low <= scores["score"] <= high
    assert set(scores["baselines"]) == {"majority", "question_only"}


def test_a_report_of_a_run(storage: Path, run: Run, tmp_path: Path) -> None:
    training = finetune(run, storage)
    code, report = run("report", training["run"], "--storage", str(storage))
    assert code == 0, report
    page = Path(report["output"]).read_text(encoding="utf-8")
    assert Path(report["output"]).parent.parent.parent == Path(training["run"])
    code, scores = run("evaluate", "--run", training["run"], "--storage", str(storage))
    assert report["score"] == scores["score"]
    assert report["questions"] == page.count("<article") == scores["count"]
    evidence = page.count('<figure class="evidence"><img src="data:image/jpeg')
    assert 0 < evidence <= 8
    assert report["recordings_with_frames"] == page.count("data:image/jpeg") - evidence == 3
    assert f"clipbug infer --run {training['run']}" in page
    target = tmp_path / "again.html"
    code, again = run(
        *("report", str(Path(report["output"]).parent), "--output", str(target), "--storage", str(storage))
    )
    assert code == 0, again
    assert {**again, "output": ""} == {**report, "output": "", "num_bytes": again["num_bytes"]}


def test_a_complete_run_is_not_trained_again_and_other_settings_are_refused(storage: Path, run: Run) -> None:
    output = str(storage / "mine")
    first = finetune(run, storage, "--output", output)
    assert finetune(run, storage, "--output", output) == first
    code, report = run(
        *("finetune", "--task", "video-qa", "--config", "tiny/video_qa", "--storage", str(storage)),
        *("--max-steps", "4", *TINY, "--seed", "7", "--output", output),
    )
    assert code == 1
    assert "seed: 42 -> 7" in report["error"]["message"]


def test_dry_run_writes_nothing(storage: Path, run: Run) -> None:
    before = sorted(storage.rglob("*"))
    code, plan = run(
        *("finetune", "--task", "vqa", "--config", "tiny/vqa", "--storage", str(storage), "--dry-run", *TINY)
    )
    assert code == 0, plan
    assert plan["parameters"] == sum(plan["parameter_groups"].values())
    assert plan["loss"]["answer"] > 0
    assert sorted(storage.rglob("*")) == before


def test_finetuning_starts_from_pretrained_weights(demo_storage: Path, storage: Path, run: Run) -> None:
    captions = next((demo_storage / "demo").rglob("captions_train.jsonl"))
    code, pretraining = run(
        *("pretrain", "--config", "tiny/pretraining", "--train", str(captions), "--storage", str(storage)),
        *("--max-steps", "2", "--set", "max_frame_size=64"),
    )
    assert code == 0, pretraining
    report = finetune(run, storage, "--init", pretraining["run"], steps=2)
    tokenizer = Path("tokenizer/tokenizer.json")
    assert (Path(report["run"]) / tokenizer).read_bytes() == (
        Path(pretraining["run"]) / tokenizer
    ).read_bytes()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("finetune", "--task", "video-qa", "--train", "missing.jsonl"), "missing.jsonl"),
        (("infer", "--run", "nowhere"), "nowhere"),
        (("evaluate", "--predictions", "missing.jsonl"), "missing.jsonl"),
        (("finetune", "--task", "video-qa", "--init", "nowhere"), "nowhere"),
    ],
)
def test_what_is_missing_is_named(words: tuple[str, ...], says: str, storage: Path, run: Run) -> None:
    code, report = run(*words, "--storage", str(storage))
    assert code == 1
    assert says in report["error"]["message"]
    assert report["error"]["hint"]


def test_an_empty_storage_says_how_to_fill_it(tmp_path: Path, run: Run) -> None:
    for words in (("finetune", "--task", "vqa"), ("infer",), ("evaluate",)):
        code, report = run(*words, "--storage", str(tmp_path / "storage"))
        assert code == 1
        assert "clipbug" in report["error"]["hint"]
    assert not (tmp_path / "storage").exists()


def test_rows_whose_media_is_missing_stop_a_run_or_count_as_wrong(
    storage: Path, run: Run, tmp_path: Path
) -> None:
    report = finetune(run, storage)
    test = storage / "txt_db" / "demo_video_qa" / "test.jsonl"
    rows = [json.loads(line) for line in test.read_text().splitlines()]
    lost = rows[0]["video_id"]
    renamed = [{**row, "video_id": "95"} if row["video_id"] == lost else row for row in rows]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, renamed)))
    words = (
        "infer",
        "--run",
        report["run"],
        "--data",
        str(tmp_path / "test.jsonl"),
        "--storage",
        str(storage),
    )
    code, refused = run(*words)
    assert code == 1
    assert "'95' at" in refused["error"]["message"]
    assert "--allow-missing" in refused["error"]["hint"]
    code, inference = run(*words, "--allow-missing")
    num_lost = sum(row["video_id"] == "95" for row in renamed)
    assert code == 0
    assert inference["missing_media"] == ["95"]
    assert inference["missing"] == [f"95#{number}" for number in range(1, num_lost + 1)]
    assert inference["questions"] == len(rows) - num_lost
    code, scores = run("evaluate", "--predictions", inference["predictions"])
    assert code == 0
    assert (scores["count"], scores["missing"]) == (len(rows), num_lost)
    assert scores["missing_ids"] == inference["missing"]
    # under its other name the recording is there
    (tmp_path / "aliases.json").write_text(json.dumps({"95": lost}))
    code, inference = run(*words, "--aliases", str(tmp_path / "aliases.json"))
    assert (code, inference["missing"], inference["questions"]) == (0, [], len(rows))
