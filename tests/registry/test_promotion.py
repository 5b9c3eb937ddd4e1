"""One door into service: only what was measured against the version in service may take its place."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.errors import Unavailable
from oracle.registry import lifecycle
from oracle.registry.lifecycle import mark, register, stage, staged
from oracle.registry.promotion import LOCK, Superseded, promote, serving
from oracle.registry.versioning import ModelFacts
from oracle.registry.versions import ARCHIVED, PRODUCTION, REJECTED, STAGING, ModelVersion, resolve, versions
from oracle.store import Store
from oracle.store import embedded as opened
from oracle.tracking.connection import Tracking
from oracle.tracking.runs import run
from tests.registry.cards import CARD

pytestmark = pytest.mark.slow

FACTS = ModelFacts(("lambdarank", "logit"), "log_pool", "h1", "form@1", "d1", "c1")
NAMES = (f"promoted-{i}" for i in itertools.count())


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


def made(registry: Tracking, package: Path, retraining: str | None = None) -> ModelVersion:
    with run(registry, "a training") as recorder:
        if retraining is None:
            return register(registry, package, CARD, FACTS, recorder.run_id)
        return stage(registry, package, CARD, FACTS, recorder.run_id, retraining)


def test_a_retraining_stages_one_version_however_often_it_is_cut_off(
    registry: Tracking, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(registry, package)
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "_give_semver", _gone)
        with pytest.raises(Unavailable):
            made(registry, package, "r1")
    assert staged(registry, "r1").semver is None  # type: ignore[union-attr]
    second = made(registry, package, "r1")
    assert made(registry, package, "r1") == second
    assert [v.number for v in versions(registry)] == [first.number, second.number]
    assert (second.label, second.lifecycle, second.retraining) == ("v1.0.1", STAGING, "r1")
    assert second.aliases == ("staging", "v1-0-1")
    assert first.lifecycle == PRODUCTION


def _gone(*_: object) -> None:
    raise Unavailable("the registry has gone")


def test_a_promotion_archives_the_old_and_frees_the_alias(registry: Tracking, store: Store, package: Path) -> None:
    old, new = made(registry, package), made(registry, package, "r1")
    promoted = promote(registry, store, new.number, expected=str(old.number))
    assert (promoted.aliases, promoted.lifecycle) == (("production", "v1-0-1"), PRODUCTION)
    before = resolve(registry, old.number)
    assert (before.lifecycle, before.reason) == (ARCHIVED, "v1.0.1 took its place")
    assert promote(registry, store, new.number, expected=str(old.number)) == promoted


def test_evidence_against_another_version_promotes_nobody(registry: Tracking, store: Store, package: Path) -> None:
    old, new, other = made(registry, package), made(registry, package, "r1"), made(registry, package)
    promote(registry, store, other.number)
    with pytest.raises(Superseded) as refused:
        promote(registry, store, new.number, expected=str(old.number))
    assert refused.value.value == "3 (v1.0.2)"
    assert serving(registry) == resolve(registry, other.number)


def test_one_that_was_in_service_and_has_been_replaced_is_not_brought_back(
    registry: Tracking, store: Store, package: Path
) -> None:
    old, new, other = made(registry, package), made(registry, package, "r1"), made(registry, package)
    promote(registry, store, new.number, expected=str(old.number))
    promote(registry, store, other.number)
    assert promote(registry, store, new.number, expected=str(old.number)).lifecycle == ARCHIVED
    assert serving(registry).number == other.number  # type: ignore[union-attr]


def test_nobody_promotes_while_somebody_else_does(registry: Tracking, tmp_path: Path, package: Path) -> None:
    made(registry, package)
    one, two = opened(tmp_path), Store(f"sqlite:///{tmp_path / 'oracle.db'}", patience=0.05)
    with one.database.exclusive(LOCK), pytest.raises(Unavailable, match="busy with promotion"):
        promote(registry, two, 1)
    one.close()
    two.close()


def test_a_rejected_version_says_why_and_stands_in_nobodys_way(registry: Tracking, package: Path) -> None:
    made(registry, package)
    mark(registry, made(registry, package, "r1"), REJECTED, "surely worse")
    found = staged(registry, "r1")
    assert found is not None
    assert (found.lifecycle, found.reason, found.aliases) == (REJECTED, "surely worse", ("v1-0-1",))
