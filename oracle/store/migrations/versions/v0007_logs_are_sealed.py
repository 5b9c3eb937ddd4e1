"""What only grows is sealed better, and releases that count their steps are told to stay away.

PostgreSQL refuses to empty such a table as well, and does so in a session that replays a replica's changes too. The
audit trail itself goes on at its head and nowhere else, whoever writes: no gap, no fork, no row in between.
"""

from __future__ import annotations

from oracle.store.migrations.words import chained, run, seal

revision = "0007"
down_revision = "0006"

LOGS = (
    *("experiment_changes", "drift_checks", "retraining_decisions", "retraining_steps", "alerts"),
    *("audit_log", "approval_requests", "approval_rulings", "promotions", "role_grants"),
    *("api_tokens", "api_token_changes"),
)
COUNT = (
    "CREATE TABLE IF NOT EXISTS store_versions (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL)",
    "INSERT INTO store_versions (version, name) VALUES (1000, 'from here on alembic_version says it')",
)


def upgrade() -> None:
    """Make them."""
    run(*seal(*LOGS), *chained("audit_log"), *COUNT)
