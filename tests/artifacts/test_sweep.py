"""A whole store is looked at, and put under a new key file by file: whoever is killed in between loses nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from oracle.artifacts import files, sweep
from oracle.artifacts.envelope import FRAME, Key
from oracle.artifacts.keyring import Keyring
from oracle.artifacts.place import place
from oracle.artifacts.stores import FolderStore
from oracle.artifacts.sweep import store
from oracle.errors import BadInput, Refused, Unavailable

A, B, C = (Key(bytes([n]) * 32) for n in (1, 2, 3))
PLAIN = {"a.bin": b"a" * 70, "deep/b.bin": bytes(range(256)) * 20, "deep/er/c.bin": b"", "d.bin": b"d"}


def ring(*keys: Key) -> Keyring:
    return Keyring(keys, "a test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of four files sealed under A."""
    root = tmp_path / "store"
    for name, content in PLAIN.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        files.seal([content], root / name, A, f"file://{root}/{name}")
    return root


def read(root: Path, keys: Keyring, scratch: Path) -> dict[str, bytes]:
    found = {}
    for path in FolderStore(place(str(root))).paths():
        files.open_to(root / path, scratch / "plain", keys, f"file://{root}/{path}")
        found[path] = (scratch / "plain").read_bytes()
    return found


def at(root: Path) -> FolderStore:
    return FolderStore(place(f"sealed+file://{root}"))


def test_every_file_is_named_for_what_it_is(folder: Path) -> None:
    (folder / "open.txt").write_bytes(b"in the clear")
    os.utime(folder / "a.bin")
    shutil.copy(folder / "d.bin", folder / "deep/b.bin")
    files.seal([b"x"], folder / "lost.bin", C, f"file://{folder}/lost.bin")
    found = sweep.check(at(folder), ring(A, B))
    assert found.in_the_clear == ["open.txt"]
    assert found.states == {"sealed": 3, "in the clear": 1, "broken": 1, "key missing": 1}
    assert found.keys == {A.id: 4, C.id: 1}
    assert set(found.unopened) == {"deep/b.bin", "lost.bin"}
    assert C.id in found.unopened["lost.bin"]
    assert found.alarm


def test_a_store_where_all_is_sealed_raises_no_alarm(folder: Path) -> None:
    found = sweep.check(at(folder), ring(A))
    assert (found.alarm, found.states) == (False, {"sealed": 4})


def test_a_change_behind_the_header_is_found_where_files_are_opened_whole(folder: Path) -> None:
    with (folder / "deep/b.bin").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    assert not sweep.check(at(folder), ring(A)).alarm
    assert set(sweep.check(at(folder), ring(A), whole=True).unopened) == {"deep/b.bin"}


def test_after_a_rotation_the_old_key_opens_nothing_and_the_new_one_all(folder: Path, tmp_path: Path) -> None:
    bodies = {path: (folder / path).read_bytes()[96:] for path in PLAIN}
    done = sweep.rotate(at(folder), ring(B, A))
    assert (done.acts, done.trouble) == ({"rewrapped": 4}, {})
    assert read(folder, ring(B), tmp_path) == PLAIN
    assert {path: (folder / path).read_bytes()[96:] for path in PLAIN} == bodies
    assert sweep.rotate(at(folder), ring(B, A)).acts == {"kept": 4}
    assert sweep.check(at(folder), ring(A)).states == {"key missing": 4}


class Killed(BaseException):
    """Stands for a process that ends at once."""


class Dying(FolderStore):
    """Dies while it writes its n-th file: in the middle of the bytes, or just before the new file takes its place."""

    def __init__(self, root: Path, turns: int) -> None:
        super().__init__(place(f"sealed+file://{root}"))
        self.turns = turns

    def replace(self, path: str, pieces: Iterable[bytes]) -> None:
        self.turns -= 1
        super().replace(path, self._dying(pieces) if self.turns < 0 else pieces)

    def _dying(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        yield next(iter(pieces))
        raise Killed


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_rotation_that_was_killed_loses_nothing_and_is_gone_on_with(folder: Path, tmp_path: Path, turns: int) -> None:
    with pytest.raises(Killed):
        sweep.rotate(Dying(folder, turns), ring(B, A))
    (folder / f"{files.HALF}left-by-a-power-cut").write_bytes(b"half")
    assert read(folder, ring(B, A), tmp_path) == PLAIN
    done = sweep.rotate(at(folder), ring(B, A))
    assert done.acts == {"kept": turns, "rewrapped": 4 - turns} if turns else {"rewrapped": 4}
    assert read(folder, ring(B), tmp_path) == PLAIN
    assert not list(folder.rglob(f"{files.HALF}*"))


def test_files_that_cannot_be_put_under_the_new_key_stay_and_are_named(folder: Path) -> None:
    files.seal([b"x"], folder / "lost.bin", C, f"file://{folder}/lost.bin")
    before = (folder / "lost.bin").read_bytes()
    done = sweep.rotate(at(folder), ring(B, A))
    assert done.acts == {"rewrapped": 4, "key missing": 1}
    assert C.id in done.trouble["lost.bin"]
    assert (folder / "lost.bin").read_bytes() == before


def test_what_is_in_the_clear_is_sealed_only_when_asked_and_only_where_it_is_read_sealed(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "open.txt").write_bytes(b"in the clear" * FRAME)
    (folder / "open.txt").chmod(0o640)
    assert sweep.rotate(at(folder), ring(A)).acts == {"kept": 4, "in the clear": 1}
    with pytest.raises(Refused, match="would be lost"):
        sweep.rotate(FolderStore(place(str(folder))), ring(A), plain_too=True)
    assert sweep.rotate(at(folder), ring(A), plain_too=True).acts == {"kept": 4, "sealed": 1}
    assert read(folder, ring(A), tmp_path)["open.txt"] == b"in the clear" * FRAME
    assert (folder / "open.txt").stat().st_mode & 0o777 == 0o640


def test_a_store_that_was_moved_opens_once_it_is_bound_to_its_new_place(folder: Path, tmp_path: Path) -> None:
    new = tmp_path / "elsewhere"
    folder.rename(new)
    assert sweep.check(at(new), ring(A)).states == {"broken": 4}
    done = sweep.rotate(at(new), ring(A), moved_from=place(str(folder)))
    assert done.acts == {"rewrapped": 4}
    assert read(new, ring(A), tmp_path) == PLAIN
    assert sweep.rotate(at(new), ring(A), moved_from=place(str(folder))).acts == {"kept": 4}


def test_two_do_not_rotate_one_folder_at_once(folder: Path) -> None:
    with at(folder).alone(), pytest.raises(Unavailable, match="another process"):
        sweep.rotate(at(folder), ring(B, A))


class Busy(FolderStore):
    """A store in which somebody writes one file anew each time that it is read."""

    def reading(self, path: str) -> BinaryIO:
        if path == "a.bin":
            target = Path(self.place.path) / path
            target.unlink()
            files.seal([b"new"], target, A, f"file://{target}")
        return super().reading(path)


def test_a_file_that_is_written_anew_meanwhile_is_left_alone_and_named(folder: Path) -> None:
    done = sweep.rotate(Busy(place(f"sealed+file://{folder}")), ring(B, A))
    assert set(done.trouble) == {"a.bin"}
    found = sweep.check(at(folder), ring(A, B), whole=True)
    assert (found.states, found.keys) == ({"sealed": 4}, {A.id: 1, B.id: 3})


def test_a_folder_that_is_not_there_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder"):
        store(place(str(tmp_path / "none")))


def test_no_rotation_without_a_key(folder: Path) -> None:
    with pytest.raises(Refused, match="no key to seal"):
        sweep.rotate(at(folder), ring())
