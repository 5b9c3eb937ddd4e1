from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.experiment.sizing import NeverEnds, Question, Size, in_time, paired, point_rule, unpaired, users_needed
from tests.experiment import golden

ASKED = Question(mean=0.55, sd=0.27, effect=0.01)


def test_the_required_split_needs_two_hundred_thousand_races_and_pairing_two_thousand():
    assert 209_000 <= unpaired(ASKED, 0.1).races <= 211_500
    assert 1_850 <= paired(ASKED, 0.95).races <= 1_950


@given(st.floats(0.3, 0.7), st.floats(0.1, 0.4), st.floats(0.005, 0.1), st.floats(0.01, 0.9))
def test_the_planned_number_of_races_has_the_planned_power(mean: float, sd: float, effect: float, share: float):
    size = unpaired(Question(mean, sd, effect), share)
    assert size.power(size.races) == pytest.approx(0.8, abs=0.02)
    assert size.detectable(size.races) == pytest.approx(effect, rel=0.05)


@pytest.mark.slow
@given(st.floats(0.0, 0.99), st.floats(0.0, 0.99))
def test_the_more_alike_two_versions_are_the_fewer_races_it_takes(first: float, second: float):
    low, high = sorted((first, second))
    assert paired(ASKED, high).races <= paired(ASKED, low).races


def test_an_even_split_is_the_best_unpaired_one():
    assert unpaired(ASKED, 0.5).races == min(unpaired(ASKED, share / 20).races for share in range(1, 20))


def test_looking_every_day_costs_less_than_twice_the_races():
    size = paired(ASKED, 0.95)
    assert size.races < size.races_anytime < 2.0 * size.races


def test_a_test_that_cannot_end_is_refused_with_what_would_work():
    with pytest.raises(NeverEnds) as refused:
        in_time(unpaired(ASKED, 0.1), 30, 60)
    assert refused.value.exit_code == 3
    assert "days" in str(refused.value)
    assert "paired" in str(refused.value)
    in_time(paired(ASKED, 0.95), 70, 60)


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "races_per_day"), [(None, 3000), (0.5, 30), (0.95, 30), (0.99, 10), (0.995, 10)])
def test_the_effect_that_a_refusal_offers_does_end_in_time(rho: float | None, races_per_day: float):
    def size(effect: float) -> Size:
        asked = Question(0.55, 0.27, effect)
        return unpaired(asked, 0.1) if rho is None else paired(asked, rho)

    with pytest.raises(NeverEnds) as refused:
        in_time(size(0.01), races_per_day, 60)
    offered = float(str(refused.value).split("an effect of ")[1].split("%")[0]) / 100.0
    in_time(size(offered), races_per_day, 60)
    with pytest.raises(NeverEnds):
        in_time(size(0.98 * offered), races_per_day, 60)


@pytest.mark.parametrize(
    "told",
    [{"mean": 0.0}, {"sd": 1.5}, {"effect": 0.0}, {"alpha": 0.7}, {"power": 0.01}, {"mean": math.nan}],
)
def test_an_impossible_question_names_what_is_wrong(told: dict[str, float]):
    with pytest.raises(BadInput, match=next(iter(told))):
        Question(**{"mean": 0.55, "sd": 0.27, "effect": 0.01} | told)


def test_both_designs_take_what_was_worked_out_the_long_way():
    told = json.loads(golden.FILE.read_text("utf-8"))["races"]
    assert unpaired(ASKED, 0.1).races == told["unpaired"]
    assert paired(ASKED, 0.95).races == told["paired"]


def test_the_required_rule_as_one_point_sees_nothing_and_passes_much():
    found = point_rule(ASKED, 0.1, 1000)
    assert found.power == pytest.approx(0.05, abs=0.01)
    assert found.passes_worthless == pytest.approx(0.42, abs=0.01)


def test_versions_that_hardly_differ_are_not_told_apart_in_as_few_races_as_their_variance_says():
    size = paired(ASKED, 0.99)
    assert size.races_anytime > 2.5 * size.races


def test_a_rate_of_users_takes_as_many_as_any_other_mean():
    once, anytime = users_needed(0.05, 0.1, 0.5, 0.05, 0.8)
    # Lehr's rule: 16 p (1 - p) / difference^2 in each arm.
    assert once == pytest.approx(2 * 16 * 0.05 * 0.95 / 0.005**2, rel=0.03)
    assert anytime > once


def test_equal_models_are_no_test():
    with pytest.raises(BadInput, match="rho"):
        paired(ASKED, 1.0)
