"""The files of an artifact store as they lie there: listed, looked at, read, and exchanged one by one.

Two kinds have the same four verbs: a folder of this machine (here) and a bucket (`bucket`).
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from oracle.artifacts import files
from oracle.artifacts.envelope import HEADER
from oracle.artifacts.place import Place
from oracle.errors import BadInput, Unavailable


@dataclass(frozen=True, slots=True)
class Look:
    """What a file looks like without being read."""

    path: str
    """Below the root of the store, with slashes."""
    size: int
    start: bytes
    """As many first bytes as the header of a sealed file has, or all there are."""
    encryption: str | None
    """How the store itself encrypts it, in the store's words; None: it does not."""


class Store(Protocol):
    """Files below one root."""

    place: Place
    together: int
    """How many files are worth exchanging at once."""

    def paths(self) -> Iterator[str]:
        """Return the paths of all files."""
        ...

    def look(self, path: str) -> Look | None:
        """Return what a file looks like; None where it has gone since it was listed."""
        ...

    def reading(self, path: str) -> BinaryIO:
        """Return the bytes of a file, to be closed."""
        ...

    def replace(self, path: str, pieces: Iterable[bytes]) -> None:
        """Put new bytes in the place of a file, whole or not at all."""
        ...

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others from changing the store in the same way, where it can."""
        ...


class FolderStore:
    """A folder of this machine."""

    together = 1

    def __init__(self, place: Place) -> None:
        self.place, self._root = place, Path(place.path)
        if not self._root.is_dir():
            raise BadInput("there is no folder of artifacts", value=place.path, next_step="mend artifacts.uri")

    def paths(self) -> Iterator[str]:
        """Return the paths of all files, those half-written left out."""
        for folder, folders, names in os.walk(self._root):
            folders.sort()
            for name in sorted(names):
                if not name.startswith(files.HALF):
                    yield (Path(folder) / name).relative_to(self._root).as_posix()

    def look(self, path: str) -> Look | None:
        """Return what a file looks like."""
        try:
            with self.reading(path) as stream:
                return Look(path, os.fstat(stream.fileno()).st_size, stream.read(HEADER), None)
        except FileNotFoundError:
            return None

    def reading(self, path: str) -> BinaryIO:
        """Return the open file."""
        return (self._root / path).open("rb")

    def replace(self, path: str, pieces: Iterable[bytes]) -> None:
        """Exchange the file for a new one beside it, with the same mode."""
        target = self._root / path
        mode = stat.S_IMODE(target.stat().st_mode)
        with files.replacing(target) as out:
            for piece in pieces:
                out.write(piece)
            os.fchmod(out.fileno(), mode)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder, and remove what one that was killed left half-written."""
        descriptor = os.open(self._root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(
                    "another process is rotating the keys of these artifacts",
                    value=str(self._root),
                    next_step="wait until it is done",
                ) from None
            for half in self._root.rglob(f"{files.HALF}*"):
                half.unlink(missing_ok=True)
            yield
        finally:
            os.close(descriptor)
