"""Our store keeps what was answered: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

import oracle.store
from oracle.errors import BadSetting, Unavailable
from oracle.settings import Settings, StoreSettings
from oracle.store import Pulse, Store, embedded, place_key, race_key
from oracle.store.keys import utc
from tests.store.postgres import free_port
from tests.store.rows import NOON, OFF, event, experiment, prediction, result, scoring

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=60)


@given(
    at=st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2200, 1, 1), timezones=st.timezones()),
    card=TEXT,
    answer=TEXT,
    race_id=st.none() | TEXT,
    latency=st.none() | st.floats(0, 1e6),
    cached=st.booleans(),
    form=st.integers(0, 2**60),
)
@settings(max_examples=40)
def test_what_is_written_is_read_again(store: Store, at, card, answer, race_id, latency, cached, form):
    name = f"p{hash((at, card, answer, race_id, latency, cached, form))}"
    written = prediction(
        prediction_id=name,
        **{"at": at, "card": card, "answer": answer, "race_id": race_id, "latency_ms": latency},
        **{"cached": cached, "form": form, "user": race_id, "experiment": "t1", "fallback": "timeout"},
    )
    store.predictions.add([written])
    read = store.predictions.get(name)
    assert read == replace(written, at=at.astimezone(dt.UTC))  # a clock put back shows one hour twice
    assert read.at.utcoffset() == dt.timedelta(0)


def test_the_same_prediction_twice_adds_nothing_and_keeps_the_first(store: Store):
    assert store.predictions.add([prediction(answer="first")]) == 1
    assert store.predictions.add([prediction(answer="second"), prediction(2)]) == 1
    kept = store.predictions.get("p1")
    assert kept is not None
    assert kept.answer == "first"
    assert store.predictions.count() == 2


def test_an_unknown_prediction_is_none(store: Store):
    assert store.predictions.get("p1") is None
    assert store.predictions.get("'; DROP TABLE predictions; --") is None
    store.check()


def test_a_moment_without_a_time_zone_is_refused(store: Store):
    with pytest.raises(ValueError, match="time zone"):
        store.predictions.add([prediction(at=dt.datetime(2026, 5, 3))])


def test_several_stores_open_one_database_at_once_and_all_writes_arrive(opened: Callable[..., Store]):
    def write(worker: int) -> None:
        store = opened()
        for number in range(10):
            store.predictions.add([prediction(worker * 10 + number)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    store = opened()
    assert store.predictions.count() == 40
    assert all(store.predictions.get(f"p{number}") for number in range(40))


def test_a_race_has_two_names():
    assert race_key("r1", "Redmile", OFF) == "r1"
    assert race_key(None, "Redmile", OFF) == place_key("Redmile", OFF) == "Redmile|2026-05-03T14:35Z"
    assert place_key("Redmile", OFF.astimezone(dt.timezone(dt.timedelta(hours=9)))) == place_key("Redmile", OFF)
    assert prediction(race_id=None).race_key == prediction().place_key


def test_reading_by_time_and_by_experiment_streams_in_order_and_in_pieces(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(oracle.store.predictions, "AT_ONCE", 3)
    moments = [NOON + dt.timedelta(minutes=i // 4) for i in range(20)]  # several of one moment on a piece's edge
    rows = [prediction(f"{i:02}", at=m, experiment="t1" if i % 2 else None) for i, m in enumerate(moments)]
    store.predictions.add(rows[::-1])
    assert list(store.predictions.between()) == rows
    part = list(store.predictions.between(NOON + dt.timedelta(minutes=1), NOON + dt.timedelta(minutes=3)))
    assert part == rows[4:12]
    found = list(store.predictions.of_experiment("t1"))
    assert [p for _, p in found] == rows[1::2][::-1]
    assert list(store.predictions.of_experiment("t1", since_seq=found[6][0])) == found[7:]
    assert store.predictions.count(experiment="t1") == 10


def test_a_scoring_is_kept_once_for_each_card_and_version_and_found_by_either_name_of_its_race(store: Store):
    assert store.scorings.add([scoring(), scoring(), scoring(version="4", arm="treatment"), scoring("c2")]) == 3
    store.scorings.add([scoring("c3", race_id=None, race_key=place_key("Redmile", OFF))])
    store.scorings.add([scoring("c4", race_id="r2", race_key="r2", off=OFF + dt.timedelta(hours=1))])
    found = store.scorings.of_race("r1", place_key("Redmile", OFF))
    assert [(s.card_key, s.model_version) for s in found] == [("c1", "3"), ("c1", "4"), ("c2", "3"), ("c3", "3")]
    assert found[0] == scoring()
    assert len(list(store.scorings.between(NOON, NOON + dt.timedelta(seconds=1)))) == store.scorings.count() == 5


def test_scorings_of_one_moment_stream_over_the_edges_of_pieces(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(oracle.store.scorings, "AT_ONCE", 2)
    rows = [scoring(f"c{i}", v) for i in range(3) for v in ("3", "4")]
    store.scorings.add(rows)
    assert list(store.scorings.between()) == rows


def test_the_pulse_moves_with_results_and_experiments_only(store: Store):
    assert store.pulse() == Pulse(0, 0)
    store.predictions.add([prediction()])
    store.scorings.add([scoring()])
    store.events.add([event()])
    assert store.pulse() == Pulse(0, 0)
    store.results.add([result()])
    store.experiments.start(experiment())
    assert store.pulse() == Pulse(store.results.latest(), store.experiments.latest()) == Pulse(1, 1)


def test_a_store_is_opened_where_the_settings_say(tmp_path: Path, address: str):
    embedded_one = oracle.store.open(Settings(home=tmp_path / "home"))
    assert (tmp_path / "home" / "oracle.db").exists()
    embedded_one.close()
    named = oracle.store.open(Settings(store=StoreSettings(uri=SecretStr(address))))
    assert named.database.shown == address
    named.close()


def test_a_password_is_never_shown():
    port = free_port()
    settings_of_it = Settings(store={"uri": f"postgresql://anna:geheim@127.0.0.1:{port}/oracle"})
    assert "geheim" not in f"{settings_of_it!r} {settings_of_it.model_dump_json()}"
    with pytest.raises(Unavailable) as caught:
        Store(settings_of_it.store.uri.get_secret_value(), patience=0)
    assert "geheim" not in f"{caught.value} {caught.value.as_dict()}"
    assert "start the database server" in str(caught.value)
    with pytest.raises(BadSetting) as refused:
        Store("mysql://anna:geheim@host/oracle")
    assert "geheim" not in f"{refused.value} {refused.value.as_dict()}"


@pytest.mark.parametrize("wrong", ["nonsense", "mysql://host/x", "postgresql://host:port/x", "sqlite+nothing:///x", ""])
def test_an_impossible_address_is_refused_with_what_is_possible(wrong: str):
    with pytest.raises(BadSetting, match=r"postgresql://.*store\.uri"):
        Store(wrong)


def test_a_commit_survives_a_power_cut_and_readers_do_not_block_the_writer(tmp_path: Path):
    store = embedded(tmp_path)
    with store.database._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        store.predictions.add([prediction()])
    store.close()


def test_a_file_that_is_no_database_is_refused_with_the_next_step(tmp_path: Path):
    (tmp_path / "oracle.db").write_bytes(b"not a database, " * 100)
    with pytest.raises(Unavailable) as caught:
        embedded(tmp_path)
    assert "next:" in str(caught.value)


def test_a_home_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        embedded(tmp_path / "file" / "home")


def test_a_locked_database_is_waited_for(tmp_path: Path):
    store = embedded(tmp_path)
    other = sqlite3.connect(tmp_path / "oracle.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(store.predictions.add, [prediction()])
        other.execute("COMMIT")
        written.result(timeout=10)
    other.close()
    assert store.predictions.get("p1") is not None
    store.close()


def test_the_keys_of_a_race_are_moments_of_utc():
    with pytest.raises(ValueError, match="time zone"):
        utc(dt.datetime(2026, 5, 3))


def test_a_row_that_is_at_fault_is_no_outage(store: Store):
    with pytest.raises(sa.exc.IntegrityError):
        store.predictions.add([prediction(card=None)])
