"""Inference over a store: it goes on after every kind of end, names bad files, keeps the order of rows."""

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from clipbug.config import RunConfig
from clipbug.config.inference import InferenceSettings
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.store.store import MediaStore, StoreWriter
from clipbug.errors import CheckpointError, ClipbugError, ConfigError, DataError
from clipbug.inference.report import InferenceReport
from clipbug.inference.result_log import ResultLog, ResultWriter
from clipbug.recipes.evaluate import evaluate
from clipbug.recipes.infer import infer
from clipbug.runtime.distributed import Distributed
from clipbug.runtime.tensors import load_tensors, save_tensors
from clipbug.tasks import predictions
from clipbug.tasks.base import Prediction
from tests.helpers.fake_recipes import exit_code_of
from tests.helpers.model_folders import save_model
from tests.helpers.processes import worker_of_rank

NAMES = ("even", "late", "uneven", "matroska", "still")
TEXTS = ("what is tapped first?", "which screen is this", "nothing happens when delete is tapped")


@pytest.fixture
def run(tmp_path: Path, tiny_config: RunConfig, tiny_tokenizer: PreTrainedTokenizerBase) -> Path:
    answers = AnswerVocabulary(("save", "cancel", "delete"))
    return save_model(tmp_path / "run", tiny_config, tiny_tokenizer, answers)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Three questions about each of five recordings, not in the order of recordings."""
    rows = [
        {"question_id": f"{name}-{number}", "video_id": name, "question": text}
        for number, text in enumerate(TEXTS)
        for name in NAMES
    ]
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


Ask = Callable[..., InferenceReport]


@pytest.fixture
def ask(run: Path, questions: Path, synthetic_store: Path, tmp_path: Path) -> Ask:
    def call(**changes: Any) -> InferenceReport:
        arguments: dict[str, Any] = {
            **{"storage": tmp_path, "run": run, "data": questions, "media": (synthetic_store,)},
            **{"output": tmp_path / "out", "batch_size": 2},
        }
        arguments |= changes
        own = {name: arguments.pop(name) for name in ("storage", "output", "scores") if name in arguments}
        return infer(InferenceSettings(**arguments), **own)

    return call


def lines_of(report: InferenceReport) -> list[str]:
    return Path(report.predictions).read_text(encoding="utf-8").splitlines()


def test_predictions_stand_in_the_order_of_the_rows(ask: Ask, questions: Path) -> None:
    report = ask()
    ids = [json.loads(line)["question_id"] for line in questions.read_text().splitlines()]
    assert [json.loads(line)["question_id"] for line in lines_of(report)] == ids
    assert (report.questions, report.recordings, report.failures) == (15, 5, ())
    assert (report.resumed, report.frames) == (0, 5 * 2 * 2)
    assert 0 < report.frames_encoded <= report.frames
    assert not (Path(report.predictions).parent / "parts").exists()


class StoppedError(Exception):
    """Stands for a kill."""


def stop_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Adding to the result log ends the process, after `count` batches."""
    add = ResultWriter.add
    calls: list[int] = []

    def add_or_stop(writer: Any, done: Any) -> None:
        if len(calls) == count:
            raise StoppedError
        calls.append(1)
        add(writer, done)

    monkeypatch.setattr(ResultWriter, "add", add_or_stop)


@pytest.mark.parametrize("count", [1, 2])
def test_a_stopped_inference_goes_on(ask: Ask, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    whole = lines_of(ask())
    with monkeypatch.context() as patch:
        stop_after(patch, count)
        with pytest.raises(StoppedError):
            ask()
    report = ask()
    assert report.resumed == 2 * len(TEXTS) * count
    for line, expected in zip(lines_of(report), whole, strict=True):
        assert json.loads(line)["answer"] == json.loads(expected)["answer"]
        assert json.loads(line)["question_id"] == json.loads(expected)["question_id"]


def test_a_transaction_that_was_not_committed_is_computed_again(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(StoppedError):
            ask()
    with closing(sqlite3.connect(tmp_path / "out" / "parts" / "rank-00000.sqlite")) as database:
        database.execute("DELETE FROM results WHERE key = (SELECT min(key) FROM results)")
        database.rollback()
        database.execute("DELETE FROM results WHERE key = (SELECT max(key) FROM results)")
        database.commit()
    report = ask()
    assert report.resumed == 2 * len(TEXTS) - 1
    assert len({json.loads(line)["id"] for line in lines_of(report)}) == len(lines_of(report)) == 15


def test_other_settings_start_anew(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(StoppedError):
            ask()
    report = ask(num_clips=3)
    assert report.resumed == 0
    assert {len(json.loads(line)["clips"]) for line in lines_of(report)} == {3}


def test_killed_between_result_and_tidying_up_nothing_is_computed_again(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ResultLog, "remove", lambda log: None)
        first = ask()
    second = ask()
    assert (second.resumed, second.frames) == (15, 0)
    assert lines_of(first) == lines_of(second)


def test_other_settings_do_not_disturb_an_inference_that_is_under_way(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(StoppedError):
            ask()
    part = tmp_path / "out" / "parts" / "rank-00001.sqlite"
    with ResultWriter(part), pytest.raises(ClipbugError, match="another process is writing"):
        ask(num_clips=3)
    assert part.exists()
    assert ask().resumed == 2 * len(TEXTS)


def test_a_machine_without_the_folder_of_the_others_is_told_before_the_work(tmp_path: Path) -> None:
    log = ResultLog(tmp_path, {})
    other = Distributed(rank=1, local_rank=0, world_size=1, device=torch.device("cpu"))
    with pytest.raises(ClipbugError, match=r"rank 1 does not see .*settings\.json") as caught:
        log.open(other)
    assert "--output" in caught.value.hint


def test_answers_that_are_elsewhere_are_missed(ask: Ask, tmp_path: Path) -> None:
    """As of a process whose part this machine does not see."""
    add = ResultWriter.add
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResultWriter, "add", lambda writer, done: add(writer, done[1:]))
        with pytest.raises(ClipbugError, match="3 of 15 results are not in"):
            ask()
    assert not (tmp_path / "out" / "predictions.jsonl").exists()
    assert ask().resumed == 12


def test_what_a_killed_process_left_of_its_results_goes(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in (".predictions.jsonl.0123abcd.tmp", ".scores.npz.0123abcd.tmp"):
        (tmp_path / "out" / name).write_text("{")
    ask(scores=tmp_path / "out" / "scores.npz")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"predictions.jsonl", "inference.json", "scores.npz"}


@pytest.fixture
def store_with_bad_file(synthetic_store: Path, tmp_path: Path) -> Path:
    """`late` lost its end after it was ingested."""
    source, path = MediaStore(synthetic_store), tmp_path / "store"
    with StoreWriter(path) as writer:
        writer.put_many((source.entry(name), source.read(name)) for name in NAMES)
    data = source.read("late")
    with (
        lmdb.open(str(path), max_dbs=1, map_size=2**24) as environment,
        environment.begin(write=True) as write,
    ):
        write.put(b"late", data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    return path


def test_one_bad_recording_is_named_and_stops_nothing(ask: Ask, store_with_bad_file: Path) -> None:
    report = ask(media=[store_with_bad_file], num_clips=8)
    (failure,) = report.failures
    assert failure["media_id"] == "late"
    assert "late" in failure["reason"]
    assert len(failure["ids"]) == len(TEXTS)
    assert (report.questions, report.recordings) == (12, 4)
    assert {json.loads(line)["media_id"] for line in lines_of(report)} == set(NAMES) - {"late"}


def test_the_command_names_a_bad_recording_and_ends_with_3(
    run: Path, questions: Path, store_with_bad_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--run", run, "--data", questions, "--media", store_with_bad_file, "--output", tmp_path / "out")
    assert exit_code_of("infer", *map(str, words), "--n-clips", "8", "--json") == 3
    report = json.loads(capsys.readouterr().out)
    assert [failure["media_id"] for failure in report["failures"]] == ["late"]
    answered = [json.loads(line) for line in Path(report["predictions"]).read_text("utf-8").splitlines()]
    assert len(answered) == (len(NAMES) - 1) * len(TEXTS)
    assert {row["media_id"] for row in answered} == set(NAMES) - {"late"}

    assert exit_code_of("infer", *map(str, words), "--n-clips", "8") == 3
    assert "late" in capsys.readouterr().out


def change_weights(run: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    tensors = load_tensors(run / "model.safetensors")
    change(tensors)
    save_tensors(run / "model.safetensors", tensors)


def test_weights_that_are_not_finite_are_refused(ask: Ask, run: Path) -> None:
    change_weights(run, lambda tensors: tensors["bert.pooler.dense.bias"].fill_(float("inf")))
    with pytest.raises(CheckpointError, match=r"bert\.pooler\.dense\.bias: 0 values are NaN and 16 infinite"):
        ask()


def test_scores_that_are_not_finite_are_no_predictions(ask: Ask, run: Path) -> None:
    def overflow(tensors: dict[str, Tensor]) -> None:
        first_weight, first_bias, second_weight, _ = sorted(
            (name for name in tensors if name.startswith("head.")),
            key=lambda name: (name.rpartition(".")[0], "bias" in name),
        )
        tensors[first_weight].zero_()
        tensors[first_bias].fill_(1e30)
        tensors[second_weight].fill_(1e30)  # finite, and no product of the two is

    change_weights(run, overflow)
    report = ask()
    assert lines_of(report) == []
    assert (report.questions, report.recordings) == (0, 0)
    assert {failure["media_id"] for failure in report.failures} == set(NAMES)
    assert sorted(row for failure in report.failures for row in failure["ids"]) == sorted(
        f"{name}-{number}" for name in NAMES for number in range(len(TEXTS))
    )
    assert all("not finite" in failure["reason"] for failure in report.failures)


def test_only_the_questions_without_scores_are_named(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    build = predictions.build_predictions

    def with_one_nan(*args: Any, **kwargs: Any) -> list[Prediction]:
        return [
            replace(one, probability=float("nan")) if one.record_id == f"{NAMES[0]}-1" else one
            for one in build(*args, **kwargs)
        ]

    monkeypatch.setattr("clipbug.tasks.question_answering.build_predictions", with_one_nan)
    report = ask()
    assert [(failure["media_id"], failure["ids"]) for failure in report.failures] == [
        (NAMES[0], [f"{NAMES[0]}-1"])
    ]
    assert len(lines_of(report)) == len(NAMES) * len(TEXTS) - 1
    for line in lines_of(report):
        json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@pytest.mark.parametrize(("option", "says"), [("output", "is a file"), ("scores", "is a folder")])
def test_results_must_have_where_to_go(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str, says: str
) -> None:
    monkeypatch.setattr(
        "clipbug.inference.answers.load_inference_model", lambda *_, **__: pytest.fail("loaded")
    )
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ConfigError, match=says):
        ask(**{option: tmp_path / "a.txt" if option == "output" else tmp_path})


def test_evaluate_makes_predictions_on_the_stores_that_are_named(
    run: Path, questions: Path, synthetic_store: Path, tmp_path: Path
) -> None:
    rows = [json.loads(line) | {"answer": "save"} for line in questions.read_text().splitlines()]
    data = tmp_path / "answered.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    other = tmp_path / "other store"
    shutil.copytree(synthetic_store, other)
    found = [
        evaluate(storage=tmp_path, run=run, data=data, media=[store]).predictions
        for store in (synthetic_store, other, synthetic_store)
    ]
    assert found[0] == found[2] != found[1], "made once for each store"
    stores = [json.loads(Path(file).with_name("inference.json").read_text())["media"] for file in found]
    assert stores == [[str(synthetic_store)], [str(other)], [str(synthetic_store)]]
    with pytest.raises(DataError, match="none of the 15 rows"):  # nothing was inferred for that
        evaluate(storage=tmp_path, run=run, data=questions, media=[synthetic_store])
    assert len(list((run / "predictions").iterdir())) == 2
    with pytest.raises(DataError, match="nowhere"):
        evaluate(storage=tmp_path, run=run, data=data, media=[tmp_path / "nowhere"])


def test_scores_stand_beside_the_predictions(ask: Ask, tmp_path: Path) -> None:
    report = ask(scores=tmp_path / "scores.npz")
    rows = [json.loads(line) for line in lines_of(report)]
    with np.load(tmp_path / "scores.npz") as scores:
        assert scores["question_ids"].tolist() == [row["question_id"] for row in rows]
        assert scores["media_ids"].tolist() == [row["media_id"] for row in rows]
        assert scores["pooled_logits"].shape == (15, 3)
        assert scores["clip_logits"].shape == (15, 2, 3)
        best = scores["pooled_logits"].argmax(axis=1)
    assert [("save", "cancel", "delete")[index] for index in best] == [row["answer"] for row in rows]


def test_bf16_answers_nearly_the_same(ask: Ask, tmp_path: Path) -> None:
    logits = []
    for name in ("fp32", "bf16"):
        report = ask(scores=tmp_path / f"{name}.npz", precision=name)
        assert report.precision == name
        logits.append(np.load(tmp_path / f"{name}.npz")["clip_logits"])
    difference = np.abs(logits[1] - logits[0]).max()
    assert 0 < difference < 0.1  # 8 bits of mantissa on logits of about 1


@pytest.mark.slow
@pytest.mark.alone
def test_killed_again_and_again_none_is_lost_or_doubled(
    run: Path, questions: Path, synthetic_store: Path, tmp_path: Path, ask: Ask
) -> None:
    """SIGKILL of a real process as soon as its part has grown, until one comes through; then two ranks."""
    expected = lines_of(ask())
    words = ["infer", "--run", str(run), "--data", str(questions), "--media", str(synthetic_store)]
    words += ["--output", str(tmp_path / "out"), "--batch-size", "1", "--storage", str(tmp_path), "-q"]
    kills = 0
    while kills < 3:
        with subprocess.Popen([sys.executable, "-m", "clipbug", *words], env=os.environ) as process:
            before = _size(tmp_path)
            while process.poll() is None:
                if _size(tmp_path) > before:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
            assert process.returncode == -signal.SIGKILL
            kills += 1
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*launcher, "-m", "--", "clipbug", *words], check=True, env=os.environ)
    lines = (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [json.loads(line)["id"] for line in expected]
    assert [json.loads(line)["answer"] for line in lines] == [json.loads(line)["answer"] for line in expected]
    note = json.loads((tmp_path / "out" / "inference.json").read_text())
    assert note["resumed"] >= kills


def _size(folder: Path) -> int:
    return _num_results(folder / "out" / "parts")


def _many(source: Path, path: Path, questions: Path, count: int) -> list[str]:
    """A store of so many recordings, the last one damaged, and two questions about each; ids of the rows."""
    store = MediaStore(source)
    ids = {f"many-{number:04d}": NAMES[number % len(NAMES)] for number in range(count)}
    with StoreWriter(path) as writer:
        writer.put_many(
            (replace(store.entry(name), media_id=one), store.read(name)) for one, name in ids.items()
        )
        writer.put_many([(replace(store.entry("late"), media_id="damaged"), store.read("late")[:-2000])])
    rows = [(f"{one}-{number}", one, TEXTS[number]) for number in (0, 1) for one in [*ids, "damaged"]]
    keys = ("question_id", "video_id", "question")
    questions.write_text("".join(f"{json.dumps(dict(zip(keys, row, strict=True)))}\n" for row in rows))
    return [row[0] for row in rows if row[1] != "damaged"]


def _start(words: list[str], num_processes: int) -> subprocess.Popen[str]:
    runner = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    runner += [str(num_processes), "-m", "--", "clipbug"]
    command = runner if num_processes > 1 else [sys.executable, "-m", "clipbug"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, *words], env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.alone
def test_a_long_job_goes_on_with_any_number_of_processes(
    run: Path, synthetic_store: Path, tmp_path: Path, ask: Ask
) -> None:
    """Three hundred recordings and a damaged one: killed as one process, as two, and ended by three."""
    store, questions = tmp_path / "many", tmp_path / "many.jsonl"
    ids = _many(synthetic_store, store, questions, 300)
    words = ["infer", "--run", str(run), "--data", str(questions), "--media", str(store), "--batch-size", "2"]
    words += ["--output", str(tmp_path / "out"), "--storage", str(tmp_path), "-q"]
    for num_processes, least in ((1, 100), (2, 300)):
        process = _start(words, num_processes)
        while _num_results(tmp_path / "out" / "parts") < least:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        os.kill(process.pid if num_processes == 1 else worker_of_rank(process.pid, 1), signal.SIGKILL)
        process.communicate(timeout=60)
    last = _start(words, 3)
    _, text = last.communicate(timeout=120)
    assert last.returncode == 1, "torchrun has one code for all that is not 0"
    assert text.count("exitcode  : ") == text.count("exitcode  : 3 ") == 1, "only of the process that writes"
    note = json.loads((tmp_path / "out" / "inference.json").read_text())
    assert [failure["media_id"] for failure in note["failures"]] == ["damaged"]
    assert 300 <= note["resumed"] < len(ids)
    killed = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in killed] == ids
    whole = lines_of(ask(data=questions, media=[store], output=tmp_path / "whole"))
    assert [json.loads(line)["answer"] for line in killed] == [json.loads(line)["answer"] for line in whole]


def _num_results(parts: Path) -> int:
    """Results that are committed, read while the processes hold their locks."""
    return sum(_committed(path) for path in parts.glob("rank-*.sqlite"))


def _committed(path: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM results").fetchone()[0])
    except sqlite3.DatabaseError:  # it is being written
        return 0


def make_read_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be made in the folder (for root too, who ignores permissions)."""

    def check(path: Path) -> None:
        if path.is_relative_to(folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Path, *arguments: Any, **named: Any) -> Any:
            check(path)
            return method(path, *arguments, **named)

        return call

    def temporary_file(dir: Path) -> Any:
        check(dir)
        return make_temporary(dir=dir)

    make_temporary = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", temporary_file)
    for name in ("write_bytes", "write_text", "mkdir"):
        monkeypatch.setattr(Path, name, guarded(getattr(Path, name)))


def test_a_run_that_cannot_be_written_is_scored(
    run: Path,
    synthetic_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = [
        {"question_id": name, "video_id": name, "question": TEXTS[0], "answer": "save"} for name in NAMES[:2]
    ]
    data = tmp_path / "test.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "vis_db").symlink_to(synthetic_store.parent)
    before = sorted(run.rglob("*"))
    make_read_only(run, monkeypatch)
    with pytest.raises(ClipbugError, match="cannot write predictions") as caught:
        infer(InferenceSettings(run=run, data=data), storage=tmp_path)
    assert "--output" in caught.value.hint
    for _ in range(2):
        scores = evaluate(storage=tmp_path, run=run, data=data).to_json()
        assert scores["count"] == 2
    assert f"{run} cannot be written: predictions go to {tmp_path}/elsewhere" in caplog.text
    # The next time they are in a folder that can be written, which the user names.
    predictions = Path(scores["predictions"])
    monkeypatch.undo()
    make_read_only(predictions.parent, monkeypatch)
    assert evaluate(storage=tmp_path, predictions=predictions, data=data).to_json()["count"] == 2
    assert "the scores are not kept: cannot write" in caplog.text
    assert sorted(run.rglob("*")) == before
