"""The tables step by step, as revisions of Alembic: a store is brought to the newest by whoever opens it first.

`versions/` holds one file for each step, from the first release's on. A revision never changes once it is released; a
change is a new one at the end. All that a store misses run in one transaction that holds the writer's lock, so that
replicas that start at once make them once, and a crash leaves the state before. A store that misses none is opened by
one look at its version, without Alembic.

Releases before Alembic counted their steps in a table `store_versions`; the very first kept no count. Their stores are
taken over where they stand.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from oracle.errors import Unavailable
from oracle.store.database import Database

FOLDER = Path(__file__).parent
STEPS = {
    number: name.replace("_", " ")
    for number, _, name in (p.stem[1:].partition("_") for p in sorted((FOLDER / "versions").glob("v*.py")))
}
"""What each revision brings, the first first; `v0002_predictions_have_an_arm.py` is revision 0002."""
REVISIONS = tuple(STEPS)
HEAD = REVISIONS[-1]
COUNTED = 6
"""So many steps were ever counted in `store_versions`; a release that still counts knows no more of them."""

_NOT_COMPARED = {("table", "store_versions"), ("column", "seq")}
"""What earlier releases counted in, and what SQLite calls nullable although it never is."""
COMPARED: dict[str, Any] = {"include_object": lambda _, name, kind, *__: (kind, name) not in _NOT_COMPARED}
"""How Alembic compares the tables with what the revisions made."""
_ALEMBIC = threading.Lock()
"""Alembic keeps what it works on for the whole process: one thread at a time."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the tables of a store have come."""

    revision: str | None
    """None where nothing was made yet, or where the first release made it."""
    missing: tuple[str, ...]
    """Revisions that it lacks, in their order."""


def standing(connection: sa.Connection) -> Standing:
    """Return how far the tables have come, without changing anything.

    Raises:
        Unavailable: a newer release than this one made them.
    """
    at = _revision(connection)
    return Standing(at, REVISIONS if at is None else REVISIONS[REVISIONS.index(at) + 1 :])


def migrate(database: Database) -> tuple[str, ...]:
    """Bring the store to the newest revision and return those that it lacked.

    Raises:
        Unavailable: the database does not answer, or was made by a newer release than this one.
    """
    if not database.read(standing).missing:
        return ()
    return database.write(_upgrade, in_order=True)


def adopt(connection: sa.Connection) -> None:
    """Write down, for Alembic, how far a store has come whose steps were counted by an earlier release."""
    if not sa.inspect(connection).has_table("alembic_version") and (at := _revision(connection)) is not None:
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version"
            " (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.execute(sa.text("INSERT INTO alembic_version (version_num) VALUES (:at)"), {"at": at})


def _upgrade(connection: sa.Connection) -> tuple[str, ...]:
    missing = standing(connection).missing
    if missing:
        from alembic import command  # here: a store that is up to date is opened without it
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
        config.attributes["connection"] = connection
        with _ALEMBIC:
            command.upgrade(config, HEAD)
    return missing


def _revision(connection: sa.Connection) -> str | None:
    there = sa.inspect(connection)
    if there.has_table("alembic_version"):
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars().all()
        if found:
            return _known(*found)
    if there.has_table("store_versions"):
        count = int(connection.exec_driver_sql("SELECT coalesce(max(version), 0) FROM store_versions").scalar_one())
        return None if count == 0 else _known(REVISIONS[count - 1] if count <= COUNTED else f"step {count}")
    return None


def _known(*found: str) -> str:
    if len(found) == 1 and found[0] in STEPS:
        return found[0]
    raise Unavailable(
        f"our store was written by a newer release: it is at {', '.join(sorted(found))}, this one knows {HEAD}",
        next_step="run the newer release, or name another store with ORACLE_STORE__URI",
    )
