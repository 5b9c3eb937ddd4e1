"""Whoever may write the database itself can change the trail, and is found by the look at it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from oracle.errors import Unavailable
from oracle.governance.audit import GENESIS
from oracle.governance.verification import Anchor, verify
from oracle.store import Store
from oracle.store.audit import Search
from tests.governance.chains import NOON, entry
from tests.store.postgres import PostgreSQL

FREE = {
    "sqlite": [f"DROP TRIGGER audit_log_{name}" for name in ("no_update", "no_delete", "chained")],
    "postgresql": ["ALTER TABLE audit_log DISABLE TRIGGER ALL"],
}


def filled(store: Store, count: int = 6) -> Anchor:
    for n in range(1, count + 1):
        store.audit.append(entry(n, actor=("ann", "bea")[n % 2], target=f"equine-oracle/{n}"))
    head = store.audit.head()
    return Anchor(head.position, head.hash)


def freed(store: Store, *statements: str) -> None:
    """Do as somebody who owns the database would: the refusals go first."""
    for statement in (*FREE[store.database.dialect], *statements):
        store.database.write(lambda c, s=statement: c.exec_driver_sql(s))


def found(store: Store, *anchors: Anchor) -> list[tuple[int, str]]:
    return [(flaw.position, flaw.kind) for flaw in verify(store.audit.walk(), anchors).flaws]


LINE = "entry_id, at, actor, action, target, outcome, previous, hash"


def copied(position: int, *, previous: str = "previous") -> str:
    """Select the last row once more, at another position."""
    columns = f"{position}, 'x', at, actor, action, target, outcome, {previous}, hash"
    return f"SELECT {columns} FROM audit_log WHERE position = (SELECT max(position) FROM audit_log)"


PLACES = tuple(f"UPDATE audit_log SET position = {new} WHERE position = {old}" for old, new in ((4, 0), (5, 4), (0, 5)))


@pytest.mark.parametrize(
    ("statements", "flaws"),
    [
        (["UPDATE audit_log SET actor = 'mallory' WHERE position = 3"], [(3, "changed")]),
        (["UPDATE audit_log SET outcome = 'refused', reason = '' WHERE position = 3"], [(3, "changed")]),
        (["UPDATE audit_log SET address = '' WHERE position = 2"], [(2, "changed")]),
        (["DELETE FROM audit_log WHERE position = 3"], [(3, "missing")]),
        (["DELETE FROM audit_log WHERE position IN (3, 4)"], [(3, "missing")]),
        (["DELETE FROM audit_log WHERE position > 4"], [(6, "cut")]),
        (["DELETE FROM audit_log"], [(6, "cut")]),
        (["UPDATE audit_log SET hash = previous WHERE position = 6"], [(6, "changed"), (6, "rewritten")]),
        (PLACES, [(4, "detached"), (4, "changed"), (5, "detached"), (5, "changed"), (6, "detached")]),
        (
            [f"INSERT INTO audit_log (position, {LINE}) {copied(0)}"],
            [(0, "misplaced"), (0, "changed")],
        ),
    ],
)
def test_a_row_that_was_tampered_with_is_found_at_its_position(
    tmp_path: Path, statements: list[str], flaws: list[tuple[int, str]]
):
    store = Store(f"sqlite:///{tmp_path / 'oracle.db'}")
    anchor = filled(store)
    assert found(store, anchor) == []
    freed(store, *statements)
    assert found(store, anchor) == flaws
    store.close()


@pytest.mark.services
def test_what_a_superuser_of_postgresql_does_to_rows_is_found_as_well(postgres: PostgreSQL):
    store = Store(postgres.fresh("oracle_test"))
    anchor = filled(store)
    freed(
        store, "UPDATE audit_log SET actor = 'mallory' WHERE position = 3", "DELETE FROM audit_log WHERE position = 4"
    )
    assert found(store, anchor) == [(3, "changed"), (4, "missing")]
    freed(store, "DELETE FROM audit_log WHERE position > 2")
    assert found(store) == []
    assert found(store, anchor) == [(6, "cut")]
    store.close()


def test_what_sqlite_lets_stand_where_a_number_or_a_moment_should_is_found(tmp_path: Path):
    store = Store(f"sqlite:///{tmp_path / 'oracle.db'}")
    filled(store)
    freed(
        store,
        "UPDATE audit_log SET at = 'yesterday' WHERE position = 2",
        "UPDATE audit_log SET actor = x'00ff' WHERE position = 4",
        "UPDATE audit_log SET position = 'seven' WHERE position = 6",
    )
    assert found(store) == [(2, "unreadable"), (4, "unreadable"), (6, "unreadable")]
    store.close()


def test_the_database_takes_no_row_that_is_not_the_next(store: Store):
    filled(store, 2)
    wrong = [copied(position) for position in (-1, 0, 1, 2, 4, 9)]
    wrong += [copied(3, previous=f"'{previous}'") for previous in (GENESIS, "f" * 64)]
    for select in wrong:
        with pytest.raises((Unavailable, sa.exc.IntegrityError), match="goes on at its head"):
            store.database.write(lambda c, s=select: c.exec_driver_sql(f"INSERT INTO audit_log (position, {LINE}) {s}"))
    assert found(store) == []


def test_a_row_cannot_be_replaced_by_way_of_an_insert(store: Store):
    filled(store, 2)
    if store.database.dialect == "sqlite":
        statement = f"INSERT OR REPLACE INTO audit_log (position, {LINE}) {copied(2)}"
    else:
        statement = (
            f"INSERT INTO audit_log (position, {LINE}) {copied(2)} ON CONFLICT (position) DO UPDATE SET actor = 'm'"
        )
    with pytest.raises((Unavailable, sa.exc.IntegrityError)):
        store.database.write(lambda c: c.exec_driver_sql(statement))
    assert found(store) == []


def test_writers_in_threads_and_stores_make_one_chain_without_a_gap(opened: Callable[..., Store]):
    stores = [opened() for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: stores[n % 3].audit.append(entry(n)), range(30)))
    verdict = verify(stores[0].audit.walk())
    assert (verdict.sound, verdict.entries, verdict.head.position) == (True, 30, 30)


def test_entries_are_found_by_who_what_on_what_when_and_how_it_ended(store: Store):
    audit = store.audit
    filled(store, 6)
    audit.append(entry(7, outcome="refused", action="approve", target="equine-oracle"))
    audit.append(entry(8, outcome="failed", target="equine-oracle_2/1"))

    def positions(most: int = 50, **search: Any) -> list[int]:
        return [link.position for link in audit.find(Search(**search), most)]

    assert positions() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert positions(2) == [7, 8]
    assert positions(actor="bea") == [1, 3, 5]
    assert positions(action="approve") == [7]
    assert positions(target="equine-oracle") == [1, 2, 3, 4, 5, 6, 7]
    assert positions(target="equine-oracle/3") == [3]
    assert positions(target="equine_oracle") == []
    assert positions(outcomes=("refused", "failed")) == [7, 8]
    assert positions(since=entry(3).at, until=entry(5).at) == [3, 4]
    assert positions(since=NOON.replace(year=2030)) == []


def test_a_long_chain_is_walked_in_pages(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("oracle.store.audit.AT_ONCE", 4)
    filled(store, 9)
    assert [link.position for link in store.audit.walk()] == list(range(1, 10))
    assert [link.position for link in store.audit.walk(7)] == [8, 9]
