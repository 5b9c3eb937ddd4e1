"""What is compiled is kept where that is possible, and works where it is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SCRIPT = """
import numpy as np
from numba.core import caching
def nowhere(*args, **kwargs):
    return None
for locator in caching.CacheImpl._locator_classes:
    locator.from_function = nowhere
from oracle.features import within
print(within.centred(np.array([1.0, 3.0]), np.array([0, 2])).tolist())
"""


def test_an_installation_that_nobody_may_write_to_works_all_the_same():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert (done.returncode, done.stdout.strip()) == (0, "[-1.0, 1.0]"), done.stderr


def test_what_was_compiled_is_kept_for_the_next_process(tmp_path: Path):
    room = tmp_path / "a" / "oracle"
    shutil.copytree(REPOSITORY / "oracle", room, ignore=shutil.ignore_patterns("__pycache__", "cli", "data"))
    script = "import numpy as np; from oracle.features import within; within.mean(np.ones(2), np.array([0, 2]))"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", script], check=True, cwd=room.parent)
    assert list(room.glob("features/__pycache__/within._mean-*.nbi"))
