"""What the house remembers of its own work: every answered prediction, in one small database.

SQLite under the home folder by default, any SQLAlchemy address otherwise. A row is written before the answer leaves, so
that whatever a caller acted upon can be read again, and later be held against the result. Writing the same prediction
twice adds nothing: a proxy may repeat a request.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.types import TypeDecorator

from oracle.errors import Unavailable

T = TypeVar("T")

BUSY_SECONDS = 10.0
"""How long a writer waits for another one before it gives up: replicas share one SQLite file."""


class _Utc(TypeDecorator[dt.datetime]):
    """A moment, kept as UTC: SQLite has no time zones and would forget them."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=dt.UTC)


_METADATA = sa.MetaData()
_PREDICTIONS = sa.Table(
    "predictions",
    _METADATA,
    sa.Column("prediction_id", sa.String(64), primary_key=True),
    sa.Column("at", _Utc, nullable=False),
    sa.Column("race_id", sa.String(120), nullable=True),
    sa.Column("model_name", sa.String(256), nullable=False),
    sa.Column("model_version", sa.String(64), nullable=False),
    sa.Column("card", sa.Text, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Index("predictions_by_race", "race_id"),
    sa.Index("predictions_by_time", "at"),
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answered card, as it was asked and as it was answered."""

    prediction_id: str
    at: dt.datetime
    """When it was answered, with a time zone."""
    race_id: str | None
    model_name: str
    model_version: str
    card: str
    """The card as JSON."""
    answer: str
    """The answer as JSON, exactly as it was sent."""


class Store:
    """Keeps predictions in a database; one instance per process, safe to use from several threads."""

    def __init__(self, address: str) -> None:
        """Open the database and create what is missing in it.

        Args:
            address: SQLAlchemy address, such as `sqlite:////home/you/.equine-oracle/oracle.db`.

        Raises:
            Unavailable: the database cannot be opened or written.
        """
        try:
            self._engine = sa.create_engine(address)
        except (SQLAlchemyError, ImportError) as error:
            raise Unavailable(f"our store has an impossible address: {error}", next_step="mend the setting") from error
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        self._within(_create)

    def record(self, prediction: Prediction) -> None:
        """Write the prediction; on return it is committed. A prediction that is there already stays as it is.

        Raises:
            Unavailable: it could not be written.
        """
        row = {name: getattr(prediction, name) for name in Prediction.__dataclass_fields__}
        try:
            self._within(lambda connection: connection.execute(sa.insert(_PREDICTIONS), row))
        except IntegrityError:
            if self.prediction(prediction.prediction_id) is None:
                raise

    def prediction(self, prediction_id: str) -> Prediction | None:
        """Return the prediction of that id, or None.

        Raises:
            Unavailable: the database did not answer.
        """
        wanted = sa.select(_PREDICTIONS).where(_PREDICTIONS.c.prediction_id == prediction_id)
        row = self._within(lambda connection: connection.execute(wanted).mappings().one_or_none())
        return None if row is None else Prediction(**row)

    def check(self) -> None:
        """Return if the database answers.

        Raises:
            Unavailable: it does not.
        """
        self._within(lambda connection: connection.execute(sa.select(_PREDICTIONS.c.prediction_id).limit(1)).all())

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _within(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise Unavailable(
                f"our store did not answer: {cause}",
                value=self._engine.url.render_as_string(hide_password=True),
                next_step="check that the database is there, writable, and has room",
            ) from error


def embedded(root: Path) -> Store:
    """Return the store that lives in a file under `root`, which is created where it is missing."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the home folder cannot be made: {error}", value=root, next_step="set ORACLE_HOME"
        ) from error
    return Store(f"sqlite:///{root / 'oracle.db'}")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Let readers and one writer work side by side, and make a commit survive a power cut."""
    for pragma in (f"busy_timeout={int(BUSY_SECONDS * 1000)}", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _create(connection: sa.Connection) -> None:
    """Create the tables statement by statement, "if not exists": replicas start at once and would race to be first."""
    for table in _METADATA.sorted_tables:
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            connection.execute(CreateIndex(index, if_not_exists=True))
