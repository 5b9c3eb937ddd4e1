"""The paired difference in NDCG@3, bounded in three ways that all hold at every look. Pure.

Betting decides, for it is exact. The asymptotic sequence is a second opinion. The one by meeting is a check that can
hold a verdict back: races of a meeting share going, stewards and often form, and where they err together there is less
evidence than the number of races says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.experiment import betting
from oracle.experiment.betting import Sequence
from oracle.experiment.observed import PairedRaces
from oracle.experiment.plan import Plan
from oracle.experiment.sequential import clusters_widening, widening
from oracle.ranking.races import Ints

DAY = 86_400.0
FEWEST_MEETINGS = 5
"""Below that a variance by meeting is a guess."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Treatment less control, over the races that both scored."""

    races: int
    decisive: int
    """Races in which the versions differ."""
    control: float | None
    treatment: float | None
    difference: float | None
    low: float
    """Betting confidence sequence: what decides."""
    high: float
    asymptotic: tuple[float, float] | None
    """Asymptotic confidence sequence over races; None while no race differs."""
    by_meeting: tuple[float, float] | None
    """Asymptotic confidence sequence over meetings; None below `FEWEST_MEETINGS`, or while no race differs."""
    meetings: int
    design_effect: float | None
    """Variance by meeting over variance by race: above 1 where races of a meeting err together."""
    sd: float | None
    """Of a race's difference."""
    rho: float | None
    sequence: Sequence
    """At the end of each day."""
    days: tuple[float, ...] = ()
    """Of each look, days since the first race became known."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("races", "decisive", "control", "treatment", "difference", "low", "high", "asymptotic", "by_meeting")
        told = {name: getattr(self, name) for name in (*names, "meetings", "design_effect", "sd", "rho")}
        steps = {k: getattr(self.sequence, k).tolist() for k in ("races", "estimate", "low", "high")}
        return told | {"sequence": {"days": list(self.days), **steps}}


def accuracy(races: PairedRaces, plan: Plan) -> Accuracy:
    """Return the paired difference with its bounds, looked at once a day."""
    differences, size, n = races.difference, plan.size, len(races)
    looks, days = _daily(races)
    found = betting.sequence(differences, looks, size.races, size.deviation, plan.alpha)
    if not n:
        return Accuracy(0, 0, None, None, None, -1.0, 1.0, None, None, 0, None, None, None, found, days)
    mean = float(differences.mean())
    sd = float(differences.std(ddof=1)) if n > 1 else None
    asymptotic = None
    if sd is not None and sd > 0:
        width = widening(n, size.races, plan.alpha) * sd / math.sqrt(n)
        asymptotic = (mean - width, mean + width)
    by_meeting, effect = clustered(races, size.races, plan.alpha)
    return Accuracy(
        races=n,
        decisive=int(races.decisive.sum()),
        control=float(races.control.mean()),
        treatment=float(races.treatment.mean()),
        difference=mean,
        low=float(found.low[-1]),
        high=float(found.high[-1]),
        asymptotic=asymptotic,
        by_meeting=by_meeting,
        meetings=len(np.unique(races.meeting.astype(str))),
        design_effect=effect,
        sd=sd,
        rho=races.rho,
        sequence=found,
        days=days,
    )


def clustered(races: PairedRaces, planned: float, alpha: float) -> tuple[tuple[float, float] | None, float | None]:
    """Return the time-uniform bounds of the mean difference with meetings as the units, and the design effect.

    Errors add up within a meeting (Liang and Zeger 1986).

    Args:
        races: That both versions scored.
        planned: Races at which the bounds are to be narrowest.
        alpha: Chance that the true mean is ever outside.
    """
    names, of = np.unique(races.meeting.astype(str), return_inverse=True)
    differences, n = races.difference, len(races)
    if len(names) < FEWEST_MEETINGS or not differences.std() > 0:
        return None, None
    centred = differences - differences.mean()
    totals = np.bincount(of, weights=centred, minlength=len(names))
    variance = len(names) / (len(names) - 1) * float((totals**2).sum()) / n**2
    width = clusters_widening(n, planned, alpha, len(names)) * math.sqrt(variance)
    mean = float(differences.mean())
    return (mean - width, mean + width), variance / (float(centred.var(ddof=1)) / n)


def _daily(races: PairedRaces) -> tuple[Ints, tuple[float, ...]]:
    """Return how many races were known at the end of each day on which one became known, and those days."""
    if not len(races):
        return np.zeros(1, dtype=np.int64), (0.0,)
    day = np.floor((races.known_at - races.known_at[0]) / DAY)
    last = np.flatnonzero(np.append(np.diff(day) > 0, True))
    return (last + 1).astype(np.int64), tuple((day[last] + 1.0).tolist())
