import os
import subprocess
import sys

import pytest
import torch

from clipbug.errors import ConfigError
from clipbug.runtime.precision import autocast, make_scaler, resolve_precision, why_not_bf16

CPU = torch.device("cpu")


@pytest.fixture
def bf16_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bf16 whose libraries are not limited."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("bf16_processor")
@pytest.mark.parametrize("native", [True, False])
def test_auto_is_bf16_only_where_it_is_native(monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native}, raising=False)
    assert resolve_precision("auto", CPU) == ("bf16" if native else "fp32")


@pytest.mark.usefixtures("bf16_processor")
@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({}, None),
        ({"ONEDNN_MAX_CPU_ISA": "ALL"}, None),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, None),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, "ONEDNN_MAX_CPU_ISA is AVX2, which has no bf16"),
        ({"ONEDNN_MAX_CPU_ISA": "avx512_core"}, "ONEDNN_MAX_CPU_ISA is avx512_core, which has no bf16"),
        ({"DNNL_MAX_CPU_ISA": "AVX2_VNNI"}, "DNNL_MAX_CPU_ISA is AVX2_VNNI, which has no bf16"),
        ({"ONEDNN_MAX_CPU_ISA": "ALL", "DNNL_MAX_CPU_ISA": "AVX2"}, None),  # as oneDNN reads them
    ],
)
def test_limits_of_onednn_are_respected(
    monkeypatch: pytest.MonkeyPatch, limits: dict[str, str], reason: str | None
) -> None:
    for name, value in limits.items():
        monkeypatch.setenv(name, value)
    assert why_not_bf16(CPU) == reason
    assert resolve_precision("auto", CPU) == ("bf16" if reason is None else "fp32")


@pytest.mark.usefixtures("bf16_processor")
def test_limits_of_torch_are_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert why_not_bf16(CPU) == "torch uses AVX2 instructions only, which have no bf16"
    assert resolve_precision("auto", CPU) == "fp32"


@pytest.mark.slow  # a process of its own: the libraries read their limits once
@pytest.mark.parametrize(
    "limit", [{"ATEN_CPU_CAPABILITY": "avx2"}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}], ids=["torch", "onednn"]
)
def test_auto_is_fp32_in_a_process_limited_to_avx2(limit: dict[str, str]) -> None:
    code = (
        "import torch; from clipbug.runtime.precision import resolve_precision;"
        'print(resolve_precision("auto", torch.device("cpu")))'
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**os.environ, **limit}, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "fp32"


def test_auto_is_fp32_where_torch_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_precision("auto", CPU) == "fp32"


def test_named_precision_is_kept() -> None:
    assert resolve_precision("bf16", CPU) == "bf16"
    assert resolve_precision("fp32", CPU) == "fp32"


def test_fp16_on_a_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"fp16 needs a GPU.*cpu"):
        resolve_precision("fp16", CPU)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_autocast_computes_in_the_precision(precision: str, dtype: torch.dtype) -> None:
    matrix = torch.ones(2, 2)
    with autocast(precision, CPU):
        assert (matrix @ matrix).dtype == dtype


def test_scaler_works_for_fp16_only() -> None:
    assert not make_scaler("bf16").is_enabled()
    assert not make_scaler("fp32").is_enabled()
