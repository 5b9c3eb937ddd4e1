"""How many races a test takes, before it is started.

Two designs. `unpaired`: each race is answered by one arm and the arms' means are compared, which is how tests of web
pages are run. `paired`: both versions score the same race and the difference is taken within it, so that all that makes
a race easy or hard drops out: with a correlation rho of the versions' NDCG, the variance falls to 2 (1 - rho) sd^2 per
race, and no race is lost to a small arm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from scipy.stats import norm

from oracle.errors import BadInput, Refused
from oracle.experiment.sequential import needed, needed_to_bet


class NeverEnds(Refused):
    """A test cannot come to a decision in the time that it is given."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be found out, and how surely."""

    mean: float
    """Mean NDCG of the control, in (0, 1)."""
    sd: float
    """Standard deviation of a race's NDCG."""
    effect: float
    """Improvement wanted, as a share of the mean: 0.01 is one per cent."""
    alpha: float = 0.05
    """Two-sided chance of a false alarm."""
    power: float = 0.8
    """Chance of seeing the effect where it is there."""

    def __post_init__(self) -> None:
        _within("mean", self.mean, 0.0, 1.0)
        _within("sd", self.sd, 0.0, 1.0)
        _within("effect", self.effect, 0.0, 1.0)
        _within("alpha", self.alpha, 0.0, 0.5)
        _within("power", self.power, self.alpha, 1.0)

    @property
    def difference(self) -> float:
        """The improvement in units of NDCG."""
        return self.effect * self.mean

    @property
    def quantiles(self) -> float:
        """Z of alpha, both sides, plus z of the power."""
        return float(norm.ppf(1.0 - self.alpha / 2.0) + norm.ppf(self.power))


@dataclass(frozen=True, slots=True)
class Size:
    """What one design takes."""

    design: str
    """unpaired or paired."""
    deviation: float
    """Standard deviation per race that the design leaves: races = (quantiles * deviation / difference)^2."""
    races: int
    """At one look at the end."""
    races_anytime: int
    """Where every look counts: the price of being allowed to stop at any of them."""
    question: Question

    @property
    def difference(self) -> float:
        """The improvement wanted, in units of NDCG."""
        return self.question.difference

    @property
    def mean(self) -> float:
        """Of the control's NDCG."""
        return self.question.mean

    @property
    def alpha(self) -> float:
        """Two-sided chance of a false alarm."""
        return self.question.alpha

    def detectable(self, races: float) -> float:
        """Return the smallest effect, as a share of the mean, that so many races show with the same power."""
        return self.question.quantiles * self.deviation / math.sqrt(races) / self.mean if races > 0 else math.inf

    def power(self, races: float) -> float:
        """Return the chance to see the effect in so many races, looked at once."""
        if races <= 0:
            return 0.0
        drift = self.difference * math.sqrt(races) / self.deviation
        z = float(norm.ppf(1.0 - self.alpha / 2.0))
        return float(norm.cdf(drift - z) + norm.cdf(-drift - z))

    def days(self, races_per_day: float) -> float:
        """Return how many days that takes at a rate of races."""
        return self.races / races_per_day

    def as_dict(self, races_per_day: float | None = None, max_days: float | None = None) -> dict[str, Any]:
        """Return plain values; days where a rate is known, what can be seen in time where the time is, too."""
        given = races_per_day is not None and max_days is not None
        within = races_per_day * max_days if races_per_day is not None and max_days is not None else math.nan
        return {
            "races": self.races,
            "races_anytime": self.races_anytime,
            "deviation": self.deviation,
            "power": self.power(self.races),
            "mde": self.detectable(self.races),
            "days": None if races_per_day is None else self.races / races_per_day,
            "days_anytime": None if races_per_day is None else self.races_anytime / races_per_day,
            "power_in_time": self.power(within) if given else None,
            "detectable_in_time": self.detectable(within) if given else None,
        }


def unpaired(question: Question, share: float) -> Size:
    """Return what it takes where each race is answered by one arm.

    Args:
        question: What is to be found out.
        share: Part of the races that the treatment answers.
    """
    _within("share", share, 0.0, 1.0)
    return _size("unpaired", question, question.sd * math.sqrt(1.0 / share + 1.0 / (1.0 - share)))


def paired(question: Question, rho: float) -> Size:
    """Return what it takes where both versions score every race.

    Args:
        question: What is to be found out.
        rho: Correlation of the two versions' NDCG over races, as `oracle ab replay` measures it; below 1.
    """
    if not -1.0 <= rho < 1.0:
        raise BadInput("rho is a correlation below 1", value=rho, allowed="-1 to 0.9999; equal models need no test")
    return _size("paired", question, question.sd * math.sqrt(2.0 * (1.0 - rho)))


def _size(design: str, question: Question, deviation: float) -> Size:
    return Size(
        design,
        deviation,
        math.ceil((question.quantiles * deviation / question.difference) ** 2),
        math.ceil(_anytime(design, question, deviation)),
        question,
    )


def _anytime(design: str, question: Question, deviation: float) -> float:
    once = (question.quantiles * deviation / question.difference) ** 2
    told = (question.difference, deviation)
    races = needed(*told, once, question.alpha, question.power)
    return max(races, needed_to_bet(*told, question.alpha, question.power)) if design == "paired" else races


@dataclass(frozen=True, slots=True)
class PointRule:
    """What the required rule comes to, read as one point: so many predictions, then +effect or not."""

    predictions: int
    passes_worthless: float
    """Chance that it ships a challenger that is no better."""
    power: float
    """Chance that a test of significance sees the effect in so many."""


def point_rule(question: Question, share: float, predictions: int) -> PointRule:
    """Return what becomes of a rule that compares the arms' means once, after so many predictions of races."""
    size = unpaired(question, share)
    error = size.deviation / math.sqrt(max(predictions, 1))
    passes = float(norm.sf(question.difference / error))
    return PointRule(predictions, passes, size.power(max(predictions, 1)))


def users_needed(rate: float, effect: float, share: float, alpha: float, power: float) -> tuple[int, int]:
    """Return how many users, of all arms, show a change of a rate of users (who click, who bet): one look, and daily.

    Args:
        rate: Share of the control's users, in (0, 1).
        effect: Change wanted, as a share of the rate, either way.
        share: Of the users that the challenger gets.
        alpha: Two-sided.
        power: Chance of seeing it.
    """
    _within("rate", rate, 0.0, 1.0)
    asked = Question(rate, math.sqrt(rate * (1.0 - rate)), effect, alpha, power)
    size = unpaired(asked, share)
    return size.races, size.races_anytime


def in_time(size: Size, races_per_day: float, max_days: float) -> None:
    """Return if a test of that size can end in the time given.

    Raises:
        NeverEnds: it cannot; says what would work.
    """
    if races_per_day <= 0 or max_days <= 0:
        raise BadInput("a test has races and days", value=(races_per_day, max_days), allowed="both above 0")
    there = races_per_day * max_days
    if size.races_anytime <= there:
        return
    effect = _effect_in_time(size, there)
    works = [
        f"{math.ceil(size.races_anytime / races_per_day):,} days",
        *([] if effect is None else [f"an effect of {effect:.2%}"]),
        f"{math.ceil(size.races_anytime / max_days):,} races a day",
    ]
    if size.design == "unpaired":
        works.append("the paired design (--rho, measured by `oracle ab replay`)")
    raise NeverEnds(
        f"the test needs {size.races_anytime:,} races and gets {there:,.0f} in {max_days:g} days",
        value=f"{size.design}, effect {size.difference / size.mean:.2%}",
        allowed=f"any of: {'; '.join(works)}",
        next_step="change the plan, or let it run longer",
    )


def _effect_in_time(size: Size, there: float) -> float | None:
    """Return the smallest effect that a test of so many races does see, rounded up to a hundredth of a per cent."""
    low, high = size.question.effect, 1.0 - 1e-9
    if _anytime(size.design, replace(size.question, effect=high), size.deviation) > there:
        return None
    for _ in range(40):
        middle = 0.5 * (low + high)
        enough = _anytime(size.design, replace(size.question, effect=middle), size.deviation) <= there
        low, high = (low, middle) if enough else (middle, high)
    return math.ceil(high * 1e4) / 1e4


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise BadInput(f"{name} is not possible", value=value, allowed=f"between {low:g} and {high:g}")
