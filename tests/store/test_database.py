"""What is tried again and what is not, and that a commit waits for the disk."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from oracle.errors import Unavailable
from oracle.store import Store, embedded
from oracle.store.database import Database, passes
from tests.store.postgres import PostgreSQL
from tests.store.rows import prediction


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("database is as it is")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "error",
    [
        *(sqlite_error(code) for code in (5, 6, 15, 5 | (2 << 8))),
        *(errors.AdminShutdown(), errors.CrashShutdown(), errors.CannotConnectNow(), errors.DeadlockDetected()),
        *(errors.SerializationFailure(), errors.TooManyConnections(), errors.LockNotAvailable()),
        *(errors.ConnectionFailure(), psycopg.OperationalError("connection failed: Connection refused")),
        psycopg.OperationalError("server closed the connection unexpectedly"),
    ],
    ids=repr,
)
def test_what_passes_by_itself_is_tried_again(error: Exception):
    assert passes(error)


@pytest.mark.parametrize(
    "error",
    [
        *(sqlite_error(code) for code in (1, 8, 11, 13, 14, 26)),
        *(errors.UndefinedTable(), errors.InsufficientPrivilege(), errors.ReadOnlySqlTransaction()),
        psycopg.OperationalError('connection failed: FATAL: password authentication failed for user "oracle"'),
        psycopg.OperationalError('connection failed: FATAL: database "x" does not exist'),
        MemoryError(),
    ],
    ids=repr,
)
def test_what_lasts_is_told_at_once(error: Exception):
    assert not passes(error)


def test_a_lasting_fault_is_not_waited_for(tmp_path: Path):
    store = embedded(tmp_path)
    begun = time.perf_counter()
    with pytest.raises(Unavailable, match="no such table"):
        store.database.read(lambda connection: connection.exec_driver_sql("SELECT * FROM elsewhere"))
    with pytest.raises(Unavailable, match="no such table"):
        store.database.drive(lambda cursor: cursor.execute("INSERT INTO elsewhere VALUES (1)"))
    assert time.perf_counter() - begun < 5
    store.predictions.add([prediction()])
    store.close()


def test_what_fails_leaves_nothing_half_written(store: Store):
    def half(connection) -> None:
        store.predictions._rows.add(connection, [prediction()])
        raise KeyboardInterrupt

    for way in (store.database.write, store.database.read):
        with pytest.raises(KeyboardInterrupt):
            way(half)

    def driven(cursor) -> None:
        store.predictions._rows.put(cursor, [prediction()])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.database.drive(driven)
    assert store.predictions.count() == 0
    store.predictions.add([prediction()])


@pytest.mark.services
def test_a_server_that_would_not_wait_for_the_disk_is_told_to_and_a_stricter_one_stays_strict(postgres: PostgreSQL):
    address = postgres.fresh("lax")
    for default, wanted in (("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")):
        with postgres.connect() as connection:
            connection.execute(f"ALTER DATABASE lax SET synchronous_commit = {default}")
        database = Database(address)
        found = database.read(lambda c: c.exec_driver_sql("SHOW synchronous_commit").scalar_one())
        assert found == database.drive(lambda c: c.execute("SHOW synchronous_commit").fetchone()[0]) == wanted
        database.close()


@pytest.mark.services
def test_somebody_who_holds_the_table_is_waited_for_as_long_as_the_patience_lasts(postgres: PostgreSQL):
    store = Store(postgres.fresh("held"), patience=1.5)
    with postgres.connect("held") as other, other.transaction():
        other.execute("LOCK TABLE predictions")
        with pytest.raises(Unavailable, match="lock timeout"):
            store.predictions.add([prediction()])
    assert store.predictions.add([prediction()]) == 1
    store.close()
