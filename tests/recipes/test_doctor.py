"""`clipbug doctor` finds what is wrong, says what to do, and leaves nothing behind."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from clipbug.checks.environment import machine as health_machine
from clipbug.checks.environment.result import Finding
from clipbug.data.store.lmdb_environment import DATA_FILE
from clipbug.recipes.doctor import examine
from tests.helpers.fake_recipes import exit_code_of

Usage = namedtuple("Usage", ["total", "used", "free"])


def finding(findings: tuple[Finding, ...], check: str) -> Finding:
    return next(found for found in findings if found.check == check)


def test_a_sound_machine(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    storage.mkdir()
    report = examine(storage=storage)
    errors = [found for found in report.findings if found.status == "error"]
    assert errors == []
    assert report.is_usable
    assert "mp4" in finding(report.findings, "decoding").found
    assert "tiny/vqa" in finding(report.findings, "presets").found
    assert str(storage) in finding(report.findings, "lmdb").found
    assert list(storage.iterdir()) == []


def test_precision_and_operations_are_named_with_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    findings = tuple(health_machine.check_device())
    reason = "torch uses AVX2 instructions only, which have no bf16"
    assert finding(findings, "precision").found == f'"auto" is fp32 here: {reason}'
    assert finding(findings, "inference").found.startswith("fp32 by ")
    monkeypatch.setattr("clipbug.models.inference.onednn.can_fuse", lambda dtype: False)
    assert "single operations of torch" in finding(tuple(health_machine.check_device()), "inference").found


def test_a_cut_off_store_is_an_error_with_exit_code_1(
    synthetic_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "vis_db" / "calls"
    store.mkdir(parents=True)
    data = (synthetic_store / DATA_FILE).read_bytes()
    (store / DATA_FILE).write_bytes(data[: len(data) // 2])
    assert exit_code_of("doctor", "--storage", str(tmp_path), "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["usable"] is False
    [broken] = [found for found in report["findings"] if found["status"] == "error"]
    assert broken["check"] == "store"
    assert "cut off" in broken["found"]
    assert broken["fix"]


def test_what_is_in_the_storage(synthetic_store: Path, tmp_path: Path) -> None:
    shutil.copytree(synthetic_store, tmp_path / "vis_db" / "calls")
    (tmp_path / "txt_db").mkdir()
    (tmp_path / "txt_db" / "train.jsonl").write_text("{}")
    found = finding(examine(storage=tmp_path).findings, "storage").found
    assert "6 recordings and screenshots in 1 stores, 1 annotation files, 0 runs" in found


def test_little_disk_and_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(health_machine.shutil, "disk_usage", lambda place: Usage(64e6, 0, 64e6))
    monkeypatch.setattr("clipbug.runtime.memory.available_memory", lambda: int(2e9))
    findings = examine(storage=tmp_path).findings
    assert finding(findings, "disk").status == "error"
    assert finding(findings, "memory").status == "warning"
    assert "--shm-size" in finding(findings, "shared memory").fix
    assert all(found.fix for found in findings if found.status != "ok")


def test_a_missing_package_is_named_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_machine, "_PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.setattr(health_machine, "requires", lambda name: ['no-such-package>=3; extra == "x"', "a>1"])
    missing, there = health_machine.check_packages()
    assert missing.status == "error"
    assert missing.fix == 'pip install "no-such-package"'
    assert there.found.startswith("numpy ")


def test_a_missing_extra_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_machine, "_EXTRAS", (("serve", ("no_such_module",), "for clipbug serve"),))
    [found] = health_machine.check_extras()
    assert found.status == "ok"
    assert found.fix == 'pip install "clipbug[serve]"'


def test_a_check_that_breaks_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken() -> None:
        raise ImportError("libcuda.so: no such file")

    monkeypatch.setattr("clipbug.recipes.doctor.check_device", broken)
    findings = examine(storage=tmp_path).findings
    assert any("libcuda.so" in found.found and found.status == "error" for found in findings)
    assert finding(findings, "presets").status == "ok"
