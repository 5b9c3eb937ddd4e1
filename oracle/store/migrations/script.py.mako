"""${message}."""

from __future__ import annotations

from oracle.store.migrations.words import run

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """${message}."""
    run(
        ${upgrades if upgrades else '"",'}
    )
