"""A process that fails ends the whole run soon, and both say what happened."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
    from clipbug.cli.reporting import start_logging
    from clipbug.errors import ClipbugError
    from clipbug.runtime.distributed import gather_objects, joined_processes
    start_logging(quiet=False, verbose=False)
    with joined_processes() as processes:
        gather_objects([1], processes)
        if processes.rank == 1:
            raise ValueError("the disk of this node is gone")
        try:
            while True:
                gather_objects([2], processes)
        finally:
            print("rank 0 is free again", flush=True)
"""


def run_two(program: Path) -> subprocess.CompletedProcess[str]:
    """The program in two processes, to its end."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            str(program),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_other_process_ends_and_the_failure_is_told(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    done = run_two(program)
    assert done.returncode != 0
    assert "rank 1 of 2 failed" in done.stderr
    assert "ValueError: the disk of this node is gone" in done.stderr  # with its traceback
    assert "line 11" in done.stderr
    assert "rank 0 of 2: the connection to another rank was lost" in done.stderr or "Signal 15" in done.stderr


WAITING = """
    import datetime, time
    from torch.distributed import distributed_c10d
    from clipbug.runtime.distributed import gather_objects, joined_processes
    distributed_c10d.default_pg_timeout = datetime.timedelta(seconds=2)
    with joined_processes(patience=PATIENCE) as processes:
        time.sleep(5 * processes.rank)
        assert gather_objects([processes.rank], processes) == [0, 1]
"""


@pytest.mark.parametrize("patience", ["None", "datetime.timedelta(seconds=60)"])
def test_a_fast_process_waits_for_a_slow_one_as_long_as_it_is_told(tmp_path: Path, patience: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(WAITING).replace("PATIENCE", patience))
    done = run_two(program)
    assert (done.returncode == 0) == (patience != "None"), done.stderr
    assert ("Timed out" in done.stderr) == (patience == "None")
