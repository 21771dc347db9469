import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from clipbug.runtime.allocator import keep_freed_memory
if "keep" in sys.argv:
    keep_freed_memory()
block = b"x" * 200_000_000
del block
print(open("/proc/self/statm").read().split()[1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc")
@pytest.mark.parametrize(
    ("words", "settings", "is_kept"),
    [
        (["keep"], {}, True),
        ([], {}, False),
        (["keep"], {"MALLOC_TRIM_THRESHOLD_": "131072"}, False),
    ],
    ids=["kept", "as glibc does", "the user's setting"],
)
def test_freed_memory_is_kept(words: list[str], settings: dict[str, str], is_kept: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    resident = int(done.stdout) * os.sysconf("SC_PAGE_SIZE")
    assert (resident > 200_000_000) == is_kept
