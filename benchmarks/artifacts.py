"""What sealing costs: bytes per CPU second beside a plain copy of the same file, and the memory it takes.

    python benchmarks/artifacts.py [MEGABYTES]

Writes a file of random bytes to a temporary folder, then copies, seals and opens it in turns. Prints one document:
megabytes per CPU second of each way (the best of the rounds: what others do to the memory of the disk is charged to
whoever writes), `ratio`, the CPU time of sealing and of opening over that of the copy, and `grown_mb`, by how much
the peak memory of the process grew between a small file and the large one. Nothing is left behind.
"""

from __future__ import annotations

import filecmp
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time

from oracle import process
from oracle.artifacts import files
from oracle.artifacts.envelope import FRAME, SECRET, Key
from oracle.artifacts.files import open_to, pieces, replacing, seal

ROUNDS = 7
NAME = "file:///benchmark"


def main(megabytes: int = 256) -> int:
    """Measure and print; 1 where what was opened is not what was sealed."""
    key = Key(os.urandom(SECRET))
    with tempfile.TemporaryDirectory() as folder:
        plain, copied, sealed, opened = (Path(folder) / name for name in ("plain", "copied", "sealed", "opened"))

        def copy() -> None:
            with replacing(copied) as out, plain.open("rb") as stream:
                for piece in pieces(stream):
                    out.write(piece)

        def close() -> None:
            sealed.unlink(missing_ok=True)
            with plain.open("rb") as stream:
                seal(files.pieces(stream), sealed, key, NAME)

        def unclose() -> None:
            open_to(sealed, opened, {key.id: key}, NAME)

        ways: dict[str, Callable[[], None]] = {"copy": copy, "seal": close, "open": unclose}
        _fill(plain, 2)
        for way in ways.values():
            way()
        before = process.peak_memory_mb()
        _fill(plain, megabytes)
        spent: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                began = process_time()
                way()
                spent[name].append(process_time() - began)
        grown = process.peak_memory_mb() - before
        equal = filecmp.cmp(plain, opened, shallow=False)
    seconds = {name: min(times) for name, times in spent.items()}
    document = {
        "megabytes": megabytes,
        "mb_per_cpu_second": {name: round(megabytes / each) for name, each in seconds.items()},
        "ratio": {name: round(seconds[name] / seconds["copy"], 2) for name in ("seal", "open")},
        "grown_mb": round(grown, 1),
        "equal": equal,
    }
    print(json.dumps(document))  # noqa: T201 - the result
    return 0 if equal else 1


def _fill(file: Path, megabytes: int) -> None:
    with file.open("wb") as out:
        for _ in range(megabytes):
            out.write(os.urandom(FRAME))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
