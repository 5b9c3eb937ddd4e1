"""Results of the store put into a dataset: once, under one name, with what the dataset knows already."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pandas as pd
import pytest

from oracle.data.dataset import Dataset
from oracle.data.results import results
from oracle.data.told import results_into
from oracle.store import RaceResult, Store, embedded

NOW = dt.datetime(2020, 6, 1, tzinfo=dt.UTC)
Race = Callable[..., pd.DataFrame]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = embedded(tmp_path / "home")
    yield store
    store.close()


def told(rows: pd.DataFrame, at: dt.datetime = NOW, **changes: object) -> RaceResult:
    (one,) = results(rows, at)
    return replace(one, **changes)


def without(result: RaceResult, *names: str) -> RaceResult:
    """Return a result that leaves some columns open."""
    rows = [{k: v for k, v in row.items() if k not in names} for row in orjson.loads(result.runners)]
    return replace(result, runners=orjson.dumps(rows).decode())


def test_new_races_come_in_and_a_second_time_nothing_changes(race: Race, store: Store, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    Dataset(data).append(race("r1", "2020-03-04"))
    store.results.add([told(race("r1", "2020-03-04")), told(race("r2", "2020-03-05"))])
    first = results_into(data, store)
    assert (first.appended.races_new, first.appended.races_replaced, first.through) == (1, 0, 2)
    before = Dataset(data).fingerprint()
    again = results_into(data, store)
    assert (again.appended.races_new, again.appended.races_replaced) == (0, 0)
    assert Dataset(data).fingerprint() == before
    assert results_into(data, store, since=again.through).appended.races_new == 0


def test_a_dataset_that_is_not_there_yet_is_made(race: Race, store: Store, tmp_path: Path) -> None:
    store.results.add([told(race("r1"))])
    results_into(str(tmp_path / "new"), store)
    pd.testing.assert_frame_equal(Dataset(tmp_path / "new").read(), race("r1"), check_dtype=False)


def test_a_correction_wins_with_all_of_its_outcome(race: Race, store: Store, tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data")
    data.append(race("r1", runners=4))
    corrected = race("r1", runners=4, position=[4, 1, 2, 3], time_s=[None, 96.2, 96.4, 96.6])
    store.results.add([without(told(corrected), "beaten_lengths")])
    results_into(data.path, store)
    found = data.read()
    assert found["position"].tolist() == [4, 1, 2, 3]
    assert found["time_s"].isna().tolist() == [True, False, False, False]
    assert found["beaten_lengths"].isna().all()


def test_what_a_thin_telling_leaves_open_stays_as_the_dataset_has_it(race: Race, store: Store, tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data")
    data.append(race("r1", official_rating=77.0, last_split_s=23.5))
    store.results.add([without(told(race("r1")), "time_s", "draw", "distance_m")])
    results_into(data.path, store)
    found = data.read()
    for name, value in {"official_rating": 77.0, "last_split_s": 23.5, "distance_m": 1600}.items():
        assert (found[name] == value).all(), name
    assert found["time_s"].notna().all()
    assert found["draw"].notna().all()


def test_a_race_told_by_course_and_minute_is_the_race_of_the_dataset(race: Race, store: Store, tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data")
    data.append(race("r1"))
    one = told(race("r1"))
    store.results.add([replace(one, race_id=None, race_key=one.place_key)])
    done = results_into(data.path, store)
    assert (done.appended.races_new, data.summary().races) == (0, 1)


def test_a_missing_id_is_the_one_that_the_name_last_ran_under(race: Race, store: Store, tmp_path: Path) -> None:
    data = Dataset(tmp_path / "data")
    data.append(race("r1", "2020-03-04", jockey="A Rider"))
    new = race("r2", "2020-03-11", horse=[f"Horse {i}" for i in (1, 2, 3, 4, 5, 99)], jockey="A Rider")
    store.results.add([without(told(new), "horse_id", "jockey_id")])
    results_into(data.path, store)
    found = data.read(["race_id", "horse_id", "jockey_id"]).query("race_id == 'r2'")
    assert found["horse_id"].tolist() == ["h1", "h2", "h3", "h4", "h5", "Horse 99"]
    assert set(found["jockey_id"]) <= {"j0", "j1", "j2"}


def test_what_came_in_after_now_is_not_looked_at(race: Race, store: Store, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    store.results.add([told(race("r1", runners=4))])
    store.results.add([told(race("r1", runners=4, position=[4, 1, 2, 3]), NOW + dt.timedelta(days=2))])
    store.results.add([told(race("r2", "2020-03-05"), NOW + dt.timedelta(days=2))])
    results_into(data, store, now=NOW + dt.timedelta(days=1))
    assert Dataset(data).read()["position"].tolist() == [1, 2, 3, 4]
    results_into(data, store)
    assert Dataset(data).read(["position"])["position"].tolist()[:4] == [4, 1, 2, 3]


def test_rows_that_are_none_are_named_and_the_others_come_in(race: Race, store: Store, tmp_path: Path) -> None:
    bad = told(race("r1"), runners='[{"horse": "Nobody"}]')
    store.results.add([bad, told(race("r2", "2020-03-05"))])
    done = results_into(str(tmp_path / "data"), store)
    assert (done.appended.races_new, done.unreadable) == (1, ("r1",))
