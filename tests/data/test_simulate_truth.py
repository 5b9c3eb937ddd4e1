"""What later experiments rely on: probabilities that are true, a market between chance and truth, effects that show."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from oracle.data.simulate import Shock, WorldPolicy, simulate
from oracle.race import Status


def starters_of(races, seed=7, **how):
    blocks = list(simulate(races, seed=seed, **how))
    runners = pd.concat([b.runners for b in blocks], ignore_index=True)
    truth = pd.concat([b.truth for b in blocks], ignore_index=True)
    started = runners[runners["status"] != Status.WITHDRAWN].reset_index(drop=True)
    assert (started[["race_id", "horse_id"]] == truth[["race_id", "horse_id"]]).all().all()
    return started.assign(
        chance=truth["true_win_probability"],
        strength=truth["true_strength"],
        won=started["position"].eq(1).fillna(False).astype(float),
    )


@pytest.fixture(scope="module")
def year():
    return starters_of(8000)


def ndcg_at_3(rows, score):
    """Return the mean NDCG@3 with gains 7, 3, 1, by sorting; ties do not occur in the scores used here."""
    rows = rows.assign(score=np.asarray(score))
    worth = {1: 7.0, 2: 3.0, 3: 1.0}

    def discounted(by, ascending):
        ordered = rows.sort_values(["race_id", by], ascending=[True, ascending])
        rank = ordered.groupby("race_id").cumcount()
        gain = ordered["position"].map(worth).fillna(0.0).astype(float) / np.log2(rank + 2)
        return gain[rank < 3].groupby(ordered["race_id"]).sum()

    return float((discounted("score", False) / discounted("position", True)).mean())


def implied(rows):
    share = 1 / rows["odds"]
    return share / share.groupby(rows["race_id"]).transform("sum")


def test_true_probabilities_sum_to_one_and_are_the_softmax_of_the_strengths(year):
    by_race = year.groupby("race_id")
    np.testing.assert_allclose(by_race["chance"].sum(), 1.0, atol=1e-12)
    mass = np.exp(year["strength"] - by_race["strength"].transform("max"))
    np.testing.assert_allclose(mass / mass.groupby(year["race_id"]).transform("sum"), year["chance"], atol=1e-12)


def test_runners_win_as_often_as_their_true_probability_says(year):
    band = pd.qcut(year["chance"], 12)
    seen = year.groupby(band, observed=True).agg(won=("won", "mean"), chance=("chance", "mean"), n=("won", "size"))
    z = (seen["won"] - seen["chance"]) / np.sqrt(seen["chance"] * (1 - seen["chance"]) / seen["n"])
    assert z.abs().max() < 4
    assert np.sqrt((z**2).mean()) < 1.8


def test_the_market_lies_between_chance_and_the_truth_as_in_real_racing(year):
    truth, market = ndcg_at_3(year, year["chance"]), ndcg_at_3(year, -year["odds"])
    chance = ndcg_at_3(year, np.random.default_rng(0).random(len(year)))
    assert chance < 0.28
    assert 0.47 < market < 0.56
    assert 0.56 < truth < 0.65
    assert truth > market + 0.03


def test_a_sharp_world_can_be_ranked_almost_perfectly():
    sharp = starters_of(600, sharpness=50.0)
    assert ndcg_at_3(sharp, sharp["strength"]) > 0.97


def test_the_operator_keeps_what_the_policy_says(year):
    book = (1 / year["odds"]).groupby(year["race_id"]).sum()
    assert book.quantile(0.005) > 1 / (1 - 0.17)
    assert book.quantile(0.995) < 1.27
    dear = starters_of(300, policy=WorldPolicy(takeout=0.25))
    assert (1 / dear["odds"]).groupby(dear["race_id"]).sum().median() > 1 / (1 - 0.25)


def test_favourites_are_under_bet(year):
    back = year["chance"] * year["odds"] - 1
    assert back[year["odds"] < 4].mean() > back[year["odds"].between(8, 16)].mean() + 0.05
    assert back[year["odds"].between(8, 16)].mean() > back[year["odds"] > 30].mean() + 0.05
    assert back.mean() < -0.17
    assert back[year["odds"] < 4].mean() < 0


def ability_by(year, column):
    return year.groupby(column)["performance_rating"].mean()


def test_horses_improve_to_four_and_decline_later(year):
    merit = ability_by(year, "age")
    assert merit[2] < merit[3] < merit[4]
    assert merit[4] > merit[7]


def test_official_ratings_follow_ability(year):
    """Weight and conditions move strength too, so the rating is compared with the average strength of a horse."""
    rated = year.dropna(subset=["official_rating"])
    often = rated[rated.groupby("horse_id")["draw"].transform("size") >= 6].groupby("horse_id")
    assert often["official_rating"].mean().corr(often["strength"].mean()) > 0.7


def test_speed_figures_tell_strength(year):
    assert year["speed_rating"].corr(year["strength"]) > 0.5
    slow = year["time_s"] / year["distance_m"]
    by_distance = slow.groupby(year["distance_m"]).mean()
    assert by_distance.is_monotonic_increasing


def test_running_positions_reflect_a_style_that_the_horse_keeps(year):
    place = year["first_call"].astype(float) / year["field_size"].astype(float)
    before = place.groupby(year["horse_id"]).shift()
    assert place.corr(before) > 0.3


def test_trainers_keep_to_their_favourite_jockeys(year):
    pairs = year.groupby(["trainer_id", "jockey_id"]).size()
    share = pairs.groupby("trainer_id").apply(lambda n: n.nlargest(3).sum() / n.sum())
    assert share.mean() > 0.3


def test_a_good_jockey_stays_good():
    rows = starters_of(3500, policy=WorldPolicy(jockey_effect=8.0))
    half = rows["date"] < rows["date"].median()
    skill = [rows[h].groupby("jockey_id")["strength"].mean() for h in (half, ~half)]
    assert pd.concat(skill, axis=1, keys=["a", "b"]).corr().loc["a", "b"] > 0.5


def slopes(rows):
    """Return, by course and distance, how the finishing place depends on the stall."""
    stall = (rows["draw"].astype(float) - 1) / rows["field_size"].astype(float) - 0.5
    place = rows["position"].astype("float64") / rows["field_size"].astype(float)
    known = place.notna()
    cells = [rows.loc[known, "course"], rows.loc[known, "distance_m"]]
    return (stall * (place - 0.5))[known].groupby(cells).mean()


def test_the_draw_matters_and_a_shock_can_turn_it_round():
    policy, flip = WorldPolicy(draw_effect=10.0), dt.date(2015, 4, 10)
    calm = starters_of(4400, policy=policy)
    turned = starters_of(4400, policy=policy, shocks=[Shock("draw_effect", flip, -1.0)])
    for rows, sign in ((calm, 1), (turned, -1)):
        early = rows["date"] < pd.Timestamp(flip)
        both = pd.concat([slopes(rows[early]), slopes(rows[~early])], axis=1, keys=["before", "after"])
        assert sign * both.corr().loc["before", "after"] > 0.5
