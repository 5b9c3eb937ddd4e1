"""The first release kept answers only; its stores say nothing of their version, so what is there may be there."""

from __future__ import annotations

from oracle.store.migrations.words import run

revision = "0001"
down_revision = None

STATEMENTS = (
    """CREATE TABLE IF NOT EXISTS predictions (
        prediction_id VARCHAR(64) NOT NULL PRIMARY KEY, at {moment} NOT NULL, race_id VARCHAR(120),
        model_name VARCHAR(256) NOT NULL, model_version VARCHAR(64) NOT NULL, card TEXT NOT NULL,
        answer TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS predictions_by_race ON predictions (race_id)",
    "CREATE INDEX IF NOT EXISTS predictions_by_time ON predictions (at)",
)


def upgrade() -> None:
    """Make them."""
    run(*STATEMENTS)
