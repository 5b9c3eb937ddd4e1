from __future__ import annotations

import numpy as np
import pytest

from oracle.errors import BadInput, NotEnoughData
from oracle.experiment.resplit import Users, resplit


def crowd(seed: int, users: int = 1200) -> Users:
    chance = np.random.default_rng(seed)
    n = 1.0 + chance.poisson(4, users)
    taste = chance.beta(2.0, 6.0, users)
    before = chance.binomial(20, taste) / 20.0
    return Users(chance.binomial(n.astype(int), taste).astype(float), n, before)


def test_users_split_anew_cry_wolf_about_as_often_as_one_look_may():
    found = resplit({"click": crowd(1), "plain": Users(*_bare(crowd(2)))}, 0.3, 600, seed=3)
    assert found.sound
    for alarms in found.metrics.values():
        assert alarms.splits == 600
        assert alarms.rate == pytest.approx(0.05, abs=0.03)
    assert found.sample_ratio.alarms <= 2


def _bare(users: Users) -> tuple[np.ndarray, np.ndarray]:
    return users.numerator, users.denominator


def test_a_tail_that_the_arithmetic_cannot_bear_is_found():
    chance = np.random.default_rng(5)
    heavy = Users(chance.lognormal(0.0, 3.5, 400), np.ones(400))
    found = resplit({"value": heavy, "click": crowd(1, 400)}, 0.1, 600, seed=3)
    assert found.metrics["value"].state == "too many"
    assert found.metrics["click"].state == "fine"
    assert not found.sound


def test_a_metric_that_never_varies_is_no_result_and_says_why():
    found = resplit({"bet": Users(np.zeros(200), np.ones(200))}, 0.5, 20, seed=1)
    alarms = found.metrics["bet"]
    assert (alarms.state, alarms.rate) == ("no result", None)
    assert "variance" in alarms.reason
    assert found.as_dict()["metrics"]["bet"]["state"] == "no result"


def test_the_same_seed_splits_the_same_way():
    one, other = (resplit({"click": crowd(1)}, 0.3, 30, seed=9).as_dict() for _ in range(2))
    assert one == other


def test_what_cannot_be_split_is_refused():
    with pytest.raises(NotEnoughData):
        resplit({}, 0.5, 10, seed=1)
    with pytest.raises(BadInput, match="same users"):
        resplit({"a": crowd(1, 50), "b": crowd(1, 60)}, 0.5, 10, seed=1)
    with pytest.raises(BadInput, match="split so"):
        resplit({"a": crowd(1, 50)}, 1.0, 10, seed=1)
