"""A file that only grows, for what must not be lost while the place it belongs to is away.

Each record is framed by its length and a checksum, and a whole batch is on the disk (`fdatasync`) before `append`
returns. A tail that a power cut tore is passed over; damage in the middle costs the records it hit and no others, and
is counted. The kernel's lock on the open file says whose it is: it goes with its holder, however that one ends, so a
journal is never read out by two.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from oracle.errors import Unavailable

MARK = b"\xf5oj1"
"""Begins a record: a reader that met with damage looks for the next one. UTF-8 text never holds its first byte."""
HEAD = len(MARK) + 8
LONGEST = 64 * 2**20
"""Bytes of one record at most; a larger length is damage."""
ENDING = ".journal"


class Journal:
    """One journal, held by this process; used by one thread at a time, but for `read`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        """Take over an open and locked file; see `make` and `claim`."""
        self.path, self._file = path, descriptor
        self.size = os.fstat(descriptor).st_size
        """Bytes that are whole and on the disk."""
        self.damaged = 0
        """Bytes that `records` could not read, the torn tail left out."""
        self.broken = False
        """Whether an append went wrong in a way that cannot be taken back: nothing is to be appended any more."""

    @classmethod
    def make(cls, folder: Path, name: str) -> Journal:
        """Return a new journal of that name; nobody sees it before it is ours.

        Raises:
            OSError: the folder or the file cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path, hidden = folder / f"{name}{ENDING}", folder / f".{name}.{os.getpid()}"
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(path)
            _sync(folder)
        except BaseException:
            os.close(descriptor)
            hidden.unlink(missing_ok=True)
            raise
        return cls(path, descriptor)

    @classmethod
    def claim(cls, path: Path) -> Journal | None:
        """Return the journal that somebody left behind, or None where its holder lives or it is gone."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(descriptor), path.stat()):
                raise FileNotFoundError  # its holder removed it between our two calls
        except OSError:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def append(self, records: Sequence[bytes]) -> list[tuple[int, int]]:
        """Write records as a whole and return where each stands, as (offset, length); on return they are on the disk.

        Raises:
            Unavailable: they could not be written; the file is as it was.
        """
        where: list[tuple[int, int]] = []
        parts: list[bytes] = []
        at = self.size
        for record in records:
            head = MARK + len(record).to_bytes(4, "little") + zlib.crc32(record).to_bytes(4, "little")
            parts += (head, record)
            where.append((at + HEAD, len(record)))
            at += HEAD + len(record)
        try:
            _write(self._file, b"".join(parts))
            os.fdatasync(self._file)
        except OSError as error:
            try:
                os.ftruncate(self._file, self.size)
            except OSError:
                self.broken = True
            if not isinstance(error, _Short):
                self.broken = True  # after a failed sync nobody knows what the disk holds
            raise Unavailable(
                f"the journal of our store cannot be written: {error.strerror or error}",
                value=self.path,
                next_step="make room on the disk of the home folder",
            ) from error
        self.size = at
        return where

    def read(self, offset: int, length: int) -> bytes:
        """Return a record that `append` or `records` told the place of."""
        return os.pread(self._file, length, offset)

    def records(self, start: int = 0) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, record) from a record's begin at `start` to the end as it is now; damage is passed over."""
        at, end, skipped = start, self.size, 0
        while at + HEAD <= end:
            record = self._at(at, end)
            if record is None:
                found = self._next_mark(at + 1, end)
                skipped += found - at
                at = found
                continue
            self.damaged, skipped = self.damaged + skipped, 0  # something whole stands behind it: no torn tail
            yield at + HEAD, record
            at += HEAD + len(record)

    def _at(self, at: int, end: int) -> bytes | None:
        head = os.pread(self._file, HEAD, at)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != MARK or length > LONGEST or at + HEAD + length > end:
            return None
        record = os.pread(self._file, length, at + HEAD)
        return record if zlib.crc32(record) == int.from_bytes(head[8:12], "little") else None

    def _next_mark(self, at: int, end: int) -> int:
        while at < end:
            block = os.pread(self._file, min(2**20, end - at), at)
            found = block.find(MARK)
            if found >= 0:
                return at + found
            at += max(len(block) - len(MARK) + 1, 1)
        return end

    def remove(self) -> None:
        """Delete the file, which is read out; where part of it was damaged, keep it under `.damaged`."""
        with suppress(OSError):
            if self.damaged:
                self.path.rename(self.path.with_suffix(".damaged"))
            else:
                self.path.unlink()
        self.close()

    def close(self) -> None:
        """Let go of the file; whoever comes next may claim it."""
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            os.close(descriptor)


class _Short(OSError):
    """The disk took less than it was given."""


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        try:
            done = os.write(descriptor, view)
        except OSError as error:
            raise _Short(error.errno, error.strerror) from error
        view = view[done:]


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def left_behind(folder: Path) -> list[Path]:
    """Return the journals in a folder, whosever they are, the oldest first."""
    found = []
    for path in folder.glob(f"*{ENDING}"):
        with suppress(OSError):
            found.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(found)]
