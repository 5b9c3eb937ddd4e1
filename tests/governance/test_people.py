"""Who says who is who."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.errors import BadInput, BadSetting
from oracle.governance.roles import ROLES, Actor, NotAllowed
from oracle.registry.authority import RESERVED, actor_of
from oracle.registry.people import LastAdmin, grant
from oracle.settings import GovernanceSettings, Settings
from oracle.store import Store, embedded

NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
ROOT = Actor("root", frozenset(ROLES))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    kept = embedded(tmp_path)
    yield kept
    kept.close()


def test_the_first_grant_writes_down_what_the_granter_held(store: Store) -> None:
    grant(store, ROOT, "ann", ["scientist"], NOON)
    assert store.people.roles("ann") == {"scientist"}
    assert store.people.roles("root") == set(ROLES)
    assert [(e.entry.target, e.entry.after) for e in store.audit.links()] == [
        ("people/root", '{"roles":["admin","approver","scientist","viewer"]}'),
        ("people/ann", '{"roles":["scientist"]}'),
    ]


def test_nobody_but_an_admin_grants_and_the_attempt_is_written_down(store: Store) -> None:
    grant(store, ROOT, "ann", ["scientist", "approver"], NOON)
    with pytest.raises(NotAllowed):
        grant(store, Actor("ann", store.people.roles("ann")), "ann", ["admin"], NOON)
    assert store.people.roles("ann") == {"scientist", "approver"}
    assert store.audit.latest(1)[0].entry.outcome == "refused"


def test_the_last_admin_stays(store: Store) -> None:
    grant(store, ROOT, "root", ["scientist"], NOON)
    assert store.people.roles("root") == {"scientist", "admin"}
    with pytest.raises(LastAdmin):
        grant(store, ROOT, "root", [], NOON)
    grant(store, ROOT, "bea", ["admin"], NOON)
    grant(store, ROOT, "root", [], NOON)
    assert store.people.roles("root") == frozenset()


@pytest.mark.parametrize("name", ["policy", "Policy", "retraining", "", " ann", "a\nb", "x" * 65, "ANN"])
def test_a_name_that_is_no_persons_or_looks_like_anothers_is_refused(store: Store, name: str) -> None:
    grant(store, ROOT, "ann", ["scientist"], NOON)
    with pytest.raises(BadInput):
        grant(store, ROOT, name, ["approver"], NOON, RESERVED)


def test_a_role_that_is_none_is_refused_with_those_there_are(store: Store) -> None:
    with pytest.raises(BadInput, match="viewer, scientist, approver, admin"):
        grant(store, ROOT, "ann", ["king"], NOON)


def test_embedded_the_machines_user_holds_every_role_until_somebody_is_granted_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    settings = Settings(home=tmp_path)
    assert actor_of(settings, store) == ROOT
    assert actor_of(settings, store, "ann").roles == frozenset()
    grant(store, ROOT, "ann", ["approver"], NOON)
    named = Settings(home=tmp_path, governance=GovernanceSettings(actor="ann"))
    assert actor_of(named, store) == Actor("ann", frozenset({"approver"}))


@pytest.mark.parametrize("name", ["policy", " Policy ", "retraining", "found in service"])
def test_nobody_acts_under_a_name_that_is_no_persons(store: Store, tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSetting):
        actor_of(Settings(home=tmp_path), store, name)
