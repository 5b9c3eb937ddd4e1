"""One door into service, on MLflow itself: what the registry in memory shows of every place holds here too."""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.errors import Unavailable
from oracle.governance.consent import AlreadyUsed, Superseded
from oracle.governance.gates import PromotionPolicy
from oracle.governance.roles import ROLES, Actor
from oracle.registry import lifecycle
from oracle.registry.lifecycle import register, staged
from oracle.registry.local import LOCK, LocalAuthority
from oracle.registry.versioning import ModelFacts
from oracle.registry.versions import ARCHIVED, PRODUCTION, REJECTED, STAGING, ModelVersion, resolve, serving, versions
from oracle.store import Store
from oracle.store import embedded as opened
from oracle.tracking.connection import Tracking
from oracle.tracking.runs import run
from tests.governance.measured import validation
from tests.registry.cards import CARD

pytestmark = pytest.mark.slow

FACTS = ModelFacts(("lambdarank", "logit"), "log_pool", "h1", "form@1", "d1", "c1")
NAMES = (f"promoted-{i}" for i in itertools.count())
NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)


@pytest.fixture
def registry(tracking: Tracking) -> Tracking:
    return dataclasses.replace(tracking, model_name=next(NAMES))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    kept = opened(tmp_path)
    yield kept
    kept.close()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture
def ann(registry: Tracking, store: Store) -> LocalAuthority:
    return LocalAuthority(registry, store, PromotionPolicy(), Actor("ann", frozenset(ROLES)), NOON)


def made(registry: Tracking, package: Path, retraining: str | None = None) -> ModelVersion:
    with run(registry, "a training") as recorder:
        return register(registry, package, CARD, FACTS, recorder.run_id, retraining)


def request(ann: LocalAuthority, version: ModelVersion, on: int, retraining: str | None = None) -> str:
    measured = {"validation": validation(on)}
    asked = ann.request(version.number, reason="better", measured=measured, expected=on, retraining=retraining)
    assert asked.approved
    return asked.request.request_id


def test_a_retraining_registers_one_version_however_often_it_is_cut_off(
    registry: Tracking, package: Path, ann: LocalAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(registry, package)
    ann.first(first.number)
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "_give_semver", _gone)
        with pytest.raises(Unavailable):
            made(registry, package, "r1")
    assert staged(registry, "r1").semver is None  # type: ignore[union-attr]
    second = made(registry, package, "r1")
    assert made(registry, package, "r1") == second
    assert [v.number for v in versions(registry)] == [first.number, second.number]
    assert (second.label, second.lifecycle, second.retraining) == ("v1.0.1", None, "r1")
    second = ann.stage(second.number, "retraining r1")
    assert ann.stage(second.number, "retraining r1") == second
    assert (second.lifecycle, second.aliases) == (STAGING, ("staging", "v1-0-1"))
    assert resolve(registry, first.number).lifecycle == PRODUCTION


def _gone(*_: object) -> None:
    raise Unavailable("the registry has gone")


def test_a_promotion_archives_the_old_and_frees_the_aliases(
    registry: Tracking, package: Path, ann: LocalAuthority
) -> None:
    old, new = made(registry, package), made(registry, package)
    ann.first(old.number)
    name = request(ann, new, old.number)
    ann.promote(name)
    promoted = resolve(registry, new.number)
    assert (promoted.aliases, promoted.lifecycle) == (("production", "v1-0-1"), PRODUCTION)
    before = resolve(registry, old.number)
    assert (before.lifecycle, before.reason) == (ARCHIVED, "v1.0.1 took its place")
    with pytest.raises(AlreadyUsed):
        ann.promote(name)
    assert resolve(registry, new.number) == promoted


def test_evidence_against_another_version_promotes_nobody(
    registry: Tracking, package: Path, ann: LocalAuthority
) -> None:
    old, new, other = made(registry, package), made(registry, package, "r1"), made(registry, package)
    ann.first(old.number)
    late, early = request(ann, new, old.number, "r1"), request(ann, other, old.number)
    ann.promote(early)
    with pytest.raises(Superseded) as refused:
        ann.promote(late)
    assert refused.value.value == other.number
    assert serving(registry) == resolve(registry, other.number)


def test_a_rollback_brings_the_old_version_back_and_another_one_forth_again(
    registry: Tracking, package: Path, ann: LocalAuthority
) -> None:
    old, new = made(registry, package), made(registry, package)
    ann.first(old.number)
    ann.promote(request(ann, new, old.number))
    ann.rollback(old.number, reason="complaints")
    assert resolve(registry).number == old.number
    assert (resolve(registry, new.number).lifecycle, resolve(registry, old.number).lifecycle) == (ARCHIVED, PRODUCTION)
    ann.rollback(reason="it was the feed")
    assert resolve(registry).number == new.number


def test_nobody_promotes_while_somebody_else_does(
    registry: Tracking, tmp_path: Path, package: Path, ann: LocalAuthority
) -> None:
    old, new = made(registry, package), made(registry, package)
    ann.first(old.number)
    name = request(ann, new, old.number)
    two = Store(f"sqlite:///{tmp_path / 'oracle.db'}", patience=0.05)
    with ann.store.database.exclusive(LOCK), pytest.raises(Unavailable, match="busy with promotion"):
        dataclasses.replace(ann, store=two).promote(name)
    two.close()


def test_a_rejected_version_says_why_and_stands_in_nobodys_way(
    registry: Tracking, package: Path, ann: LocalAuthority
) -> None:
    ann.first(made(registry, package).number)
    ann.close(made(registry, package, "r1").number, "reject", "surely worse")
    found = staged(registry, "r1")
    assert found is not None
    assert (found.lifecycle, found.reason, found.aliases) == (REJECTED, "surely worse", ("v1-0-1",))


def test_a_version_that_somebody_else_registered_does_not_pass_the_gates(
    registry: Tracking, package: Path, ann: LocalAuthority
) -> None:
    ann.first(made(registry, package).number)
    registry.client.create_model_version(registry.model_name, package.as_uri())
    with pytest.raises(Exception, match="package: nothing"):
        ann.request(2, reason="trust me")
