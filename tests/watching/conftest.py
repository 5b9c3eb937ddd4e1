"""A version of the small world at work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pytest

from oracle.ensemble.race_model import RaceModel
from oracle.settings import DriftPolicy
from oracle.store import Store, embedded
from oracle.watching import reference
from oracle.watching.reference import Reference
from tests.watching import invented
from tests.watching.served import serve


@dataclass(frozen=True)
class Work:
    """What a version did: cards without odds for some meetings, then with odds."""

    store: Store
    model: RaceModel
    served: pd.DataFrame
    late: str
    """The race whose result came a week late."""
    untold: str
    """The race whose result nobody told."""
    now: dt.datetime


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    model, (_, later) = invented.model(), invented.split()
    races = later["race_id"].drop_duplicates().tolist()
    late, untold = races[4], races[-1]
    store = embedded(tmp_path_factory.mktemp("watched"))
    serve(model, store, later, late=frozenset({late}), untold=frozenset({untold}))
    now = later["off"].max().to_pydatetime() + dt.timedelta(days=1)
    yield Work(store, model, later, late, untold, now)
    store.close()


FEW = DriftPolicy(min_rows=20, min_races=5, min_clusters=3)
"""So little is enough for a verdict on the small world."""


@pytest.fixture(scope="session")
def references() -> dict[str, Reference]:
    return reference.later(invented.results(), invented.walked(), invented.model(), FEW)
