"""A store of an earlier release becomes one of this release, whole or not at all."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

import oracle.store.migrations
from oracle.errors import Unavailable
from oracle.store import Store, embedded, place_key
from oracle.store.migrations import STEPS
from oracle.store.tables import METADATA

FIRST_RELEASE = """
CREATE TABLE predictions (
    prediction_id VARCHAR(64) NOT NULL, at DATETIME NOT NULL, race_id VARCHAR(120), model_name VARCHAR(256) NOT NULL,
    model_version VARCHAR(64) NOT NULL, card TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (prediction_id));
CREATE INDEX predictions_by_race ON predictions (race_id);
CREATE INDEX predictions_by_time ON predictions (at);
"""
CARD = '{"course":"Redmile","off":"2026-05-03T16:35:00+02:00","runners":[]}'


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A home whose database was written by the first release."""
    with sqlite3.connect(tmp_path / "oracle.db", isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(FIRST_RELEASE)
        rows = [
            (f"p{i:04}", "2026-05-03 12:30:15.123456", None if i % 2 else "r1", "m", "3", CARD, f'{{"answer":{i}}}')
            for i in range(1203)
        ]
        database.execute("BEGIN")
        database.executemany("INSERT INTO predictions VALUES (?,?,?,?,?,?,?)", rows)
        database.execute(
            "INSERT INTO predictions VALUES ('odd','2026-05-03 12:30:15.123456',NULL,'m','3','no card','a')"
        )
        database.execute("COMMIT")
    return tmp_path


def version(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        return int(connection.execute("SELECT max(version) FROM store_versions").fetchone()[0])


def test_every_answer_of_the_first_release_is_kept_byte_by_byte(old: Path):
    store = embedded(old)
    assert store.predictions.count() == 1204
    for i in (0, 1, 499, 500, 501, 1202):
        kept = store.predictions.get(f"p{i:04}")
        assert (kept.card, kept.answer, kept.model_version) == (CARD, f'{{"answer":{i}}}', "3")
        assert kept.at == dt.datetime(2026, 5, 3, 12, 30, 15, 123456, tzinfo=dt.UTC)
        assert kept.off == dt.datetime(2026, 5, 3, 14, 35, tzinfo=dt.UTC)
        assert kept.place_key == "Redmile|2026-05-03T14:35Z"
        assert kept.race_key == kept.unit == ("r1" if i % 2 == 0 else kept.place_key)
        assert (kept.arm, kept.experiment, kept.latency_ms) == ("control", None, None)
    odd = store.predictions.get("odd")
    assert (odd.answer, odd.off, odd.race_key) == ("a", odd.at, place_key("", odd.at))
    store.close()
    embedded(old).close()
    assert version(old / "oracle.db") == len(STEPS)


def test_replicas_that_upgrade_one_database_at_once_do_it_once(old: Path):
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: embedded(old), range(4)))
    assert {store.predictions.count() for store in stores} == {1204}
    for store in stores:
        store.close()


def test_an_upgrade_that_fails_half_way_leaves_the_store_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(connection: sa.Connection) -> None:
        raise MemoryError("in the middle")

    with monkeypatch.context() as spoilt:
        spoilt.setattr(oracle.store.migrations, "STEPS", (*STEPS[:2], ("fails", fails)))
        with pytest.raises(MemoryError):
            embedded(old)
    with sqlite3.connect(old / "oracle.db") as database:
        assert database.execute("SELECT count(*) FROM predictions WHERE race_id = 'r1'").fetchone() == (602,)
        assert not database.execute("SELECT name FROM sqlite_master WHERE name = 'store_versions'").fetchall()
    store = embedded(old)
    assert store.predictions.count() == 1204
    store.close()


def test_a_store_of_a_newer_release_is_refused_with_what_to_do(opened: Callable[..., Store]):
    store = opened()
    store.database.write(lambda c: c.exec_driver_sql("INSERT INTO store_versions (version, name) VALUES (99, 'later')"))
    with pytest.raises(Unavailable, match=r"newer release.*next: run the newer release"):
        opened()


def test_the_steps_make_the_tables_that_are_read_and_written(store: Store):
    found = sa.inspect(store.database._engine)
    for table in METADATA.sorted_tables:
        columns = {c["name"]: c["nullable"] for c in found.get_columns(table.name)}
        wanted = {c.name: c.nullable for c in table.columns}
        if store.database.dialect == "sqlite":  # a rowid alias is told as nullable and never is
            columns.pop("seq", None), wanted.pop("seq", None)
        assert columns == wanted, table.name
        indexes = {i["name"]: (i["column_names"], bool(i["unique"])) for i in found.get_indexes(table.name)}
        assert indexes == {i.name: ([c.name for c in i.columns], bool(i.unique)) for i in table.indexes}
    assert set(found.get_table_names()) == {*METADATA.tables, "store_versions"}
