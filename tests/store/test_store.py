"""Our store keeps what was answered."""

from __future__ import annotations

import datetime as dt
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import Unavailable
from oracle.store import Prediction, Store, embedded

NOON = dt.datetime(2026, 5, 3, 12, 30, 15, 123456, tzinfo=dt.UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=60)


def prediction(number: int = 1, **changes: object) -> Prediction:
    given: dict[str, object] = {
        "prediction_id": f"p{number}",
        "at": NOON,
        "race_id": "r1",
        "model_name": "equine-oracle",
        "model_version": "3",
        "card": "{}",
        "answer": "[]",
    }
    return Prediction(**{**given, **changes})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return embedded(tmp_path / "home")


@given(
    at=st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2200, 1, 1), timezones=st.timezones()),
    card=TEXT,
    answer=TEXT,
    race_id=st.none() | TEXT,
)
def test_what_is_recorded_is_read_again(tmp_path_factory, at, card: str, answer: str, race_id: str | None):
    store = embedded(tmp_path_factory.getbasetemp() / "kept")
    written = prediction(
        at=at, card=card, answer=answer, race_id=race_id, prediction_id=f"{hash((at, card, answer, race_id))}"
    )
    store.record(written)
    read = store.prediction(written.prediction_id)
    assert read == written
    assert read.at.utcoffset() == dt.timedelta(0)
    store.close()


def test_the_same_prediction_twice_adds_nothing_and_keeps_the_first(store: Store):
    store.record(prediction(answer="first"))
    store.record(prediction(answer="second"))
    kept = store.prediction("p1")
    assert kept is not None
    assert kept.answer == "first"


def test_an_unknown_prediction_is_none(store: Store):
    assert store.prediction("p1") is None
    assert store.prediction("'; DROP TABLE predictions; --") is None
    store.check()


def test_several_stores_open_one_file_at_once_and_all_writes_arrive(tmp_path: Path):
    def write(worker: int) -> None:
        store = embedded(tmp_path)
        for number in range(10):
            store.record(prediction(worker * 10 + number))
        store.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    store = embedded(tmp_path)
    assert all(store.prediction(f"p{number}") for number in range(40))


def test_a_commit_survives_a_power_cut_and_readers_do_not_block_the_writer(store: Store, tmp_path: Path):
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        store.record(prediction())


def test_a_file_that_is_no_database_is_refused_with_the_next_step(tmp_path: Path):
    (tmp_path / "oracle.db").write_bytes(b"not a database, " * 100)
    with pytest.raises(Unavailable) as caught:
        embedded(tmp_path)
    assert "next:" in str(caught.value)


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        embedded(tmp_path / "file" / "home")


def test_an_impossible_address_is_refused():
    with pytest.raises(Unavailable):
        Store("nonsense")


def test_a_locked_database_is_waited_for(store: Store, tmp_path: Path):
    other = sqlite3.connect(tmp_path / "home" / "oracle.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(store.record, prediction())
        other.execute("COMMIT")
        written.result(timeout=10)
    other.close()
    assert store.prediction("p1") is not None
