"""What a journal promises: whole records or none, whatever tore it, and one holder."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.errors import Unavailable
from oracle.store.journal import HEAD, MARK, Journal, left_behind


def read(journal: Journal) -> list[bytes]:
    return [record for _, record in journal.records()]


def test_what_was_appended_is_read_in_its_order_and_by_its_place(tmp_path: Path):
    journal = Journal.make(tmp_path / "spool", "a")
    places = journal.append([b"one", b"", b"three"]) + journal.append([b"four"])
    assert read(journal) == [b"one", b"", b"three", b"four"]
    assert [journal.read(*place) for place in places] == [b"one", b"", b"three", b"four"]
    assert (journal.path.stat().st_mode & 0o777, journal.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    journal.close()


@settings(max_examples=25)
@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(0, 200))
def test_a_file_that_was_cut_anywhere_gives_a_beginning_of_what_was_written(tmp_path_factory, records, cut):
    journal = Journal.make(tmp_path_factory.mktemp("cut"), "a")
    journal.append(records)
    journal.close()
    with journal.path.open("r+b") as file:
        file.truncate(min(cut, journal.size))
    again = Journal.claim(journal.path)
    found = read(again)
    assert found == records[: len(found)]
    assert sum(HEAD + len(r) for r in records[: len(found) + 1]) > cut or found == records
    assert again.damaged == 0
    again.close()


@settings(max_examples=25)
@given(st.integers(0, 90), st.integers(1, 255))
def test_damage_costs_the_record_it_hit_and_no_other(tmp_path_factory, at, flip):
    records = [bytes([65 + i]) * 20 for i in range(3)]
    journal = Journal.make(tmp_path_factory.mktemp("hit"), "a")
    journal.append(records)
    journal.close()
    content = bytearray(journal.path.read_bytes())
    content[at] ^= flip
    journal.path.write_bytes(content)
    again = Journal.claim(journal.path)
    hit = at // (HEAD + 20)
    assert read(again) == [r for i, r in enumerate(records) if i != hit]
    assert again.damaged == (HEAD + 20 if hit < 2 else 0)
    again.remove()
    assert again.path.with_suffix(".damaged").exists() == (hit < 2), "damage is kept for whoever looks into it"


def test_a_record_that_holds_the_mark_itself_misleads_nobody(tmp_path: Path):
    journal = Journal.make(tmp_path, "a")
    journal.append([MARK * 9, b"x" + MARK + bytes(8)])
    assert read(journal) == [MARK * 9, b"x" + MARK + bytes(8)]
    journal.close()


def test_a_journal_has_one_holder_and_the_next_one_may_have_it_when_he_has_gone(tmp_path: Path):
    journal = Journal.make(tmp_path, "a")
    journal.append([b"one"])
    assert Journal.claim(journal.path) is None
    journal.close()
    heir = Journal.claim(journal.path)
    assert read(heir) == [b"one"]
    heir.remove()
    assert left_behind(tmp_path) == []
    assert Journal.claim(journal.path) is None


FULL = """
import resource, signal, sys
from pathlib import Path
from oracle.errors import Unavailable
from oracle.store.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal.make(Path(sys.argv[1]), "a")
journal.append([b"x" * 400])
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    journal.append([b"y" * 300, b"z" * 900])
except Unavailable as error:
    print(error)
journal.append([b"w" * 20])
print([len(r) for _, r in journal.records()])
"""


@pytest.mark.slow
def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    told, records = done.stdout.splitlines()
    assert "journal of our store cannot be written: File too large" in told
    assert records == "[400, 20]"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_write_that_ended_half_way_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal, write, taken = Journal.make(tmp_path, "a"), os.write, []
    journal.append([b"one"])

    def fill(descriptor: int, content: bytes) -> int:
        if taken:
            raise OSError(28, "No space left on device")
        taken.append(write(descriptor, content[:9]))
        return 9

    monkeypatch.setattr("os.write", fill)
    with pytest.raises(Unavailable, match="No space left"):
        journal.append([b"two"])
    monkeypatch.undo()
    journal.append([b"three"])
    assert read(journal) == [b"one", b"three"]
    assert not journal.broken
    journal.close()


def test_a_sync_that_failed_ends_the_file_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = Journal.make(tmp_path, "a")
    journal.append([b"one"])

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fdatasync", fail)
    with pytest.raises(Unavailable, match="Input/output"):
        journal.append([b"two"])
    assert journal.broken
    assert read(journal) == [b"one"]
    journal.close()
