"""Time, chance and the environment are arguments: only the edges read them, and each exception says why."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
READS = re.compile(
    r"(time\.(time|time_ns|localtime|gmtime|strftime)"
    r"|(dt\.|datetime\.)?(datetime|date)\.(now|today|utcnow)"
    r"|os\.(environ|environb|getenv|putenv|urandom|getlogin)(\..*)?"
    r"|(np|numpy)\.random\.(?!default_rng|Generator|SeedSequence|PCG64|Philox|SFC64)\w+"
    r"|random\.(?!Random$)\w+|uuid\.uuid[14]|secrets\.\w+|(pd\.)?Timestamp\.(now|today|utcnow))"
)
UNSEEDED = re.compile(r"(np\.random\.|numpy\.random\.)?default_rng|random\.Random|(np\.random\.)?SeedSequence")
MONOTONIC = "time.perf_counter"
"""Measures how long something took and says nothing of when: allowed everywhere."""
ALLOWED = {
    "oracle/settings/tree.py": ({"os.environ"}, "the one reader of the environment; called by the edges only"),
    "oracle/process.py": ({"os.environ"}, "settles what libraries read when they load; called by the edges only"),
    "oracle/tracking/connection.py": ({"os.environ"}, "MLflow reads its switches from the environment, when imported"),
    "oracle/data/folder.py": ({"os.environ"}, "the address of an S3 store other than Amazon's, as its tools name it"),
    "oracle/artifacts/files.py": ({"os.urandom"}, "a key of its own for each file that is sealed"),
    "oracle/artifacts/repository.py": ({"os.environ"}, "MLflow's server tells its workers their stores there"),
    "oracle/artifacts/sweep.py": ({"os.urandom"}, "a nonce for each new header"),
    "oracle/artifacts/bucket.py": ({"os.environ"}, "the address of an S3 store, as MLflow and its tools name it"),
    "oracle/cluster.py": (
        {"os.environ", "secrets.token_hex"},
        "how to authenticate at Ray, with a token of our own",
    ),
    "jobs/tune.py": ({"os.environ"}, "Ray tells a job its address in the environment"),
    "jobs/drift.py": ({"os.environ"}, "Ray tells a job its address in the environment"),
    "jobs/retrain.py": ({"os.environ"}, "Ray tells a job its address in the environment"),
    "oracle/replay/parts.py": ({"os.environ"}, "the server of a replay runs in the environment of its parent"),
    "oracle/cli": (
        {"datetime.now", "os.environ", "os.urandom", "secrets.token_hex"},
        "the edge: it hands moment, chance and ids down",
    ),
    "oracle/serving/wiring.py": (
        {"os.environ", "secrets.token_hex"},
        "how to authenticate at Ray, with a token of our own; how long MLflow and S3 are waited for",
    ),
    "oracle/deployment/passwords.py": (
        {"secrets.token_urlsafe", "secrets.token_bytes", "secrets.token_hex"},
        "the passwords and keys of a new deployment",
    ),
    "oracle/tracking_server": (
        {"datetime.now", "uuid.uuid4", "os.environ", "secrets.token_bytes", "secrets.token_urlsafe"},
        "an edge: MLflow calls the app, and leaves its addresses in the environment",
    ),
    "oracle/serving": ({"datetime.now", "time.time", "uuid.uuid4"}, "the edge: moment and id of a request"),
}
"""Where a clock, chance or the environment is read, which of them, and why there."""


def reads(file: Path) -> dict[str, int]:
    """Return what a file reads of clock, chance and environment, by the words it uses, with the first line."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if (
            isinstance(node, ast.Call)
            and not node.args
            and not node.keywords
            and UNSEEDED.fullmatch(ast.unparse(node.func))
        ):
            found.setdefault(f"{ast.unparse(node.func)}()", node.lineno)
        if isinstance(node, ast.Attribute) and READS.fullmatch(words := ast.unparse(node)):
            found.setdefault(words, node.lineno)
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "random", "secrets", "uuid"):
            found.setdefault(f"from {node.module}", node.lineno)
    return found


FILES = sorted(
    f.relative_to(REPOSITORY).as_posix() for top in ("oracle", "jobs") for f in (REPOSITORY / top).rglob("*.py")
)


def allowed(file: str) -> set[str]:
    return next(
        (words for where, (words, _) in ALLOWED.items() if file == where or file.startswith(f"{where}/")), set()
    )


@pytest.mark.parametrize("file", FILES)
def test_nobody_below_the_edges_reads_clock_chance_or_environment(file: str) -> None:
    surplus = {w: line for w, line in reads(REPOSITORY / file).items() if not any(a in w for a in allowed(file))}
    assert not surplus, f"{file}: take these as arguments: {surplus}"


def test_every_exception_is_still_needed() -> None:
    for where, (words, why) in ALLOWED.items():
        used = [w for file in FILES if file == where or file.startswith(f"{where}/") for w in reads(REPOSITORY / file)]
        assert used, f"{where} ({why}) reads nothing any more"
        assert {a for a in words if any(a in w for w in used)} == words, f"{where}: {words} are not all used"


@pytest.mark.parametrize(
    "line",
    [
        "t = time.time()",
        "d = dt.datetime.now(dt.UTC)",
        "e = os.environ['A']",
        "r = np.random.rand(3)",
        "g = default_rng()",
    ],
)
def test_the_search_finds_what_it_is_for(line: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(line)
    assert reads(tmp_path / "x.py")


@pytest.mark.parametrize(
    "line", ["g = np.random.default_rng(seed)", "t = time.perf_counter()", "d = dt.date(2020, 1, 1)"]
)
def test_the_search_lets_the_honest_through(line: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(line)
    assert not reads(tmp_path / "x.py")
