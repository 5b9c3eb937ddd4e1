"""Packed races say exactly what the metrics say of the blended scores, for any field, tie, dead heat and gap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from oracle.ensemble.blend import LOG_LINEAR, RANK, Blend, even, transformed
from oracle.ensemble.lanes import LANES
from oracle.ensemble.packed import pack
from oracle.errors import BadInput, NotEnoughData
from oracle.features.matrix import RaceMatrix
from oracle.ranking import metrics
from oracle.ranking.outcome import counted, gains, winners
from oracle.ranking.races import softmax
from oracle.settings import EvaluationPolicy
from tests.models.world import made

POLICY = EvaluationPolicy()
TWO = EvaluationPolicy(min_finishers=2)


def races_of(chance: np.random.Generator, count: int, smallest: int = 2, largest: int = 16) -> RaceMatrix:
    """Return races of any size, with dead heats, with runners that did not finish, some without any result."""
    sizes = chance.integers(smallest, largest + 1, count)
    positions = []
    for n in sizes:
        place = np.sort(chance.integers(1, n + 1, n) if chance.random() < 0.3 else np.arange(1, n + 1)).astype(float)
        place[chance.random(n) < chance.choice([0.0, 0.3, 1.0], p=[0.6, 0.35, 0.05])] = np.nan
        positions.append(chance.permutation(place))
    return made(np.zeros(sizes.sum()), sizes, np.concatenate(positions))


def scores_of(chance: np.random.Generator, members: int, runners: int) -> list[np.ndarray]:
    """Return members' scores: some continuous, some of a few values only, so that blends tie."""
    return [
        chance.standard_normal(runners) if chance.random() < 0.5 else chance.integers(0, 4, runners).astype(float)
        for _ in range(members)
    ]


def blended(weights: np.ndarray, scores: list[np.ndarray]) -> np.ndarray:
    pooled = np.zeros(len(scores[0]))
    for weight, score in zip(weights, scores, strict=True):
        pooled = pooled + weight * score
    return pooled


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 3 * LANES), st.sampled_from([POLICY, TWO]))
def test_ndcg_of_any_vectors_is_that_of_the_metric_on_the_blended_scores(seed, members, count, policy):
    chance = np.random.default_rng(seed)
    races = races_of(chance, count)
    scores = scores_of(chance, members, len(races.position))
    vectors = np.concatenate((np.eye(members), chance.dirichlet(np.ones(members), 3), np.full((1, members), 0.5)))
    if not counted(races.position, races.offsets, policy).any():
        return
    packed = pack(scores, races, policy)
    gain = gains(races.position, races.offsets, policy)
    wanted = np.stack([metrics.ndcg(blended(v, scores), gain, races.offsets, 3) for v in vectors])
    assert (packed.kept == ~np.isnan(wanted[0])).all()
    np.testing.assert_allclose(packed.ndcg_by_race(vectors), wanted[:, packed.kept], rtol=0, atol=1e-12)
    np.testing.assert_allclose(packed.ndcg(vectors), np.nanmean(wanted, axis=1), rtol=0, atol=1e-12)


def test_ndcg_is_that_of_scikit_learn_race_by_race():
    chance = np.random.default_rng(1)
    races = races_of(chance, 150)
    scores = scores_of(chance, 3, len(races.position))
    vector = np.array([0.5, 0.25, 0.25])
    packed = pack(scores, races, POLICY)
    gain, score = gains(races.position, races.offsets, POLICY), blended(vector, scores)
    theirs = [
        ndcg_score([gain[a:b]], [score[a:b]], k=3)
        for a, b, kept in zip(races.offsets[:-1], races.offsets[1:], packed.kept, strict=True)
        if kept
    ]
    np.testing.assert_allclose(packed.ndcg_by_race([vector])[0], theirs, rtol=0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.floats(0.01, 30))
def test_log_loss_and_its_derivatives_are_those_of_the_softmax(seed, members, scale):
    chance = np.random.default_rng(seed)
    races = races_of(chance, 2 * LANES, smallest=4)
    scores = scores_of(chance, members, len(races.position))
    vectors = chance.dirichlet(np.ones(members), 3)
    packed = pack(scores, races, TWO)
    won = winners(races.position, races.offsets, TWO)

    def loss(vector: np.ndarray, at: float) -> np.ndarray:
        return metrics.log_loss(softmax(at * blended(vector, scores), races.offsets), won, races.offsets)[packed.kept]

    wanted = np.stack([loss(v, scale) for v in vectors])
    np.testing.assert_allclose(packed.log_loss_by_race(vectors, scale), wanted, rtol=1e-12, atol=1e-12)
    value, slope, curvature = packed.log_loss(vectors, np.full(3, scale))
    np.testing.assert_allclose(value, wanted.mean(axis=1), rtol=1e-12, atol=1e-12)
    if scale < 5:  # where no winner was given up, which costs the same at any scale
        step = 1e-3 * scale
        above, below = (np.array([loss(v, scale + d).mean() for v in vectors]) for d in (step, -step))
        np.testing.assert_allclose(slope, (above - below) / (2 * step), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(curvature, (above - 2 * value + below) / step**2, rtol=1e-3, atol=1e-4)


def test_a_winner_that_was_given_no_chance_costs_what_the_metric_says():
    races = made(np.zeros(5), [5], [1, 2, 3, 4, 5])
    packed = pack([np.array([0.0, 100, 50, 50, 99])], races, POLICY)
    assert packed.log_loss([[1.0]], [1.0])[0][0] == pytest.approx(-np.log(metrics.SMALLEST_PROBABILITY))


def test_the_blend_and_the_packed_races_rank_alike_to_the_last_tie():
    """Ties of whole races, as members of few leaves make them, are neither made nor unmade by how sums are computed."""
    chance = np.random.default_rng(2)
    races = races_of(chance, 200, smallest=4)
    scores = {n: chance.integers(0, 3, len(races.position)) / 7.0 for n in "abcd"}
    blend = Blend(dict(zip("abcd", chance.dirichlet(np.ones(4)).tolist(), strict=True)))
    packed = pack([transformed(LOG_LINEAR, s, races) for s in scores.values()], races, POLICY)
    gain = gains(races.position, races.offsets, POLICY)
    wanted = metrics.ndcg(blend.utility(scores, races), gain, races.offsets, 3)[packed.kept]
    np.testing.assert_allclose(packed.ndcg_by_race([list(blend.weights.values())])[0], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("members", [2, 3, 4, 5])
def test_ranks_that_add_up_to_a_tie_tie_here_too(members: int):
    """First and third tie with third and first: a fused multiply-add would part them, and `Blend.utility` does not."""
    chance = np.random.default_rng(members)
    sizes = chance.integers(4, 17, 300)
    races = made(np.zeros(sizes.sum()), sizes, np.concatenate([chance.permutation(n) + 1.0 for n in sizes]))
    scores = {f"m{i}": chance.standard_normal(len(races.position)) for i in range(members)}
    pooled = even(list(scores), RANK)
    packed = pack([transformed(RANK, s, races) for s in scores.values()], races, POLICY)
    gain = gains(races.position, races.offsets, POLICY)
    wanted = metrics.ndcg(pooled.utility(scores, races), gain, races.offsets, 3)
    np.testing.assert_allclose(packed.ndcg_by_race([list(pooled.weights.values())])[0], wanted, rtol=0, atol=1e-12)


@given(st.integers(0, 10**6), st.sampled_from([0.25, 2.0, 1024.0]))
@settings(max_examples=20, deadline=None)
def test_ndcg_does_not_depend_on_the_size_of_the_weights_or_the_order_of_the_members(seed, factor):
    chance = np.random.default_rng(seed)
    races = races_of(chance, 40, smallest=4)
    scores = [chance.standard_normal(len(races.position)) for _ in range(3)]
    vectors, order = chance.dirichlet(np.ones(3), 4), chance.permutation(3)
    packed, turned = pack(scores, races, TWO), pack([scores[i] for i in order], races, TWO)
    np.testing.assert_allclose(packed.ndcg(vectors * factor), packed.ndcg(vectors), rtol=0, atol=1e-15)
    np.testing.assert_allclose(turned.ndcg(vectors[:, order]), packed.ndcg(vectors), rtol=0, atol=1e-12)


def test_the_order_of_races_and_runners_does_not_matter():
    chance = np.random.default_rng(3)
    races = races_of(chance, 100, smallest=4)
    scores = scores_of(chance, 2, len(races.position))
    rows = np.concatenate([np.arange(races.offsets[r], races.offsets[r + 1])[::-1] for r in range(100)][::-1])
    turned = made(np.zeros(len(rows)), races.sizes[::-1], races.position[rows])
    vectors = chance.dirichlet(np.ones(2), 5)
    there, back = pack(scores, races, POLICY), pack([s[rows] for s in scores], turned, POLICY)
    np.testing.assert_allclose(back.ndcg(vectors), there.ndcg(vectors), rtol=0, atol=1e-12)
    np.testing.assert_allclose(back.ndcg_by_race(vectors)[:, ::-1], there.ndcg_by_race(vectors), rtol=0, atol=1e-12)


def test_a_race_that_a_member_did_not_score_is_left_out_for_all():
    chance = np.random.default_rng(4)
    races = races_of(chance, 50, smallest=6)
    scores = scores_of(chance, 2, len(races.position))
    scores[1][races.offsets[7]] = np.nan
    scores[0][races.offsets[9]] = -np.inf
    packed = pack(scores, races, POLICY)
    rest = counted(races.position, races.offsets, POLICY)
    rest[[7, 9]] = False
    assert (packed.kept == rest).all()
    rows = np.repeat(rest, races.sizes)
    same = pack([s[rows] for s in scores], races.take(rest), POLICY)
    np.testing.assert_array_equal(packed.ndcg(np.eye(2)), same.ndcg(np.eye(2)))


def test_more_gains_than_three_are_counted_as_the_metric_counts_them():
    chance = np.random.default_rng(5)
    races = races_of(chance, 60, smallest=6)
    policy = EvaluationPolicy(relevance=(5.0, 4.0, 3.0, 2.0, 1.0))
    score = chance.standard_normal(len(races.position))
    wanted = metrics.ndcg(score, gains(races.position, races.offsets, policy), races.offsets, 3)
    np.testing.assert_allclose(pack([score], races, policy).ndcg([[1.0]])[0], np.nanmean(wanted), rtol=0, atol=1e-12)


def test_what_does_not_fit_or_cannot_be_measured_is_refused():
    races = made(np.zeros(8), [4, 4], [1, 2, 3, 4, 1, 2, 3, 4])
    packed = pack([np.arange(8.0), np.ones(8)], races, POLICY)
    assert len(packed) == 2
    for wrong in ([[1.0]], [1.0, 2.0], [[1.0, np.nan]]):
        with pytest.raises(BadInput, match="do not fit"):
            packed.ndcg(wrong)
    with pytest.raises(NotEnoughData, match="no race"):
        pack([np.arange(8.0)], made(np.zeros(8), [4, 4], np.full(8, np.nan)), POLICY)
    with pytest.raises(NotEnoughData, match="0 members"):
        pack([], races, POLICY)
