"""The outside of the house: what stands where, how large it may be, and what it is built from."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOP = {
    *("oracle", "jobs", "tests", "serve_config.yaml", "cluster.yaml", "pyproject.toml", "README.md", "Makefile", ".ci"),
    *(
        "deploy",
        "benchmarks",
        "docs",
        "CHANGELOG.md",
        "requirements.lock",
        "scripts",
        "LICENSE",
        ".rayignore",
        ".gitignore",
    ),
}
NEEDED = {
    "oracle",
    "jobs",
    "tests",
    "serve_config.yaml",
    "pyproject.toml",
    "README.md",
    "Makefile",
    "requirements.lock",
}
EMPTY_WORDS = {"utils", "util", "common", "core", "helpers", "helper", "manager", "managers", "misc", "base_classes"}
LARGEST_FILE = 400
LARGEST_JOB = 60
LOCK = REPOSITORY / "requirements.lock"
MODULES = sorted(REPOSITORY.glob("oracle/**/*.py"))


def kept() -> list[str]:
    """Return the files that git keeps."""
    done = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout: what belongs to the project cannot be told from what lies around")
    return done.stdout.splitlines()


def lines(file: Path) -> int:
    return len(file.read_text("utf-8").splitlines())


def test_the_top_level_is_the_one_that_was_agreed() -> None:
    top = {file.split("/")[0] for file in kept()}
    assert top <= TOP
    assert top >= NEEDED


def test_no_file_of_a_run_is_kept() -> None:
    stray = [f for f in kept() if re.search(r"\.(db|log|pyc|parquet|pkl|jsonl|env)$|(^|/)(mlruns|__pycache__)/", f)]
    assert not stray


def test_modules_are_named_for_what_they_hold() -> None:
    assert not {part for file in MODULES for part in file.relative_to(REPOSITORY).with_suffix("").parts} & EMPTY_WORDS


def test_no_file_is_too_large_to_read_at_a_sitting() -> None:
    assert not {str(f): lines(f) for f in MODULES if lines(f) > LARGEST_FILE}


def test_jobs_are_one_call_each() -> None:
    assert not {str(f): lines(f) for f in REPOSITORY.glob("jobs/*.py") if lines(f) > LARGEST_JOB}


def test_no_room_is_empty() -> None:
    """A folder whose only file is an empty `__init__` promises what is not there."""
    for folder in {file.parent for file in MODULES} - {REPOSITORY / "oracle"}:
        beside = [f for f in folder.iterdir() if f.suffix == ".py" and f.name != "__init__.py"]
        assert beside or lines(folder / "__init__.py") > 3, folder


def test_the_lock_pins_every_package_by_hash_and_names_no_address() -> None:
    text = LOCK.read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|--index-url|--extra-index-url|--find-links|--trusted-host)", text, re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]


def declared() -> list[str]:
    """Return the lines of pyproject.toml that name a dependency, those of development too."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    names = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    text = (REPOSITORY / "pyproject.toml").read_text("utf-8").splitlines()
    return [next(line for line in text if line.strip().startswith(f'"{name}"')) for name in names]


@pytest.mark.parametrize("line", declared())
def test_every_dependency_is_pinned_and_says_what_it_is_for(line: str) -> None:
    assert re.search(r'"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[0-9][^"*]*",\s+# \S{3,}', line), line


def test_every_dependency_stands_in_the_lock_as_it_is_pinned() -> None:
    locked = set(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s;\\]+)", LOCK.read_text("utf-8"), re.MULTILINE))
    for line in declared():
        name, version = re.findall(r'"([a-z0-9-]+)(?:\[[a-z0-9,-]+\])?==([^"]+)"', line)[0]
        assert (name, version) in locked, line


FOREIGN = re.compile(
    r"(pypi\.org|files\.pythonhosted"
    r"|(?<![\w>}])/home/(?!you\b)[a-z]|/Users/[A-Za-z]|BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16})"
)


def test_nothing_kept_names_a_registry_a_home_of_a_machine_or_a_secret() -> None:
    texts = {f: (REPOSITORY / f).read_text("utf-8", errors="replace") for f in kept() if (REPOSITORY / f).is_file()}
    own = Path(__file__).relative_to(REPOSITORY).as_posix()
    assert not {f: m[0] for f, text in texts.items() if f != own and (m := FOREIGN.search(text))}
