"""How well somebody who knew everything would rank these cards: the noise ceiling, and how much of it is a guess.

The strengths of a race are `b * log(probability) + hidden`: what a calibrated predictor says, and a part that nobody
says, normal with deviation `sigma`. `b` is the sharpening under which the predictor stays calibrated once the hidden
part is averaged away. An order is drawn from the strengths (Plackett-Luce) and ranked by them: that is what an
all-knowing predictor scores. Without a hidden part, and with the powers of the later places as they are, it is what the
predictor itself must expect: the floor of the ceiling.

One race cannot tell the hidden part from luck. Two readings bound it:

- *Next race.* What a horse did beyond expectation goes with its next finish. That part outlived the race, so it was no
  luck; whatever was of the day alone is missing, so sigma is at least this.
- *Later places.* A hidden part makes beaten favourites worse than their price, and pulls the powers of the later places
  below 1. Blaming it alone for them, and no other shape of luck, makes sigma at most this.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from oracle.errors import NotEnoughData
from oracle.ranking import metrics
from oracle.ranking.calibration import fit_discount, fit_power
from oracle.ranking.outcome import counted, gains
from oracle.ranking.plackett_luce import NONE, Discount
from oracle.ranking.races import Bools, Floats, Ints, as_floats, as_offsets, offsets_of, softmax, standing, sum_by_race
from oracle.settings import EvaluationPolicy

SIGMAS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.35, 1.8, 2.5, 3.5, 5.0)
"""Hidden parts that are tried; what lies between is interpolated, what lies beyond is cut off."""
DRAWS = 2
"""Orders drawn for each of them; thousands of races make them agree."""
ROWS = 120_000
"""Runners drawn for a ceiling at least; small cards are drawn more often."""
FLOOR = 1e-200
ERRORS = 3.0
"""Standard errors that are added to the upper end."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """What is known of the deviation of the hidden part, in units of log-strength."""

    least: float
    """Read off the next races."""
    most: float
    """Read off the later places, three standard errors added; never below `least`."""
    likely: float
    """What the next races say; the reading of the places where they show nothing."""

    def as_dict(self) -> dict[str, float]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Ceiling:
    """NDCG@3 that is to be expected on some cards, of the predictor itself and of one that knows everything."""

    races: int
    own: float
    """What the strengths given expect of themselves."""
    own_error: float
    """Standard error that the luck of so many races gives any score."""
    ceiling: float
    """At the likely hidden part."""
    low: float
    """At the least hidden part."""
    high: float
    """At the most; a score significantly above it cannot be explained by knowledge."""
    hidden: Hidden

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def ceiling(
    prob: ArrayLike,
    offsets: Ints,
    hidden: Hidden,
    policy: EvaluationPolicy,
    *,
    discount: Discount = NONE,
    seed: int = 7,
) -> Ceiling:
    """Return the ceiling of some cards.

    Args:
        prob: float64[N], calibrated win probabilities; no NaN.
        offsets: int64[R + 1].
        hidden: Deviation of the hidden part.
        policy: What is relevant.
        discount: Fitted powers of the later places, for what the strengths expect of themselves.
        seed: Of the draws.
    """
    prob = as_floats(prob)
    offsets = as_offsets(offsets, prob.size)
    log = np.log(np.maximum(prob, FLOOR))
    chance = np.random.default_rng(seed)
    draws = max(DRAWS, 1 + ROWS // max(prob.size, 1))
    own = [_scores(log, first_three(log, offsets, chance, discount), offsets, policy) for _ in range(draws)]

    def at(sigma: float) -> float:
        factor = sharpening(log, offsets, sigma, chance)
        reached = []
        for _ in range(draws):
            strength = factor * log + sigma * chance.standard_normal(log.size)
            reached.append(_scores(strength, first_three(strength, offsets, chance), offsets, policy))
        return float(np.nanmean(reached))

    expected = float(np.nanmean(own))
    error = float(np.nanstd(own[0]) / np.sqrt(max(offsets.size - 1, 1)))
    # Without a hidden part the truth is the strengths with their fitted powers, not plain Plackett-Luce.
    low = max(at(hidden.least), expected) if hidden.least > 0.0 else expected
    likely = max(at(hidden.likely), low) if hidden.likely > hidden.least else low
    high = max(at(hidden.most), likely) if hidden.most > hidden.likely else likely
    return Ceiling(offsets.size - 1, expected, error, likely, low, high, hidden)


def of_strengths(strength: ArrayLike, offsets: Ints, policy: EvaluationPolicy, seed: int = 7) -> float:
    """Return the expected NDCG@3 of ranking by true strengths, whose softmax is the chance of winning."""
    log = as_floats(strength)
    chance = np.random.default_rng(seed)
    draws = max(DRAWS, 1 + ROWS // max(log.size, 1))
    return float(np.nanmean([_scores(log, first_three(log, offsets, chance), offsets, policy) for _ in range(draws)]))


def estimate(
    prob: ArrayLike, position: ArrayLike, offsets: Ints, horse: Ints, off: ArrayLike, *, seed: int = 7
) -> Hidden:
    """Return what the results of some races say of the hidden part of their strengths.

    Args:
        prob: float64[N], calibrated win probabilities that were not fitted on these races (but for one power).
        position: float64[N], NaN for non-finishers.
        offsets: int64[R + 1].
        horse: int64[N], which horse; -1 where unknown.
        off: float64[R], when.
        seed: Of the draws.

    Raises:
        NotEnoughData: no race has probabilities and a result.
    """
    prob, position = as_floats(prob), as_floats(position)
    offsets = as_offsets(offsets, prob.size)
    usable = _usable(prob, position, offsets)
    if not usable.any():
        raise NotEnoughData("no race has both win probabilities and a result", value=f"{usable.size} races")
    rows = np.repeat(usable, np.diff(offsets))
    log, position, horse = np.log(np.maximum(prob[rows], FLOOR)), position[rows], horse[rows]
    off, offsets = as_floats(off)[usable], offsets_of(np.diff(offsets)[usable])
    pairs = _pairs(horse, np.repeat(off, np.diff(offsets)))
    chance = np.random.default_rng(seed)
    codes = np.where(horse >= 0, horse, 0)
    carried, powers = [], []
    for sigma in SIGMAS:
        factor = sharpening(log, offsets, sigma, chance)
        drawn = []
        for _ in range(DRAWS):
            part = sigma * chance.standard_normal(int(codes.max(initial=0)) + 1)[codes]
            drawn.append(_order(factor * log + part, offsets, chance))
        carried.append(np.mean([_carried(log, p, offsets, pairs)[0] for p in drawn]))
        powers.append(np.mean([_power(log, p, offsets) for p in drawn]))
    real, _ = _carried(log, position, offsets, pairs)
    least = _inverse(real, np.maximum.accumulate(carried))
    seen = _power(log, position, offsets)
    error = _power_error(offsets)
    falling = np.minimum.accumulate(powers)
    places = _inverse(-seen, -falling)
    most = max(_inverse(-(seen - ERRORS * error), -falling), least)
    likely = least if least >= SIGMAS[1] else max(places, least)
    return Hidden(least, most, float(np.clip(likely, least, most)))


def sharpening(log: Floats, offsets: Ints, sigma: float, chance: np.random.Generator) -> float:
    """Return the factor on log-probabilities under which they stay calibrated once a hidden part is averaged away.

    Solves E[sum (softmax(b log p + hidden) - p) log p] = 0: the score equation of the power, so that a power fitted to
    winners drawn from the strengths is 1.
    """
    if sigma == 0.0:
        return 1.0
    prob = softmax(log, offsets)
    parts = [sigma * chance.standard_normal(log.size) for _ in range(4)]

    def excess(factor: float) -> float:
        return float(np.mean([((softmax(factor * log + part, offsets) - prob) * log).sum() for part in parts]))

    low, high = 1.0, 1.0 + 2.0 * sigma
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) < 0.0 else (low, middle)
    return 0.5 * (low + high)


def first_three(strength: Floats, offsets: Ints, chance: np.random.Generator, discount: Discount = NONE) -> Floats:
    """Return float64[N]: drawn positions 1, 2, 3; who is behind them shares position 4.

    Each place falls to the largest of strength (times the power of the place) plus Gumbel noise among those left.
    """
    sizes = np.diff(offsets)
    position = np.full(strength.size, 4.0)
    left = np.ones(strength.size, dtype=np.bool_)
    for place, power in enumerate((1.0, discount.second, discount.third), start=1):
        run = np.where(left, power * strength + chance.gumbel(size=strength.size), -np.inf)
        best = left & (run == np.repeat(np.maximum.reduceat(run, offsets[:-1]), sizes))
        position[best] = place
        left &= ~best
    return position


def _order(strength: Floats, offsets: Ints, chance: np.random.Generator) -> Floats:
    sizes = np.diff(offsets)
    race = np.repeat(np.arange(sizes.size), sizes)
    order = np.lexsort((-(strength + chance.gumbel(size=strength.size)), race))
    position = np.empty(strength.size)
    position[order] = np.arange(strength.size) - np.repeat(offsets[:-1], sizes) + 1.0
    return position


def _scores(score: Floats, position: Floats, offsets: Ints, policy: EvaluationPolicy) -> Floats:
    return metrics.ndcg(score, gains(position, offsets, policy), offsets, 3)


def _usable(prob: Floats, position: Floats, offsets: Ints) -> Bools:
    whole = ~np.isnan(sum_by_race(prob, offsets))
    return np.asarray(whole & counted(position, offsets, EvaluationPolicy()))


def _pairs(horse: Ints, off: Floats) -> tuple[Ints, Ints]:
    """Return rows of consecutive runs of the same horse at different times."""
    rows = np.flatnonzero(horse >= 0)
    order = rows[np.lexsort((off[rows], horse[rows]))]
    earlier, later = order[:-1], order[1:]
    same = (horse[earlier] == horse[later]) & (off[earlier] < off[later])
    return earlier[same], later[same]


def _carried(log: Floats, position: Floats, offsets: Ints, pairs: tuple[Ints, Ints]) -> tuple[float, int]:
    """Return the covariance of a run's surprise with the horse's next finish, both as normal scores."""
    earlier, later = pairs
    if not earlier.size:
        return 0.0, 0
    finish = _finish(position, offsets)
    known = np.column_stack([_centred(x, offsets) for x in (log, softmax(log, offsets), log**2)])
    surprise = finish - known @ np.linalg.lstsq(known, finish, rcond=None)[0]
    return float(np.mean(surprise[earlier] * finish[later])), earlier.size


def _finish(position: Floats, offsets: Ints) -> Floats:
    ahead, level = standing(-np.nan_to_num(position, nan=1e9), offsets)
    return _centred(-ndtri((ahead + level / 2.0) / np.repeat(np.diff(offsets), np.diff(offsets))), offsets)


def _centred(x: Floats, offsets: Ints) -> Floats:
    sizes = np.diff(offsets)
    return x - np.repeat(sum_by_race(x, offsets) / np.maximum(sizes, 1), sizes)


def _power(log: Floats, position: Floats, offsets: Ints) -> float:
    """Return the mean power of second, third and fourth place; 1 is plain Plackett-Luce."""
    try:
        power = fit_power(softmax(log, offsets), position, offsets).exponent
        found = fit_discount(softmax(power * log, offsets), position, offsets)
    except NotEnoughData:
        return 1.0
    return (found.second + found.third + found.fourth) / 3.0


def _power_error(offsets: Ints) -> float:
    """Return the standard error of the mean power; measured on drawn races it is 1.2 over the root of their number."""
    return 1.2 / float(np.sqrt(max(offsets.size - 1, 1)))


def _inverse(seen: float, rising: ArrayLike) -> float:
    """Return the sigma at which a rising curve over `SIGMAS` reaches what was seen; the ends where it never does."""
    curve = as_floats(rising)
    if seen <= curve[0]:
        return 0.0
    at = int(np.searchsorted(curve, seen))
    if at >= curve.size:
        return SIGMAS[-1]
    step = curve[at] - curve[at - 1]
    share = (seen - curve[at - 1]) / step if step > 0 else 1.0
    return float(SIGMAS[at - 1] + share * (SIGMAS[at] - SIGMAS[at - 1]))
