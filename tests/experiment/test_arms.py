from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.experiment.arms import Difference, NoResult, compare
from oracle.experiment.observed import UserSums
from tests.experiment import golden

WHOLE = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 9), st.integers(-5, 5)), min_size=1, max_size=30)


def sums(rows: list[tuple[int, int, int]]) -> UserSums:
    y, n, x = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return UserSums.of(y, n, x)


@given(WHOLE, WHOLE)
def test_sums_over_users_add(first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]):
    together, added = sums(first + second), sums(first) + sums(second)
    assert together.users == added.users
    assert (together.first == added.first).all()
    assert (together.second == added.second).all()


def crowd(seed: int, users: int, rate: float, covariate: bool = False) -> UserSums:
    """Users who differ, each with a few alike requests."""
    chance = np.random.default_rng(seed)
    n = 1.0 + chance.poisson(4, users)
    taste = chance.beta(2.0, 2.0 / rate - 2.0, users)
    y = chance.binomial(n.astype(int), taste).astype(float)
    before = chance.binomial(20, taste) / 20.0
    return UserSums.of(y, n, before if covariate else None)


def test_the_error_is_that_of_drawing_users_anew():
    estimates, errors = [], []
    for seed in range(200):
        found = compare(crowd(2 * seed, 400, 0.3), crowd(2 * seed + 1, 400, 0.3))
        assert isinstance(found, Difference)
        estimates.append(found.difference)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.12)


def test_requests_of_one_user_are_not_taken_for_independent():
    found = compare(crowd(1, 400, 0.3), crowd(2, 400, 0.3))
    assert isinstance(found, Difference)
    requests = 2000
    naive = np.sqrt(2 * 0.3 * 0.7 / requests)
    assert found.error > 1.2 * naive


def test_what_users_did_before_takes_variance_out_and_moves_no_truth():
    plain, adjusted = [], []
    for seed in range(60):
        arms = [crowd(100 + 2 * seed + k, 500, 0.3, covariate=True) for k in (0, 1)]
        bare = [UserSums(a.users, a.first * [1, 1, 0], a.second * np.outer([1, 1, 0], [1, 1, 0])) for a in arms]
        one, other = compare(*bare), compare(*arms)
        assert isinstance(one, Difference)
        assert isinstance(other, Difference)
        assert other.explained > 0.15
        plain.append(one.difference)
        adjusted.append(other.difference)
    assert np.std(adjusted) < 0.95 * np.std(plain)
    assert abs(np.mean(adjusted)) < 3 * np.std(adjusted) / np.sqrt(60)


def test_too_few_users_and_no_variance_are_no_result_and_say_why():
    few = compare(crowd(1, 10, 0.3), crowd(2, 400, 0.3))
    assert isinstance(few, NoResult)
    assert "10 users" in few.reason
    same = UserSums.of(np.ones(50), np.ones(50))
    assert isinstance(compare(same, same), NoResult)
    nothing = UserSums.of(np.zeros(50), np.zeros(50))
    assert isinstance(compare(nothing, same), NoResult)


def test_a_real_difference_is_seen():
    found = compare(crowd(1, 3000, 0.3), crowd(2, 3000, 0.4))
    assert isinstance(found, Difference)
    assert found.low > 0.0


def test_the_error_of_a_ratio_is_that_of_leaving_out_one_user_at_a_time():
    y, n = (np.array(column) for column in zip(*golden.users(), strict=True))
    arm = UserSums.of(y, n)
    found = compare(arm, arm)
    assert isinstance(found, Difference)
    told = json.loads(golden.FILE.read_text("utf-8"))["ratio_error"]
    assert found.error / np.sqrt(2.0) == pytest.approx(told, rel=0.01)


def test_equal_arms_looked_at_forty_times_differ_in_fewer_than_one_test_of_twenty():
    alarms = 0
    days = [crowd(seed, 60, 0.3) for seed in range(400)]
    chance = np.random.default_rng(6)
    for _ in range(150):
        arms, alarm = [UserSums(), UserSums()], False
        for _ in range(40):
            arms = [arm + days[chance.integers(len(days))] for arm in arms]
            found = compare(*arms, planned=2000)
            alarm = alarm or (isinstance(found, Difference) and not found.low <= 0.0 <= found.high)
        alarms += alarm
    assert alarms / 150 <= 0.05


def test_a_user_whose_sum_is_not_a_number_is_refused():
    with pytest.raises(BadInput, match="finite"):
        UserSums.of([1.0, float("nan")], [1.0, 1.0])
