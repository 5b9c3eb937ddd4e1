"""A training that knows too much, or too little, or judges wrongly, registers nothing."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest

from oracle.data.dataset import Summary
from oracle.data.simulate import simulate
from oracle.ensemble import canaries
from oracle.ensemble.fit import Fitted
from oracle.ensemble.honesty import Honesty, accuse
from oracle.errors import BelowGate, BrokenPipeline, Leak
from oracle.features import build
from oracle.features.races import from_frame
from oracle.features.state import State
from oracle.progress import silent
from oracle.settings import EvaluationPolicy, GatePolicy, LeakPolicy, Settings
from oracle.training.history import History
from oracle.training.honest import honesty, refuse
from tests.ensemble import small
from tests.models import world

pytestmark = pytest.mark.slow

OPEN = Settings(gate=GatePolicy(min_ndcg_at_3=0.97))


def history(frame: pd.DataFrame) -> History:
    state = State()
    matrix = build.history(from_frame(frame), "market", state)
    dates = frame["date"]
    return History("w", Summary(len(frame), len(matrix), 1, dates.min(), dates.max(), ""), frame, matrix, state)


@cache
def ordinary() -> tuple[History, Fitted, Honesty]:
    past = history(world.results())
    fitted = small.fit(past.matrix)
    return past, fitted, honesty(past, fitted, Settings(), silent)


@cache
def certain() -> tuple[History, Fitted, Honesty]:
    """Return a world in which strength decides and the odds know it."""
    blocks = simulate(world.RACES, seed=5, policy=world.POLICY, sharpness=100, insight=100)
    past = history(pd.concat([b.runners for b in blocks], ignore_index=True))
    fitted = small.fit(past.matrix)
    return past, fitted, honesty(past, fitted, Settings(), silent)


def test_an_ordinary_training_stands_and_its_score_lies_between_chance_and_the_ceiling() -> None:
    found = ordinary()[2]
    refuse(found, Settings())
    assert found.score is not None
    assert found.ceiling is not None
    assert found.chance is not None
    assert found.chance < found.score < found.ceiling.high
    told = found.as_dict()
    assert {"score", "ceiling", "score_to_ceiling", "market", "chance", "canaries", "suspects"} <= set(told)
    assert told["suspects"] == []


def test_in_a_world_whose_ceiling_is_above_0_97_the_system_reaches_it_and_passes_the_gate() -> None:
    found = certain()[2]
    assert found.ceiling is not None
    assert found.ceiling.ceiling > 0.97
    assert found.score is not None
    assert found.score > 0.97
    refuse(found, OPEN)


def test_the_gate_refuses_an_ordinary_world_and_names_both_numbers() -> None:
    found = ordinary()[2]
    with pytest.raises(BelowGate) as caught:
        refuse(found, OPEN)
    assert caught.value.exit_code == 3
    assert f"{found.score:.4f}" in str(caught.value)
    assert "0.97" in str(caught.value)


def test_a_canary_that_sings_out_of_tune_is_a_broken_pipeline() -> None:
    found = ordinary()[2]
    bird = dataclasses.replace(found.canaries["shuffled"], ndcg_at_3=0.9)
    with pytest.raises(BrokenPipeline, match="shuffled") as caught:
        refuse(dataclasses.replace(found, canaries={**found.canaries, "shuffled": bird}), Settings())
    assert caught.value.exit_code == 3


def test_a_score_above_the_highest_ceiling_is_a_leak() -> None:
    found = dataclasses.replace(ordinary()[2], score=0.995, score_error=0.002)
    assert "all-knowing" in str(accuse(found, LeakPolicy()))
    with pytest.raises(Leak) as caught:
        refuse(found, Settings())
    assert caught.value.as_dict()["suspects"]


def test_a_gain_over_the_market_that_nobody_has_is_a_leak_and_a_little_one_by_luck_is_not() -> None:
    found = ordinary()[2]
    assert found.gain is not None
    sure = dataclasses.replace(found.gain, mean=0.2, standard_error=0.01)
    unsure = dataclasses.replace(found.gain, mean=0.02, standard_error=0.01)
    assert "market" in str(accuse(dataclasses.replace(found, gain=sure), LeakPolicy()))
    assert accuse(dataclasses.replace(found, gain=unsure), LeakPolicy()) is None


def test_results_smuggled_into_a_column_of_the_card_are_found_and_ranked_first() -> None:
    rows = world.results()
    stained = rows.assign(official_rating=100.0 - rows["beaten_lengths"])
    past = history(stained)
    fitted = small.fit(past.matrix)
    found = honesty(past, fitted, Settings(), silent)
    with pytest.raises(Leak) as caught:
        refuse(found, Settings())
    told = caught.value.as_dict()["suspects"]
    assert "rating" in told[0]["feature"]
    assert told[0]["score"] >= told[-1]["score"]


def test_dealing_moves_results_within_their_race_and_nothing_else() -> None:
    rows = world.results()
    dealt = canaries.dealt(rows, np.random.default_rng(1))
    assert list(dealt.columns) == list(rows.columns)
    assert dealt.dtypes.equals(rows.dtypes)
    for kept in ("horse_id", "odds", "weight_kg", "field_size"):
        assert dealt[kept].equals(rows[kept].reset_index(drop=True))
    assert not dealt["position"].equals(rows["position"])
    before, after = (r.groupby("race_id")["time_s"].apply(lambda t: sorted(t.dropna())) for r in (rows, dealt))
    assert before.equals(after)


@pytest.mark.parametrize("leak", [True, False])
def test_the_shuffled_canary_dies_of_a_feature_that_reads_its_own_race(
    leak: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, fitted, _ = ordinary()
    if leak:
        clean = build.history

        def stained(races, feature_set):  # type: ignore[no-untyped-def]
            matrix = clean(races, feature_set)
            values = matrix.values.copy()
            values[:, 0] = np.nan_to_num(matrix.position, nan=20.0)
            return dataclasses.replace(matrix, values=values)

        monkeypatch.setattr(canaries.build, "history", stained)
    split = fitted.split
    birds = canaries.release(
        past.frame,
        past.matrix.race_id[split.train],
        past.matrix.take(split.validation),
        EvaluationPolicy(),
        7,
        "market",
    )
    assert birds["shuffled"].alive is not leak
    assert birds["constant"].alive
    assert birds["random"].alive
    assert birds["constant"].ndcg_at_3 == birds["constant"].chance
