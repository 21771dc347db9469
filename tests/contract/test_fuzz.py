"""Damaged files decode, or are refused by name and reason; what crashes or hangs costs one file.

`python -m tests.contract.fuzz_decoders` is the full run; docs/storage.md has its counts.
"""

import os
import signal
import time
from collections import Counter

import pytest

from clipbug.runtime.contained import ContainedPool, Lost
from tests.contract.fuzz_decoders import fuzz, mutations

FINE = {"decoded", "refused with a reason"}
MEMORY_BYTES = 600 << 20  # a worker holds 60 MB of code; files of 64 x 160 pixels need nothing near the rest


@pytest.mark.parametrize(("count", "seed"), [(8, 1), pytest.param(160, 2, marks=pytest.mark.slow)])
def test_every_damaged_file_decodes_or_is_named(count: int, seed: int) -> None:
    outcomes, highest = fuzz(count, seed, num_workers=2)
    total: Counter[str] = sum(outcomes.values(), Counter())
    assert total.total() == count * 13
    assert {outcome for outcome in total if outcome not in FINE} == set()
    assert total["decoded"] > count
    assert total["refused with a reason"] > count
    assert highest < MEMORY_BYTES


def crash_or_hang(word: str) -> str:
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "hang":
        time.sleep(600)
    if word == "exit":
        os._exit(7)
    if word == "raise":
        raise ValueError("of the function's own")
    return word.upper()


@pytest.mark.slow
def test_a_crash_costs_one_item_and_the_order_stays() -> None:
    words = ["a", "crash", "b", "c", "exit", "hang", "d", "e"]
    pool = ContainedPool(crash_or_hang, num_workers=2, seconds_per_item=3.0)
    results = list(pool.map(words))
    assert results == [
        "A",
        Lost("crashed (SIGSEGV)"),
        "B",
        "C",
        Lost("crashed (exit code 7)"),
        Lost("took more than 3 s"),
        "D",
        "E",
    ]


def test_what_the_function_raises_reaches_the_caller() -> None:
    pool = ContainedPool(crash_or_hang, num_workers=1, seconds_per_item=30.0)
    results = pool.map(["a", "raise", "b"])
    assert next(results) == "A"
    with pytest.raises(ValueError, match="of the function's own"):
        next(results)


def test_no_items() -> None:
    assert list(ContainedPool(crash_or_hang, num_workers=2, seconds_per_item=1.0).map([])) == []


def test_mutations_are_reproducible() -> None:
    files = {"a": bytes(range(256)) * 20, "b": os.urandom(3000)}
    assert list(mutations(files, 20, 3)) == list(mutations(files, 20, 3))
