"""Predictions have an arm, a unit and a race; those of the first release are carried over."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

from oracle.store.keys import place_key
from oracle.store.migrations.words import run
from oracle.store.tables import Moment

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    "ALTER TABLE predictions RENAME TO answers_only",
    "DROP INDEX predictions_by_race",
    "DROP INDEX predictions_by_time",
    """CREATE TABLE predictions (
        seq {seq}, prediction_id TEXT NOT NULL, request_id TEXT, at {moment} NOT NULL, race_id TEXT,
        race_key TEXT NOT NULL, place_key TEXT NOT NULL, course TEXT NOT NULL, "off" {moment} NOT NULL, experiment TEXT,
        arm TEXT NOT NULL, unit TEXT NOT NULL, "user" TEXT, model_name TEXT NOT NULL, model_version TEXT NOT NULL,
        fallback TEXT, card_key TEXT NOT NULL, features TEXT NOT NULL, form BIGINT NOT NULL, latency_ms {real},
        cached BOOLEAN NOT NULL, card TEXT NOT NULL, answer TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX predictions_by_id ON predictions (prediction_id)",
    "CREATE INDEX predictions_by_time ON predictions (at)",
    "CREATE INDEX predictions_by_race ON predictions (race_key)",
    "CREATE INDEX predictions_by_place ON predictions (place_key)",
    "CREATE INDEX predictions_by_experiment ON predictions (experiment, seq) WHERE experiment IS NOT NULL",
)

AT_ONCE = 500
OLD = sa.text(
    "SELECT prediction_id, at, race_id, model_name, model_version, card, answer FROM answers_only"
    " WHERE prediction_id > :last ORDER BY prediction_id LIMIT :n"
).columns(at=Moment)
NEW = sa.table(
    "predictions",
    *(sa.column(name, Moment) for name in ("at", "off")),
    *(sa.column(name) for name in ("prediction_id", "race_id", "race_key", "place_key", "course", "arm", "unit")),
    *(sa.column(name) for name in ("model_name", "model_version", "card_key", "features", "form", "cached")),
    *(sa.column(name) for name in ("card", "answer")),
)


def upgrade() -> None:
    """Give each kept answer an arm: it was the control's, of a unit that is its race, with the form of the training."""
    run(*STATEMENTS)
    connection, last = op.get_bind(), ""
    while old := connection.execute(OLD, {"last": last, "n": AT_ONCE}).all():
        connection.execute(sa.insert(NEW), [_carried(row) for row in old])
        last = old[-1].prediction_id
    run("DROP TABLE answers_only")


def _carried(row: Any) -> dict[str, Any]:
    try:
        card = orjson.loads(row.card)
        course, off = str(card["course"]), dt.datetime.fromisoformat(card["off"])
        place = place_key(course, off)
    except (KeyError, TypeError, ValueError):  # not a card of ours: keep the answer all the same
        course, off = "", row.at
        place = place_key("", row.at)
    race = place if row.race_id is None else row.race_id
    return {
        **row._mapping,
        **{"course": course, "off": off, "race_key": race, "place_key": place, "unit": race, "arm": "control"},
        **{"features": "", "form": 0, "cached": False},
        "card_key": hashlib.blake2b(row.card.encode(), digest_size=16).hexdigest(),
    }
