"""One database and how it is spoken to: durable writers, patient with what passes by itself, clear about what does not.

SQLite under the home folder, or PostgreSQL. A writer takes its lock before it reads (`BEGIN IMMEDIATE`), so that two
processes that share one file never meet half-way; a commit is on the disk when it returns (`synchronous=FULL`,
`synchronous_commit=on`). What passes by itself (another writer, a lost connection, a server that restarts) is tried
again within the patience given. Work handed to `write` may so run twice, the first run unknown to have been committed
or not: it must add nothing the second time.
"""

from __future__ import annotations

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from oracle.errors import BadSetting, Unavailable
from oracle.store.driver import connected

T = TypeVar("T")

PATIENCE = 10.0
"""Seconds for which a lost or busy database is tried again: a restart of PostgreSQL takes two."""
FIRST_WAIT, LONGEST_WAIT = 0.01, 0.25
"""Seconds before the first new attempt, doubled each time, and the longest pause."""
SHORTEST_SILENCE = 0.5
"""Seconds that a statement has at least, however long its row has waited."""
LONGEST_LOCK = 1.0
"""Seconds for which the database itself waits for somebody's lock; then we look at our patience and ask again."""
SLOW_LANE = 7_262_117
"""Number of the PostgreSQL advisory lock under which numbers are given in the order of the commits."""

Dialect = Literal["sqlite", "postgresql"]
PASSING_STATES = ("08", "40", "53", "55P03", "57P")
"""SQLSTATEs (PostgreSQL, appendix A) of connections lost, deadlocks, full tables of clients, locks and shutdowns."""
PASSING_CODES = {5, 6, 15}
"""SQLite's BUSY, LOCKED and PROTOCOL: another one is writing or recovering."""
LASTING_WORDS = ("authentication failed", "does not exist", "no password supplied", "permission denied")
"""A server that says so at the door will say so again: psycopg gives no SQLSTATE for a connection refused."""


class Database:
    """An engine with its rules; one instance per process, safe to use from several threads."""

    def __init__(self, address: str, *, patience: float = PATIENCE, silence: float | None = None) -> None:
        """Prepare to speak to the database; nothing is opened yet.

        Args:
            address: `sqlite:///path`, or `postgresql://user:password@host/name`.
            patience: Seconds for which what passes by itself is tried again.
            silence: Seconds after which a PostgreSQL that takes a question and says nothing is given up: a stopped or
                frozen server closes no connection. None: a long question may take its time.

        Raises:
            BadSetting: the address is none of these.
        """
        self.patience, self._silence = patience, silence
        self.away = False
        """Set by whoever found that it does not answer: then it is asked once, and nobody is kept waiting."""
        try:
            self._engine = sa.create_engine(address, **_options(address, silence))
        except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
            raise _impossible(address) from error
        if self._engine.dialect.name not in ("sqlite", "postgresql"):
            raise _impossible(address)
        self.dialect: Dialect = "sqlite" if self._engine.dialect.name == "sqlite" else "postgresql"
        self.shown = self._engine.url.render_as_string(hide_password=True)
        """The address as it may be printed."""
        if self.dialect == "sqlite":
            sa.event.listen(self._engine, "connect", self._prepare_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)
        else:
            sa.event.listen(self._engine, "do_connect", connected)
            sa.event.listen(self._engine, "connect", self._prepare_postgresql)

    def read(self, work: Callable[[sa.Connection], T], *, patience: float | None = None) -> T:
        """Return what the work reads, in one transaction.

        Args:
            work: What to read.
            patience: Seconds, instead of the database's own; a server that says nothing for so long is given up.

        Raises:
            Unavailable: the database did not answer within the patience.
        """
        silence = self._silence if patience is None else patience
        return self._patiently(work, lambda: self._reading(silence), patience=patience)

    def write(self, work: Callable[[sa.Connection], T], *, in_order: bool = False, patience: float | None = None) -> T:
        """Return what the work returns, once what it wrote is on the disk.

        Args:
            work: What to do; it may run twice, and must add nothing the second time.
            in_order: Let nobody else who says so write at the same time, so that numbers given by the database
                become visible in their order: a reader who asks for "all after 7" must not miss a late 6.
            patience: Seconds, instead of the database's own.

        Raises:
            Unavailable: it could not be written within the patience.
            IntegrityError, DataError: a row is at fault, and would be again.
        """
        if in_order and self.dialect == "postgresql":
            return self._patiently(lambda connection: work(_alone(connection)), self._writing, patience=patience)
        return self._patiently(work, self._writing, patience=patience)

    def drive(self, work: Callable[[Any], T], *, patience: float | None = None) -> T:
        """Do as `write`, with a cursor of the driver: on the hot path SQLAlchemy would cost as much as the database.

        A PostgreSQL that says nothing for as long as the patience is given up: the row may be there all the same.

        Raises:
            Unavailable: it could not be written within the patience.
            Exception: the driver's, where a row is at fault, and would be again.
        """
        silence = max(self.patience if patience is None else patience, SHORTEST_SILENCE)
        return self._patiently(work, lambda: self._driven(silence), patience=patience)

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Let nobody else who asks under this name in, in any process that shares the database, until it is left.

        For what no database can do in a transaction, such as moving an alias in a registry. The lock goes with its
        holder: the kernel's lock of a file beside SQLite's own, an advisory lock of PostgreSQL's session.

        Raises:
            Unavailable: somebody else stayed inside for longer than the patience, or the database did not answer.
        """
        if self.dialect == "sqlite":
            yield from self._alone_by_file(name)
        else:
            yield from self._alone_by_session(name)

    def _alone_by_file(self, name: str) -> Iterator[None]:
        file = f"{self._engine.url.database}.{name}.lock"
        with open(file, "w") as stream:  # noqa: PTH123
            self._enter(name, lambda: _locked(stream))
            yield

    def _alone_by_session(self, name: str) -> Iterator[None]:
        key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=7).digest())
        asked = sa.text("SELECT pg_try_advisory_lock(:key)")
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                self._enter(name, lambda: bool(connection.execute(asked, {"key": key}).scalar_one()))
                try:
                    yield
                finally:
                    connection.invalidate()  # ends the session, and its locks with it
        except SQLAlchemyError as error:
            raise self._unavailable(getattr(error, "orig", None) or error) from error

    def _enter(self, name: str, attempt: Callable[[], bool]) -> None:
        begun, wait = time.perf_counter(), FIRST_WAIT
        while not attempt():
            if time.perf_counter() - begun > self.patience:
                raise Unavailable(
                    f"somebody else is busy with {name}", value=self.shown, next_step="try again in a moment"
                )
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def overwrite(self) -> None:
        """Have what was changed or deleted leave the files too, as far as the database lets us.

        Raises:
            Unavailable: it did not answer.
        """
        sweep = "PRAGMA wal_checkpoint(TRUNCATE)" if self.dialect == "sqlite" else "VACUUM predictions, events"
        try:
            connection = self._engine.raw_connection()
            try:
                if self.dialect == "postgresql":
                    connection.dbapi_connection.autocommit = True  # type: ignore[union-attr]
                connection.cursor().execute(sweep)
            finally:
                connection.invalidate()
                connection.close()
        except self._engine.dialect.loaded_dbapi.Error as cause:
            raise self._unavailable(cause) from cause

    @contextmanager
    def at_leisure(self) -> Iterator[None]:
        """Let every question take its time until it is left: a migration may be silent for minutes."""
        kept, self._silence = self._silence, None
        try:
            yield
        finally:
            self._silence = kept

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _prepare_sqlite(self, connection: Any, _record: Any) -> None:
        """Let readers and one writer work side by side, make a commit survive a power cut, and begin by ourselves."""
        connection.isolation_level = None
        wait = int(1000 * min(self.patience, LONGEST_LOCK))
        for pragma in (f"busy_timeout={wait}", "journal_mode=WAL", "synchronous=FULL"):
            connection.execute(f"PRAGMA {pragma}")

    def _prepare_postgresql(self, connection: Any, _record: Any) -> None:
        """Make a commit wait for the disk, whatever the server's default; a stricter default stays."""
        try:
            connection.execute(
                "SELECT set_config('synchronous_commit', 'on', false)"
                " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
            )
            connection.execute(f"SELECT set_config('lock_timeout', '{int(1000 * LONGEST_LOCK)}ms', false)")
            connection.commit()
        except BaseException:
            connection.close()  # the pool does not know it yet
            raise

    @contextmanager
    def _reading(self, silence: float | None) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            self._limit(connection.connection, silence)
            with connection.begin():
                yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            self._limit(connection.connection, self._silence)
            with connection.execution_options(writes=True).begin():
                yield connection

    @contextmanager
    def _driven(self, silence: float) -> Iterator[Any]:
        connection = self._engine.raw_connection()
        try:
            self._limit(connection, silence)
            cursor = connection.cursor()
            if self.dialect == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            connection.commit()
        except BaseException:
            try:
                connection.rollback()
            except self._engine.dialect.loaded_dbapi.Error:  # it is lost: the next one asks for a new one
                connection.invalidate()
            raise
        finally:
            connection.close()

    def _limit(self, connection: Any, silence: float | None) -> None:
        if self.dialect == "postgresql":
            connection.driver_connection.silence = silence

    def _patiently(
        self, work: Callable[[Any], T], way: Callable[[], AbstractContextManager[Any]], *, patience: float | None = None
    ) -> T:
        begun, wait = time.perf_counter(), FIRST_WAIT
        if patience is None:
            patience = 0.0 if self.away else self.patience
        driver = self._engine.dialect.loaded_dbapi
        while True:
            try:
                with way() as connection:
                    return work(connection)
            except (IntegrityError, DataError, driver.IntegrityError, driver.DataError):
                raise
            except (SQLAlchemyError, driver.Error) as error:
                cause = getattr(error, "orig", None) or error
                if not passes(cause) or time.perf_counter() - begun + wait > patience:
                    raise self._unavailable(cause) from error
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)

    def _unavailable(self, cause: BaseException) -> Unavailable:
        said = str(cause).strip()
        error = Unavailable(f"our store did not answer: {said}", value=self.shown, next_step=_next_step(said))
        error.passing = passes(cause)
        return error


def passes(cause: BaseException) -> bool:
    """Return whether the same may work a moment later: the connection was lost, or somebody else is writing.

    Args:
        cause: What the driver raised.
    """
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return (int(code) & 0xFF) in PASSING_CODES
    state = getattr(cause, "sqlstate", None)
    if state:
        return str(state).startswith(PASSING_STATES)
    said = str(cause)
    return type(cause).__module__.startswith("psycopg") and not any(word in said for word in LASTING_WORDS)


def _options(address: str, silence: float | None) -> dict[str, Any]:
    if not address.startswith("postgresql"):
        return {}
    door = 5 if silence is None else 2  # seconds; libpq takes no less
    return {"connect_args": {"connect_timeout": door, "tcp_user_timeout": 10_000, "keepalives_idle": 10}}


def _impossible(address: str) -> BadSetting:
    scheme = address.partition("://")[0] if "://" in address else "no scheme"  # the rest may hold a password
    return BadSetting(
        "our store has an impossible address",
        value=f"{scheme}://..." if "://" in address else scheme,
        allowed="sqlite:///path, postgresql://user:password@host:port/database",
        next_step="mend the setting store.uri (ORACLE_STORE__URI)",
    )


def _next_step(cause: str) -> str:
    if "authentication failed" in cause or "password" in cause:
        return "mend user or password in store.uri (ORACLE_STORE__URI)"
    if "permission denied" in cause or "must be owner" in cause:
        return "let the owner of the tables run `oracle store migrate` and `oracle store grants --apply`"
    if "does not exist" in cause:
        return "create the role and the database that store.uri names: createuser, createdb"
    if "connection" in cause:
        return "start the database server, or mend host and port in store.uri (ORACLE_STORE__URI)"
    return "check that the database is there, writable, and has room"


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the writer's lock at once: a reader that turns writer half-way is refused without any waiting."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def _locked(stream: Any) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alone(connection: sa.Connection) -> sa.Connection:
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:lane)"), {"lane": SLOW_LANE})
    return connection
