"""Sealing and opening of files on this disk, whole or not at all, a frame in memory at a time."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from oracle.artifacts.envelope import CHANCE, FRAME, HEADER, TAG, Key, Opener, Sealer, opened, sealed


def seal(pieces: Iterable[bytes], target: Path, key: Key, name: str) -> None:
    """Write some bytes to a file, sealed under a name."""
    with target.open("xb") as out:
        for piece in sealed(pieces, sealer(key, name)):
            out.write(piece)


def sealer(key: Key, name: str) -> Sealer:
    """Return what seals one file, with chance of the operating system."""
    return Sealer(key, name, os.urandom(CHANCE))


def open_to(source: Path, target: Path, keys: Mapping[str, Key], name: str) -> None:
    """Write what was sealed to a file that appears once it is proven whole.

    Raises:
        Unopened: it does not open under this name; nothing is left behind.
    """
    with replacing(target) as out, source.open("rb") as stream:
        for piece in opened(sealed_pieces(stream), Opener(keys, name)):
            out.write(piece)


def pieces(stream: BinaryIO, size: int = FRAME) -> Iterator[bytes]:
    """Return the bytes of a stream in pieces of a size."""
    while piece := stream.read(size):
        yield piece


def sealed_pieces(stream: BinaryIO) -> Iterator[bytes]:
    """Return the header of a sealed file, then its frames, so that nobody has to join them again."""
    yield stream.read(HEADER)
    yield from pieces(stream, FRAME + TAG)


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Give a file to write that takes the place of another when all went well, and that nobody sees otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, half = tempfile.mkstemp(dir=target.parent, prefix=HALF)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(descriptor)
        Path(half).replace(target)
    except BaseException:
        Path(half).unlink(missing_ok=True)
        raise


HALF = ".half-written-"
"""How files begin that were being written when a process was killed; they count for nothing."""
