"""A check of a version at work: what it found, what it could not, and that it is kept once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from oracle.drift import files
from oracle.drift.sketch import Sketch
from oracle.store import Check, embedded
from oracle.watching import check as checking
from oracle.watching import live, reference
from oracle.watching.check import PARTS, Watched, check
from oracle.watching.reference import Reference
from tests.watching.conftest import FEW, Work

ALL = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def watched(work: Work, references: dict[str, Reference]) -> Watched:
    return Watched(work.model, "1", references)


@pytest.fixture(scope="module")
def found(work: Work, watched: Watched) -> Check:
    return check(work.store, watched, FEW, work.now, since=ALL)


def test_the_finding_says_what_was_looked_at_and_is_kept(work: Work, found: Check) -> None:
    document = json.loads(found.document)
    assert work.store.checks.get(found.check_id) == found
    assert (found.races, found.verdict) == (document["live"]["races"], document["verdict"])
    assert (document["pool"], document["model_version"], found.reference) == ("market", "1", "own test")
    assert document["data"]["tested"] > 100
    assert document["serving_skew"]["verdict"] == "no skew"
    assert set(PARTS) <= set(document)


def test_the_same_look_is_kept_once(work: Work, watched: Watched, found: Check) -> None:
    again = check(work.store, watched, FEW, work.now + dt.timedelta(hours=1), since=ALL)
    assert (again.check_id, again.at) == (found.check_id, found.at)
    assert len(work.store.checks.since(ALL)) == 1


def test_a_large_window_is_counted_elsewhere_with_the_same_numbers(
    work: Work, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = live.window(work.store, work.model, "1", work.now, since=ALL).table
    against = watched.references["market"]
    monkeypatch.setattr(checking, "LARGE", 10)
    monkeypatch.setattr(checking, "ROW_GROUP", 40)
    counted = []

    def elsewhere(pieces: Sequence[files.Piece], job: files.Job) -> Iterable[Sketch]:
        counted.extend(pieces)
        return files.here(pieces, job)

    there = checking._counted(rows, against, elsewhere)
    assert counted
    assert there == checking._counted(rows, against, files.here)


def test_without_a_reference_nothing_could_be_measured_and_that_is_kept_too(work: Work, tmp_path: Path) -> None:
    work.model.save(tmp_path / "package")
    alone = Watched(work.model, "1", reference.of(tmp_path / "package"))
    found = check(work.store, alone, FEW, work.now, since=ALL)
    assert found.verdict == "could not measure"
    document = json.loads(found.document)
    assert "no reference" in document["cause"]
    assert document["live"]["races"] == found.races > 0
    assert all(document[part]["verdict"] == "could not measure" for part in PARTS)


def test_a_version_that_answered_nothing_could_not_be_measured(watched: Watched, tmp_path: Path) -> None:
    empty = embedded(tmp_path)
    found = check(empty, watched, FEW, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert (found.verdict, found.races, found.window_from) == ("could not measure", 0, None)
    assert "answered no race" in json.loads(found.document)["cause"]
    empty.close()
