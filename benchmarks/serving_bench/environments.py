"""An environment of its own for each peer, made once and kept: pinned libraries, and this repository without its own.

A peer that cannot be installed is told of in the report, with the last line of what went wrong.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PINS = REPOSITORY / "benchmarks" / "peers"
STAMP = "made-of"


class NotInstalled(Exception):
    """A peer's environment could not be made."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder with an interpreter and the libraries of one peer."""

    folder: Path

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self.folder / "bin" / "python")


def pins_of(name: str) -> list[Path]:
    """Return the requirement files of a peer: the one of its name, and what all peers share."""
    return [PINS / "base.txt", PINS / f"{name}.txt"]


def fingerprint(files: list[Path], interpreter: str) -> str:
    """Return what an environment is made of, in a few letters: other pins or another Python make it anew."""
    digest = hashlib.blake2b(interpreter.encode(), digest_size=8)
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def make(name: str, cache: Path, *, package: bool = True) -> Environment:
    """Return the environment of a peer, made where it is not there yet.

    Args:
        name: Which of benchmarks/peers/*.txt.
        cache: Folder that keeps environments.
        package: Whether this repository belongs in it.

    Raises:
        NotInstalled: a library could not be installed.
    """
    found = Environment(cache / name)
    made_of = fingerprint(pins_of(name), sys.version)
    stamp = found.folder / STAMP
    if stamp.exists() and stamp.read_text() == made_of:
        return found
    shutil.rmtree(found.folder, ignore_errors=True)
    venv.create(found.folder, with_pip=True)
    _install(found, "-r", str(PINS / f"{name}.txt"))
    if package:  # for its metadata; the code that runs is this checkout's (PYTHONPATH)
        _install(found, "--no-deps", str(REPOSITORY))
    stamp.write_text(made_of)
    return found


def _install(environment: Environment, *what: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    tool = [str(uv), "pip", "install", "--python", environment.python] if uv.exists() else _pip(environment)
    done = subprocess.run([*tool, "--quiet", *what], capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise NotInstalled(said[-1] if said else f"exit code {done.returncode}")


def _pip(environment: Environment) -> list[str]:
    return [environment.python, "-m", "pip", "--disable-pip-version-check", "install"]
