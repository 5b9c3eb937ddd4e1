"""Experiments and the log of their changes."""

from __future__ import annotations

from oracle.store.migrations.words import append_only, run

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    """CREATE TABLE experiments (
        name TEXT NOT NULL PRIMARY KEY, plan TEXT NOT NULL, fingerprint TEXT NOT NULL, status TEXT NOT NULL,
        control TEXT NOT NULL, treatments TEXT NOT NULL, shares TEXT NOT NULL, started_at {moment} NOT NULL,
        ended_at {moment}, reason TEXT, actor TEXT NOT NULL)""",
    """CREATE TABLE experiment_changes (
        seq {seq}, name TEXT NOT NULL, at {moment} NOT NULL, actor TEXT NOT NULL, what TEXT NOT NULL, why TEXT,
        shares TEXT NOT NULL, fingerprint TEXT NOT NULL)""",
    "CREATE INDEX experiment_changes_by_name ON experiment_changes (name, seq)",
)


def upgrade() -> None:
    """Make them."""
    run(*STATEMENTS, *append_only("experiment_changes"))
