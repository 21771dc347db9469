"""Starts a command line again and again and kills it with SIGKILL, until so many kills are done.

    python -m tests.helpers.killing NUMBER SEED METRICS -- COMMAND...

The program imports everything once and forks for each start, so that twenty starts do not take minutes. Some
starts read with worker processes or save in the background, and some are killed while they start. The number
of times that the command ended before it was killed is the exit code.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch.utils.tensorboard
import transformers.models.bert.modeling_bert  # noqa: F401

import clipbug.recipes.train  # noqa: F401
from clipbug.cli.main import main

_SECONDS_TO_START = 60.0
_SECONDS_AT_WORK = 0.35


def _start(words: list[str], chance: random.Random) -> int:
    extra = ["--set", f"train.background_saves={chance.random() < 0.3}"]
    extra += ["data.num_workers=2"] if chance.random() < 0.2 else []
    pid = os.fork()
    if pid == 0:
        main([*words, *extra])
    return pid


def _wait_until_at_work(metrics: Path, pid: int) -> bool:
    """Whether the process writes metrics; false if it has ended."""
    before = metrics.stat().st_mtime_ns if metrics.exists() else 0
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        if metrics.exists() and metrics.stat().st_mtime_ns != before:
            return True
        time.sleep(0.005)
    raise TimeoutError(f"process {pid} does not begin")


def kill_repeatedly(number: int, seed: int, metrics: Path, words: list[str]) -> int:
    """Returns how often the command ended by itself."""
    chance = random.Random(seed)
    ended = 0
    for _ in range(number):
        pid = _start(words, chance)
        if chance.random() < 0.75:
            _wait_until_at_work(metrics, pid)
        time.sleep(chance.uniform(0, _SECONDS_AT_WORK))
        os.kill(pid, signal.SIGKILL)
        ended += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != -signal.SIGKILL
    return ended


if __name__ == "__main__":
    split = sys.argv.index("--")
    torch.set_num_threads(1)
    sys.exit(kill_repeatedly(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[split + 1 :]))
