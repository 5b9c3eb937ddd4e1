"""A leak is told from a strong feature, without being told which is which."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from oracle.data import extra
from oracle.data.simulate import WorldPolicy, simulate
from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import Races, from_frame
from oracle.leakage.careers import Careers, closeness
from oracle.leakage.court import convene
from oracle.leakage.scan import Scan, scan
from oracle.settings import LeakPolicy
from oracle.training.leakscan import leakscan
from tests.leakage import planted

POLICY = WorldPolicy(horses=1000)


@cache
def frame() -> pd.DataFrame:
    return pd.concat([b.runners for b in simulate(1000, seed=11, policy=POLICY)], ignore_index=True)


@cache
def history() -> tuple[Races, RaceMatrix]:
    races = from_frame(frame())
    return races, build.history(races, "market")


@cache
def planted_scan() -> Scan:
    races, matrix = history()
    return scan(planted.leaks(races).items(), convene(races, matrix), LeakPolicy())


@pytest.mark.parametrize("name", sorted(planted.leaks(history()[0])))
def test_a_planted_leak_is_caught_and_its_reason_is_in_words(name: str) -> None:
    found = {s.feature: s for s in planted_scan().suspects}
    assert name in found
    assert found[name].score > 1.0
    assert len(found[name].reason.split()) > 5


def test_the_guiltiest_stands_first() -> None:
    scores = [s.score for s in planted_scan().suspects]
    assert scores == sorted(scores, reverse=True)


def test_the_same_columns_made_of_earlier_races_alone_are_silent() -> None:
    races, matrix = history()
    assert scan(planted.honest(races).items(), convene(races, matrix), LeakPolicy()).suspects == ()


@pytest.mark.slow
def test_the_shipped_features_are_silent_with_odds_and_without() -> None:
    table = extra.table(frame())
    assert leakscan(table, LeakPolicy(), 7).scan.suspects == ()
    blind = extra.table(frame().assign(odds=np.nan))
    found = leakscan(blind, LeakPolicy(), 7).scan
    assert found.basis == "form"
    assert found.suspects == ()


@pytest.mark.slow
def test_without_odds_the_plain_leaks_are_caught_and_a_price_of_ones_own_is_not() -> None:
    rows = frame().assign(my_price=frame()["odds"], my_time=frame()["time_s"], my_margin=frame()["beaten_lengths"])
    mean = rows.groupby("horse_id")["position"].transform(lambda p: p.expanding().mean())
    found = leakscan(extra.table(rows.assign(odds=np.nan, my_form=mean)), LeakPolicy(), 7)
    assert {s.feature for s in found.scan.suspects} == {"my_time", "my_margin", "my_form"}


def test_order_of_the_rows_changes_no_evidence() -> None:
    rows = frame().assign(leak=frame()["time_s"]).head(4000)
    evidence = []
    for table in (extra.table(rows), extra.table(rows.sample(frac=1.0, random_state=1))):
        races = from_frame(table.frame)
        court = convene(races, build.history(races, "market"))
        evidence.append(scan([("leak", table.columns["leak"][races.rows])], court, LeakPolicy()).evidence[0])
    assert abs(evidence[0].gain - evidence[1].gain) < 1e-6
    assert abs(evidence[0].moves - evidence[1].moves) < 1e-6


def test_an_honest_constant_is_no_nearer_to_the_results_than_luck_allows_and_their_own_mean_is() -> None:
    chance = np.random.default_rng(0)
    owner = np.repeat(np.arange(200), 20)
    quality = chance.standard_normal(200)
    result = quality[owner] + chance.standard_normal(4000)
    careers = Careers("owner", owner, np.tile(np.arange(20.0), 200))
    known = closeness(quality[owner], {"result": result}, [careers])
    mean = np.bincount(owner, result) / 20.0
    leaked = closeness(mean[owner], {"result": result}, [careers])
    assert known.ratio > 0.7
    assert leaked.ratio < 0.01
    assert leaked.z < -5.0


def test_earlier_runs_are_those_before_the_off_and_runners_of_one_race_do_not_see_each_other() -> None:
    careers = Careers("trainer", np.array([0, 0, 0, 1]), np.array([1.0, 2.0, 2.0, 1.0]))
    assert careers.before(np.array([4.0, 6.0, 8.0, 5.0]), 1.0).tolist() == [0.0, 2.0, 2.0, 0.0]
