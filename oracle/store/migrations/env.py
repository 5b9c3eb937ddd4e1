"""What Alembic runs for every command on our store: on the connection it is given, or on the store of the settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import context

from oracle.settings import load
from oracle.store.migrations import COMPARED, adopt
from oracle.store.store import database_of
from oracle.store.tables import METADATA


def _run(connection: sa.Connection) -> None:
    adopt(connection)
    context.configure(connection=connection, target_metadata=METADATA, **COMPARED)
    context.run_migrations()


if hasattr(context, "config"):  # not where this file is only read, as by a collector of doctests
    given = context.config.attributes.get("connection")
    if given is not None:
        _run(given)
    else:
        ours = database_of(load())
        try:
            ours.write(_run, in_order=True)
        finally:
            ours.close()
