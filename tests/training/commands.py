"""The installed command in a process of its own, as a user or a job runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ORACLE = Path(sys.executable).with_name("oracle")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def document(self) -> Any:
        """The one JSON document on standard output; anything beside it raises."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a process that sees this home and no other setting of the machine."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORACLE_", "MLFLOW_"))}
    return kept | {"ORACLE_HOME": str(home)}


def oracle(home: Path, *arguments: object, timeout: float = 900) -> Ended:
    """Run `oracle` with a home of its own and return how it ended."""
    began = time.perf_counter()
    done = subprocess.run(
        [str(ORACLE), *map(str, arguments)],
        env=environment(home),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.perf_counter() - began)
