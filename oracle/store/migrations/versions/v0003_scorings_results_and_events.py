"""Scorings, results and events."""

from __future__ import annotations

from oracle.store.migrations.words import run

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    """CREATE TABLE scorings (
        card_key TEXT NOT NULL, model_version TEXT NOT NULL, race_id TEXT, race_key TEXT NOT NULL,
        place_key TEXT NOT NULL, course TEXT NOT NULL, "off" {moment} NOT NULL, at {moment} NOT NULL, arm TEXT NOT NULL,
        form BIGINT NOT NULL, features TEXT NOT NULL, latency_ms {real}, runners TEXT NOT NULL,
        PRIMARY KEY (card_key, model_version))""",
    "CREATE INDEX scorings_by_race ON scorings (race_key)",
    "CREATE INDEX scorings_by_place ON scorings (place_key)",
    "CREATE INDEX scorings_by_time ON scorings (at)",
    """CREATE TABLE results (
        seq {seq}, race_id TEXT, race_key TEXT NOT NULL, place_key TEXT NOT NULL, course TEXT NOT NULL,
        "off" {moment} NOT NULL, received_at {moment} NOT NULL, source TEXT NOT NULL, content TEXT NOT NULL,
        runners TEXT NOT NULL)""",
    "CREATE INDEX results_by_race ON results (race_key, seq)",
    "CREATE INDEX results_by_place ON results (place_key)",
    """CREATE TABLE events (
        event_id TEXT NOT NULL PRIMARY KEY, prediction_id TEXT NOT NULL, kind TEXT NOT NULL, value {real},
        at {moment} NOT NULL, received_at {moment} NOT NULL)""",
    "CREATE INDEX events_by_prediction ON events (prediction_id)",
)


def upgrade() -> None:
    """Make them."""
    run(*STATEMENTS)
