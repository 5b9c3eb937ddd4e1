"""The simulated world is reproducible, canonical, and true to the truth it reports."""

import datetime as dt
import tracemalloc

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.data.simulate import SHOCKABLE, Shock, WorldPolicy, simulate
from oracle.data.simulate.names import horse_name, person_name
from oracle.data.sources.base import DTYPES
from oracle.errors import BadInput
from oracle.race import GOINGS, RACE_COLUMNS, RUNNERS, Status


def world(races, seed=7, **how):
    blocks = list(simulate(races, seed=seed, **how))
    runners = pd.concat([b.runners for b in blocks], ignore_index=True)
    return runners, pd.concat([b.truth for b in blocks], ignore_index=True)


@pytest.fixture(scope="module")
def year():
    return world(7800)


@pytest.fixture(scope="module")
def starters(year):
    runners, truth = year
    return runners[runners["status"] != Status.WITHDRAWN].merge(truth, on=["race_id", "horse_id"], validate="1:1")


def equal(a, b):
    for left, right in zip(a, b, strict=True):
        pd.testing.assert_frame_equal(left, right, check_exact=True)


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    equal(world(400), world(400))
    assert not world(400)[0]["horse_id"].equals(world(400, seed=8)[0]["horse_id"])


def test_the_size_of_the_blocks_changes_nothing():
    equal(world(1500, block_months=1), world(1500, block_months=7))


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 300))
def test_a_shorter_world_is_the_beginning_of_a_longer_one(races):
    runners, truth = world(300)
    head, head_truth = world(races)
    assert head["race_id"].nunique() == races
    equal((head, head_truth), (runners.iloc[: len(head)], truth.iloc[: len(head_truth)]))


@pytest.mark.filterwarnings("ignore:Series.values returning an ndarray that drops timezone")  # pyarrow's own call
def test_rows_fit_the_canonical_schema_without_loss(year):
    runners = year[0].iloc[:4000]
    table = pa.Table.from_pandas(runners, schema=RUNNERS, preserve_index=False)
    back = table.to_pandas(types_mapper={pa.int16(): pd.Int16Dtype(), pa.int32(): pd.Int32Dtype()}.get)
    pd.testing.assert_frame_equal(back.astype(dict(DTYPES)), runners, check_exact=True)
    assert {c: str(t) for c, t in runners.dtypes.items()} == dict(DTYPES)


def test_the_truth_never_stands_in_the_runner_table(year):
    assert not [c for c in year[0].columns if "true" in c]


def test_race_columns_agree_within_each_race_and_races_stand_together_in_order(year):
    runners = year[0]
    by_race = runners.groupby("race_id", sort=False)
    assert (by_race[list(RACE_COLUMNS)].nunique(dropna=False) == 1).all().all()
    assert (runners["race_id"] != runners["race_id"].shift()).sum() == runners["race_id"].nunique()
    assert runners["off"].is_monotonic_increasing
    assert (by_race.cumcount() + 1 == runners["number"]).all()


def test_nobody_is_in_two_places(year):
    runners = year[0]
    assert not runners.duplicated(["race_id", "jockey_id"]).any()
    assert not runners.duplicated(["date", "horse_id"]).any()
    assert (runners.groupby(["date", "jockey_id"])["course"].nunique() == 1).all()
    assert not runners.duplicated(["race_id", "draw"]).any()


def test_fields_are_five_to_sixteen_and_withdrawals_are_not_counted(year):
    runners = year[0]
    declared = runners.groupby("race_id").size()
    started = runners[runners["status"] != Status.WITHDRAWN].groupby("race_id").size()
    assert declared.between(5, 16).all()
    assert (runners.groupby("race_id")["field_size"].first() == started).all()
    assert (runners["status"] == Status.WITHDRAWN).mean() == pytest.approx(0.01, abs=0.003)
    assert (runners["status"] == Status.PULLED_UP).mean() == pytest.approx(0.004, abs=0.002)


def test_results_are_consistent(year):
    runners = year[0]
    done = runners[runners["status"] == Status.FINISHED].sort_values(["race_id", "position"])
    rest = runners[runners["status"] != Status.FINISHED]
    assert rest[["position", "beaten_lengths", "time_s"]].isna().all().all()
    same = done["race_id"] == done["race_id"].shift()
    assert (done["time_s"].diff()[same] >= 0).all()
    assert (done["beaten_lengths"].diff()[same] >= 0).all()
    shared = done.duplicated(["race_id", "position"], keep=False)
    assert (shared == done["dead_heat"]).all()
    assert (done.groupby("race_id")["position"].min() == 1).all()
    assert 0 < done["dead_heat"].mean() < 0.005
    standing = done.groupby(["race_id", "position"], sort=False).size()
    expected = standing.groupby("race_id").cumsum() - standing + 1
    assert (expected == expected.index.get_level_values("position")).all()


def test_names_are_unique(year):
    runners = year[0]
    for who in ("horse", "jockey", "trainer"):
        assert (runners.groupby(f"{who}_id")[who].nunique() == 1).all()
        assert (runners.groupby(who)[f"{who}_id"].nunique() == 1).all()


@given(st.sets(st.integers(0, 10**6), min_size=2, max_size=50))
def test_no_two_numbers_share_a_name(numbers):
    assert len({horse_name(n) for n in numbers}) == len(numbers)
    assert len({person_name(n) for n in numbers}) == len(numbers)


def test_about_eight_thousand_races_fill_a_year(year):
    runners = year[0]
    assert 330 < (runners["date"].max() - runners["date"].min()).days < 400


def test_meetings_of_a_day_interleave_and_conditions_vary(year):
    runners = year[0]
    races = runners.drop_duplicates("race_id")
    switches = (races["course"] != races["course"].shift()).groupby(races["date"]).sum()
    assert (switches > races.groupby("date")["course"].nunique()).mean() > 0.5
    assert set(races["going"]) <= set(GOINGS)
    assert races["surface"].nunique() == 3
    assert races["track"].nunique() == 2
    turf = races[races["surface"] == "turf"]
    wet = turf["going"].map(GOINGS).groupby(turf["date"].dt.quarter).mean()
    assert wet[1] > wet[3]


@pytest.mark.parametrize(
    "how", [{"races": 0}, {"seed": -1}, {"sharpness": 0.0}, {"sharpness": float("nan")}, {"block_months": 0}]
)
def test_impossible_arguments_are_named(how):
    with pytest.raises(BadInput):
        simulate(**({"races": 10, "seed": 1} | how))


def test_a_shock_of_a_kind_that_does_not_exist_is_refused_with_the_kinds_that_do():
    with pytest.raises(BadInput) as refused:
        Shock("gravity", dt.date(2015, 1, 1), 2.0)
    assert "draw_effect" in str(refused.value)


def test_a_shock_of_an_impossible_size_is_refused():
    with pytest.raises(BadInput, match="size"):
        Shock("result_noise", dt.date(2015, 1, 1), 0.0)


@pytest.mark.parametrize("kind", SHOCKABLE)
def test_a_shock_acts_only_after_its_date(year, kind):
    at = dt.date(2015, 1, 4)
    shaken, _ = world(120, shocks=[Shock(kind, at, 3.0)])
    before = [w[w["date"] < pd.Timestamp(at)] for w in (year[0], shaken)]
    assert 0 < len(before[0]) < len(shaken)
    pd.testing.assert_frame_equal(*before, check_exact=True)


def test_a_world_with_too_few_horses_runs_fewer_races_a_day_with_proper_fields():
    runners, _ = world(100, policy=WorldPolicy(horses=600))
    assert runners.groupby("race_id").size().min() >= 5
    assert (runners["date"].max() - runners["date"].min()).days > 5


def peak(races):
    tracemalloc.start()
    for block in simulate(races, seed=3):
        del block
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_races():
    list(simulate(50, seed=3))  # what is loaded once is not the world's
    assert peak(2400) < 1.25 * peak(800)


def test_a_million_races_begin_at_once():
    assert next(iter(simulate(1_000_000, seed=1))).races < 1000
