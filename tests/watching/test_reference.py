"""A model's own reference: saved with it, proven with it, and missing from older packages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oracle.errors import BadInput, NotEnoughData, UntrustedPackage
from oracle.settings import DriftPolicy
from oracle.watching import reference
from oracle.watching.reference import Reference
from tests.watching import invented


def test_each_pool_has_its_own_over_the_races_of_the_test(references: dict[str, Reference]) -> None:
    about, dates = invented.model().about, invented.walked().dates
    test = (dates > np.datetime64(about.trained_through)) & (dates <= np.datetime64(about.state_through))
    assert set(references) == {"form", "market"}
    for each in references.values():
        assert each.sketch.closed().races.races == test.sum() > 0
    assert references["form"].grid.digest != references["market"].grid.digest


def test_a_model_without_odds_has_the_form_only() -> None:
    model = invented.model()
    model.market = None
    assert set(reference.later(invented.results(), invented.walked(), model, DriftPolicy())) == {"form"}


def test_it_is_read_back_as_it_was_saved(references: dict[str, Reference], tmp_path: Path) -> None:
    invented.model().save(tmp_path / "package", reference.files(references))
    back = reference.of(tmp_path / "package")
    assert {pool: each.sketch == references[pool].sketch for pool, each in back.items()} == {
        "form": True,
        "market": True,
    }


def test_a_package_without_one_has_none(tmp_path: Path) -> None:
    invented.model().save(tmp_path / "package")
    assert reference.of(tmp_path / "package") == {}


def test_a_changed_reference_is_refused(references: dict[str, Reference], tmp_path: Path) -> None:
    digest = invented.model().save(tmp_path / "package", reference.files(references))
    assert digest != invented.model().save(tmp_path / "bare")
    file = tmp_path / "package" / "reference" / "form.sketch"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(UntrustedPackage, match=r"form\.sketch"):
        reference.of(tmp_path / "package")


def test_a_file_beside_a_model_may_not_take_the_name_of_one_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"model\.json"):
        invented.model().save(tmp_path, {"model.json": b"{}"})


def test_a_dataset_without_the_test_cannot_give_one() -> None:
    known, matrix = invented.results(), invented.walked()
    early = matrix.take(matrix.dates <= np.datetime64(invented.model().about.trained_through))
    with pytest.raises(NotEnoughData, match="no race of the model's test"):
        reference.later(known, early, invented.model(), DriftPolicy())
