"""Where a run came from: the commit of the code, and the versions of everything that decides the result."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"

LIBRARIES: tuple[str, ...] = ("lightgbm", "mlflow", "numba", "numpy", "pandas", "pyarrow", "ray", "scipy")
"""Distributions whose version can change a score or the way it is stored."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Code and libraries of a run."""

    commit: str
    dirty: bool
    code_version: str
    python_version: str
    libraries: tuple[tuple[str, str], ...]

    def parameters(self) -> dict[str, object]:
        """Return the same under the names of the catalogue."""
        return {
            "git.commit": self.commit,
            "git.dirty": self.dirty,
            "code.version": self.code_version,
            "python.version": self.python_version,
            **{f"library.{name}": version for name, version in self.libraries},
        }


def installed(distribution: str) -> str:
    """Return the version of an installed distribution, or `unknown`: a cluster may run code that nobody installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def provenance(folder: Path | None = None, libraries: Iterable[str] = LIBRARIES) -> Provenance:
    """Return the commit and the versions in force.

    Args:
        folder: Working copy of the code; by default the one this module lies in. A folder that git ignores or does not
            know, such as site-packages inside somebody's project, has no commit of ours.
        libraries: Distributions to name.
    """
    folder = folder or Path(__file__).parent
    tracked = _git(folder, "ls-files", "--error-unmatch", ".") is not None
    commit = _git(folder, "rev-parse", "HEAD") if tracked else None
    return Provenance(
        commit=commit or UNKNOWN,
        dirty=bool(_git(folder, "status", "--porcelain", "--untracked-files=no")) if commit else False,
        code_version=installed("equine-oracle"),
        python_version=platform.python_version(),
        libraries=tuple((name, installed(name)) for name in libraries),
    )
