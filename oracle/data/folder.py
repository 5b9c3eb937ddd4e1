"""One folder, on a local disk or on S3, that changes all at once or not at all.

Every access to files of a dataset goes through `Folder`, so the difference between a disk and a bucket stands here and
nowhere else. On a disk, new files are first written beside the old ones under `_staging/`; a journal then names the
moves to make, and they are made. A crash before the journal leaves the old state, a crash after it is finished by the
next writer. On S3 there is no rename: each object replaces its predecessor at once, and the manifest is written last,
so a crash leaves whole objects and a manifest that is older than some of them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import orjson
from pyarrow import fs

from oracle.errors import BadInput, Unavailable

STAGING, JOURNAL, LOCK = "_staging", "_staging/journal.json", "_lock"


class Folder:
    """Files under one path, read and written whole, with slashes in their names.

    Args:
        path: A local path, or `s3://bucket/prefix`; the endpoint and the keys of S3 come from the AWS_* environment.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.local = "://" not in self.path
        self._staged: set[str] = set()
        self._doomed: set[str] = set()
        if self.local:
            self._files: fs.FileSystem = fs.LocalFileSystem()
            self._root = str(Path(self.path).expanduser().absolute())
        else:
            self._files, self._root = _remote(self.path)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, as this writer would leave it; None where there is none."""
        if name in self._doomed:
            return None
        where = self._at(_staged_as(name) if name in self._staged else name)
        try:
            with self._files.open_input_stream(where) as stream:
                return bytes(stream.readall())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def children(self) -> list[str]:
        """Return the names directly under the folder, sorted; empty where the folder does not exist."""
        try:
            found = self._files.get_file_info(fs.FileSelector(self._root, allow_not_found=True))
        except NotADirectoryError as error:
            raise BadInput("a file stands where a folder is needed", value=self.path) from error
        return sorted(info.base_name for info in found)

    def _put(self, name: str, content: bytes) -> None:
        if not self.local:
            with self._files.open_output_stream(self._at(name)) as stream:
                stream.write(content)
            return
        final = Path(self._at(name))
        final.parent.mkdir(parents=True, exist_ok=True)
        half = final.with_name(f".{final.name}.half")
        with half.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        half.replace(final)

    def stage(self, name: str, content: bytes) -> None:
        """Write a file that takes its place on `commit`; on S3 it does so at once."""
        self._doomed.discard(name)
        if self.local:
            self._put(_staged_as(name), content)
            self._staged.add(name)
        else:
            self._put(name, content)

    def stage_removal(self, name: str) -> None:
        """Have a file removed on `commit`."""
        self._staged.discard(name)
        self._doomed.add(name)

    def commit(self) -> None:
        """Make everything staged the state of the folder."""
        if self.local and (self._staged or self._doomed):
            self._put(JOURNAL, orjson.dumps({"move": sorted(self._staged), "remove": sorted(self._doomed)}))
            self._replay()
        elif self._doomed:
            for name in sorted(self._doomed):
                self._files.delete_file(self._at(name))
        self._staged, self._doomed = set(), set()

    def _replay(self) -> None:
        """Make the moves that the journal names; those already made are passed over."""
        journal = orjson.loads(Path(self._at(JOURNAL)).read_bytes())
        for name in journal["move"]:
            staged, final = Path(self._at(_staged_as(name))), Path(self._at(name))
            if staged.exists():
                final.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(final)
        for name in journal["remove"]:
            final = Path(self._at(name))
            final.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other files may live there
                final.parent.rmdir()
        Path(self._at(JOURNAL)).unlink()

    def _sweep(self) -> None:
        """Finish a commit that was cut short, and forget what was staged but never committed."""
        self._staged, self._doomed = set(), set()
        staging = Path(self._at(STAGING))
        if not staging.is_dir():
            return
        if Path(self._at(JOURNAL)).exists():
            self._replay()
        for left in staging.iterdir():
            left.unlink()
        staging.rmdir()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for one writer, and commit at the end; an error on the way leaves the old state.

        Raises:
            Unavailable: another process is writing (local disks only; S3 has no lock); names the process.
        """
        if not self.local:
            yield
            self.commit()
            return
        with _locked(Path(self._at(LOCK))):
            self._sweep()
            try:
                yield
                self.commit()
            finally:
                self._sweep()


def _staged_as(name: str) -> str:
    return f"{STAGING}/{name.replace('/', ',')}"


def _remote(path: str) -> tuple[fs.FileSystem, str]:
    scheme, _, rest = path.partition("://")
    if scheme != "s3" or not rest.strip("/"):
        raise BadInput("a dataset cannot stand there", value=path, allowed="a local folder, or s3://bucket/prefix")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return fs.S3FileSystem(endpoint_override=endpoint), rest.strip("/")


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a lock that the kernel releases when the process ends, however it ends; the file says who holds it."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        stream = file.open("a+")
    except OSError as error:
        raise BadInput(f"the folder cannot be written to: {error.strerror}", value=str(file.parent)) from error
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            raise Unavailable(
                f"process {stream.read().strip() or 'unknown'} is writing to the dataset",
                value=str(file.parent),
                next_step="wait until it is done, then run the command again",
            ) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
