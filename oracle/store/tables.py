"""The tables as they are now, and how a value of ours becomes a row and a row a value.

`oracle.store.migrations` makes them; a test holds both equal. Text is unbounded, moments are UTC, JSON is kept as the
text it came in: an answer must be read again byte by byte.

What people write freely, and JSON that may repeat it, is masked on its way in whoever writes it: the type of its column
does it. Ids are not: what is masked is no id any more, so ids that name a person are refused where they come in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from oracle.governance.glance import kept, kept_id, masked_json
from oracle.store.database import Dialect
from oracle.store.keys import utc

Value = TypeVar("Value")


class Moment(TypeDecorator[dt.datetime]):
    """A moment, kept as UTC: SQLite has no time zones and would forget them."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        """Return the type that the database keeps it in."""
        return dialect.type_descriptor(sa.DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:
        """Return the moment as it is written."""
        if value is None:
            return None
        return utc(value) if dialect.name == "postgresql" else utc(value).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002
        """Return the moment as it was meant."""
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Masked(TypeDecorator[str]):
    """Text without personal data, on its way in and in questions alike.

    Args:
        how: What masks it: `kept` for what people write, `masked_json` for documents, `kept_id` for what may be an id.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, how: Callable[[str], str] = kept) -> None:
        super().__init__()
        self.how = how

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:  # noqa: ARG002
        """Return the text as it is written."""
        return None if value is None else self.how(value)


SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
METADATA = sa.MetaData()


def text(name: str, *, needed: bool = True, key: bool = False) -> sa.Column[str]:
    """Return a column of text without a bound."""
    return sa.Column(name, sa.Text, primary_key=key, nullable=not needed)


def words(name: str, *, needed: bool = True) -> sa.Column[str]:
    """Return a column of what people write freely."""
    return sa.Column(name, Masked(kept), nullable=not needed)


def document(name: str, *, needed: bool = True) -> sa.Column[str]:
    """Return a column of JSON that may repeat what people wrote."""
    return sa.Column(name, Masked(masked_json), nullable=not needed)


def named(name: str, *, needed: bool = True) -> sa.Column[str]:
    """Return a column of ids that callers choose, which names of theirs may have slipped into."""
    return sa.Column(name, Masked(kept_id), nullable=not needed)


def numbered() -> sa.Column[int]:
    """Return the column that numbers rows as they come."""
    return sa.Column("seq", SEQ, primary_key=True, autoincrement=True)


def when(name: str, *, needed: bool = True) -> sa.Column[dt.datetime]:
    """Return a column of moments."""
    return sa.Column(name, Moment, nullable=not needed)


PREDICTIONS = sa.Table(
    "predictions",
    METADATA,
    numbered(),
    text("prediction_id"),
    words("request_id", needed=False),
    when("at"),
    named("race_id", needed=False),
    named("race_key"),
    text("place_key"),
    words("course"),
    when("off"),
    text("experiment", needed=False),
    text("arm"),
    named("unit"),
    text("user", needed=False),
    text("model_name"),
    text("model_version"),
    text("fallback", needed=False),
    text("card_key"),
    text("features"),
    sa.Column("form", sa.BigInteger, nullable=False),
    sa.Column("latency_ms", sa.Double, nullable=True),
    sa.Column("cached", sa.Boolean, nullable=False),
    text("card"),
    text("answer"),
    sa.Index("predictions_by_id", "prediction_id", unique=True),
    sa.Index("predictions_by_time", "at"),
    sa.Index("predictions_by_race", "race_key"),
    sa.Index("predictions_by_place", "place_key"),
    sa.Index(
        "predictions_by_experiment",
        "experiment",
        "seq",
        sqlite_where=sa.text("experiment IS NOT NULL"),
        postgresql_where=sa.text("experiment IS NOT NULL"),
    ),
)
SCORINGS = sa.Table(
    "scorings",
    METADATA,
    text("card_key", key=True),
    text("model_version", key=True),
    named("race_id", needed=False),
    named("race_key"),
    text("place_key"),
    words("course"),
    when("off"),
    when("at"),
    text("arm"),
    sa.Column("form", sa.BigInteger, nullable=False),
    text("features"),
    sa.Column("latency_ms", sa.Double, nullable=True),
    document("runners"),
    sa.Index("scorings_by_race", "race_key"),
    sa.Index("scorings_by_place", "place_key"),
    sa.Index("scorings_by_time", "at"),
)
RESULTS = sa.Table(
    "results",
    METADATA,
    numbered(),
    named("race_id", needed=False),
    named("race_key"),
    text("place_key"),
    words("course"),
    when("off"),
    when("received_at"),
    words("source"),
    text("content"),
    document("runners"),
    sa.Index("results_by_race", "race_key", "seq"),
    sa.Index("results_by_place", "place_key"),
)
EVENTS = sa.Table(
    "events",
    METADATA,
    text("event_id", key=True),
    text("prediction_id"),
    text("kind"),
    sa.Column("value", sa.Double, nullable=True),
    when("at"),
    when("received_at"),
    sa.Index("events_by_prediction", "prediction_id"),
)
EXPERIMENTS = sa.Table(
    "experiments",
    METADATA,
    text("name", key=True),
    text("plan"),
    text("fingerprint"),
    text("status"),
    text("control"),
    text("treatments"),
    text("shares"),
    when("started_at"),
    when("ended_at", needed=False),
    words("reason", needed=False),
    text("actor"),
)
CHANGES = sa.Table(
    "experiment_changes",
    METADATA,
    numbered(),
    text("name"),
    when("at"),
    text("actor"),
    text("what"),
    words("why", needed=False),
    text("shares"),
    text("fingerprint"),
    sa.Index("experiment_changes_by_name", "name", "seq"),
)

CHECKS = sa.Table(
    "drift_checks",
    METADATA,
    numbered(),
    text("check_id"),
    when("at"),
    text("kind"),
    text("model_version"),
    text("reference"),
    when("window_from", needed=False),
    when("window_to", needed=False),
    sa.Column("races", sa.BigInteger, nullable=False),
    text("verdict"),
    document("document"),
    sa.Index("drift_checks_by_id", "check_id", unique=True),
    sa.Index("drift_checks_by_time", "at"),
)
DECISIONS = sa.Table(
    "retraining_decisions",
    METADATA,
    numbered(),
    text("event_id"),
    when("at"),
    text("decision"),
    document("causes"),
    text("check_id", needed=False),
    text("retraining_id", needed=False),
    sa.Index("retraining_decisions_by_event", "event_id", "decision", unique=True),
)
RETRAININGS = sa.Table(
    "retrainings",
    METADATA,
    text("retraining_id", key=True),
    text("event_id"),
    when("at"),
    document("cause"),
    text("production"),
    text("status"),
    text("candidate", needed=False),
    text("experiment", needed=False),
    text("run_id", needed=False),
    words("reason", needed=False),
    when("ended_at", needed=False),
)
STEPS_TAKEN = sa.Table(
    "retraining_steps",
    METADATA,
    numbered(),
    text("retraining_id"),
    text("step"),
    text("status"),
    when("at"),
    sa.Column("seconds", sa.Double, nullable=True),
    document("document"),
    sa.Index("retraining_steps_by_retraining", "retraining_id", "seq"),
)
ALERTS = sa.Table(
    "alerts",
    METADATA,
    numbered(),
    text("alert_id"),
    when("at"),
    text("kind"),
    text("severity"),
    words("title"),
    document("document"),
    sa.Index("alerts_by_id", "alert_id", unique=True),
)
DELIVERIES = sa.Table(
    "alert_deliveries",
    METADATA,
    text("alert_id", key=True),
    text("target", key=True),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    when("next_at", needed=False),
    when("delivered_at", needed=False),
    words("error", needed=False),
    sa.Index("alert_deliveries_by_next", "next_at"),
)


class Rows(Generic[Value]):
    """How values of one class are written many at a time, through the driver itself: SQLAlchemy's own way costs more.

    Args:
        table: Where they are written.
        dialect: The database.
    """

    def __init__(self, table: sa.Table, dialect: Dialect) -> None:
        columns = [c for c in table.columns if c.name != "seq"]
        mark = "?" if dialect == "sqlite" else "%s"
        names = ", ".join(f'"{c.name}"' for c in columns)
        marks = ", ".join([mark] * len(columns))
        self.insert = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        self._pick = attrgetter(*(c.name for c in columns))
        self._moments = [i for i, c in enumerate(columns) if isinstance(c.type, Moment)]
        self._masked = [(i, c.type.how) for i, c in enumerate(columns) if isinstance(c.type, Masked)]
        self._written = _as_text if dialect == "sqlite" else utc

        self.mark = mark

    def rows(self, values: Sequence[Value]) -> list[tuple[Any, ...]]:
        """Return the values as the driver takes them."""
        out = []
        for value in values:
            row = list(self._pick(value))
            for i in self._moments:
                if row[i] is not None:
                    row[i] = self._written(row[i])
            for i, how in self._masked:
                if row[i] is not None:
                    row[i] = how(row[i])
            out.append(tuple(row))
        return out

    def add(self, connection: sa.Connection, values: Sequence[Value]) -> int:
        """Write those that are not there yet and return how many that were."""
        if not values:
            return 0
        return int(connection.exec_driver_sql(self.insert, self.rows(values)).rowcount)

    def put(self, cursor: Any, values: Sequence[Value]) -> int:
        """Do as `add`, with a cursor of the driver."""
        if not values:
            return 0
        cursor.executemany(self.insert, self.rows(values))
        return int(cursor.rowcount)


def _as_text(moment: dt.datetime) -> str:
    """Return the moment as SQLAlchemy writes it to SQLite."""
    return utc(moment).replace(tzinfo=None).isoformat(" ", "microseconds")


def reader(kind: Callable[..., Value], table: sa.Table, *, without: Sequence[str] = ()) -> tuple[list[Any], Any]:
    """Return the columns to select for values of a class, and what makes a value of a row of them."""
    columns = [c for c in table.columns if c.name not in {"seq", *without}]

    def value(row: Any, **more: Any) -> Value:
        return kind(**{c.name: row[i] for i, c in enumerate(columns)}, **more)

    return columns, value
