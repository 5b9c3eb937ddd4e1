"""Drift checks, retrainings with their steps, and alerts with their deliveries."""

from __future__ import annotations

from oracle.store.migrations.words import append_only, run

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """CREATE TABLE drift_checks (
        seq {seq}, check_id TEXT NOT NULL, at {moment} NOT NULL, kind TEXT NOT NULL, model_version TEXT NOT NULL,
        reference TEXT NOT NULL, window_from {moment}, window_to {moment}, races BIGINT NOT NULL,
        verdict TEXT NOT NULL, document TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX drift_checks_by_id ON drift_checks (check_id)",
    "CREATE INDEX drift_checks_by_time ON drift_checks (at)",
    """CREATE TABLE retraining_decisions (
        seq {seq}, event_id TEXT NOT NULL, at {moment} NOT NULL, decision TEXT NOT NULL, causes TEXT NOT NULL,
        check_id TEXT, retraining_id TEXT)""",
    "CREATE UNIQUE INDEX retraining_decisions_by_event ON retraining_decisions (event_id, decision)",
    """CREATE TABLE retrainings (
        retraining_id TEXT NOT NULL PRIMARY KEY, event_id TEXT NOT NULL, at {moment} NOT NULL, cause TEXT NOT NULL,
        production TEXT NOT NULL, status TEXT NOT NULL, candidate TEXT, experiment TEXT, run_id TEXT, reason TEXT,
        ended_at {moment})""",
    """CREATE TABLE retraining_steps (
        seq {seq}, retraining_id TEXT NOT NULL, step TEXT NOT NULL, status TEXT NOT NULL, at {moment} NOT NULL,
        seconds {real}, document TEXT NOT NULL)""",
    "CREATE INDEX retraining_steps_by_retraining ON retraining_steps (retraining_id, seq)",
    """CREATE TABLE alerts (
        seq {seq}, alert_id TEXT NOT NULL, at {moment} NOT NULL, kind TEXT NOT NULL, severity TEXT NOT NULL,
        title TEXT NOT NULL, document TEXT NOT NULL)""",
    "CREATE UNIQUE INDEX alerts_by_id ON alerts (alert_id)",
    """CREATE TABLE alert_deliveries (
        alert_id TEXT NOT NULL, target TEXT NOT NULL, attempts BIGINT NOT NULL, next_at {moment},
        delivered_at {moment}, error TEXT, PRIMARY KEY (alert_id, target))""",
    "CREATE INDEX alert_deliveries_by_next ON alert_deliveries (next_at)",
)


def upgrade() -> None:
    """Make them."""
    run(*STATEMENTS, *append_only("drift_checks", "retraining_decisions", "retraining_steps", "alerts"))
