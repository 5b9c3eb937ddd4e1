"""Families of optional libraries: what happens without the library, and what never reaches it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracle.ensemble.recipe import FITTED, Member, Pool, Recipe, from_dict
from oracle.errors import BadInput, MissingExtra, UntrustedPackage
from oracle.models import families
from oracle.models.extras import FACTS, FOREST
from oracle.models.families import FAMILIES
from oracle.models.ranker import FittedRanker
from oracle.progress import silent
from tests.models.test_contract import SEED, fitted, periods
from tests.models.world import family as quick

EXTRA = {name: family.extra for name, family in FAMILIES.items() if family.extra}


@pytest.fixture(params=EXTRA)
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(str(EXTRA[request.param]))
    return str(request.param)


@pytest.fixture
def ranker(name: str) -> FittedRanker:
    return fitted(name)


@pytest.fixture
def without(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The library of a family cannot be imported, as where it is not installed; returns the family."""
    fitted(name)
    monkeypatch.setitem(sys.modules, str(EXTRA[name]), None)
    return name


def test_without_its_library_neither_a_ranker_nor_a_package_is_made_and_the_next_step_is_told(without: str):
    for make in (lambda: families.ranker(without), lambda: families.restore(without, fitted(without).dump())):
        with pytest.raises(MissingExtra, match=f"next: pip install equine-oracle\\[{EXTRA[without]}\\]") as caught:
            make()
        assert isinstance(caught.value, BadInput)
        assert caught.value.exit_code == 2


def test_without_its_library_a_recipe_that_names_it_is_refused_and_every_other_family_works(without: str):
    recipe = Recipe({"m": Member(without)}, Pool(("m",), FITTED), Pool(()))
    with pytest.raises(MissingExtra):
        from_dict(recipe.as_dict())
    for other in FAMILIES:
        if other not in EXTRA:
            assert families.ranker(other).family == other


def test_no_optional_library_is_loaded_until_it_is_asked_for():
    script = f"import sys, oracle.models.families\nprint(sorted(set({[*EXTRA.values()]!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def resealed(files: dict[str, bytes], forest: bytes) -> dict[str, bytes]:
    """Return the files with another forest, sealed as if it were the one that was saved."""
    facts = json.loads(files[FACTS]) | {"sha256": hashlib.sha256(forest).hexdigest()}
    return {FOREST: forest, FACTS: json.dumps(facts).encode()}


def test_a_forest_that_was_cut_or_changed_never_reaches_the_library(ranker: FittedRanker):
    files = dict(ranker.dump())
    forest = files[FOREST]
    for broken in (
        forest[:-1],
        forest[: len(forest) // 2],
        forest[:8],
        forest + b"\0",
        bytes([forest[0] ^ 1]) + forest[1:],
    ):
        with pytest.raises(UntrustedPackage, match="not what was saved"):
            families.restore(ranker.family, files | {FOREST: broken})


def test_bytes_that_are_no_forest_are_refused_even_where_their_seal_is_whole(ranker: FittedRanker):
    files = dict(ranker.dump())
    forest = files[FOREST]
    for broken in (b"", b"{}", b"not a model", b"\0" * 64, forest[: len(forest) // 2], forest[:-9]):
        with pytest.raises(UntrustedPackage):
            families.restore(ranker.family, resealed(files, broken))


@pytest.mark.parametrize(
    "change", [{"features": ["f0"]}, {"features": None}, {"policy": {"nonsense": 1}}, {"scale": "x"}]
)
def test_facts_that_do_not_fit_the_forest_are_refused(ranker: FittedRanker, change: dict[str, Any]):
    files = dict(ranker.dump())
    told = json.dumps(json.loads(files[FACTS]) | change).encode()
    with pytest.raises(UntrustedPackage):
        families.restore(ranker.family, files | {FACTS: told})


def test_two_trainings_with_one_seed_are_the_same_package_and_another_seed_is_another(name: str, ranker: FittedRanker):
    parts = periods()
    again = quick(name).fit(parts.train, parts.later, SEED, 2, silent)
    assert dict(again.dump()) == dict(ranker.dump())
    other = quick(name).fit(parts.train, parts.later, SEED + 1, 1, silent)
    assert (other.score(parts.later) != ranker.score(parts.later)).any()


def test_a_fit_is_quiet_and_leaves_no_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = quick(name).fit(periods().train, periods().later, SEED, 1, silent)
        families.restore(name, made.dump()).score(periods().later)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_a_fit_without_validation_has_scores_for_every_runner(name: str):
    parts = periods()
    assert np.isfinite(quick(name).fit(parts.train, None, SEED, 1, silent).score(parts.later)).all()
