"""From evidence to suspects: which columns knew the result, why, and in which order to look at them. Pure.

A column is a suspect when it does something that no number known at the off does, by a margin that the policy names
and by more than chance over as many columns as were looked at. Each rule says in words what it saw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import norm

from oracle.leakage.evidence import Evidence
from oracle.leakage.expectation import MARKET
from oracle.settings import LeakPolicy

FEWEST_ABSENT = 10
"""Missing values below which being missing says nothing."""
CLOSEST = 0.01
"""A closer agreement than this does not count for more."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A column that knew the result."""

    feature: str
    score: float
    """How many times the limit its strongest evidence is; 1 is the limit."""
    reason: str
    """What it did that nothing known at the off does."""
    evidence: Evidence

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as `oracle leakscan --json` prints them."""
        return {
            "feature": self.feature,
            "score": round(self.score, 3),
            "reason": self.reason,
            "evidence": self.evidence.as_dict(),
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """What an honest column may do, against one kind of expectation."""

    gain: float
    own: float
    moves: float
    next: float
    z: float
    """Standard errors that chance over all columns may reach."""
    basis: str
    policy: LeakPolicy


def limits(basis: str, allowance: float, columns: int, policy: LeakPolicy) -> Limits:
    """Return the limits for so many columns.

    Args:
        basis: What the expectation rests on. Form leaves more to be known than the market does: an honest column, such
            as a price of one's own, may then know much.
        allowance: Gain that earlier results alone have over the expectation (`Court.allowance`).
        columns: How many columns are judged together (Bonferroni).
        policy: The limits.
    """
    z = float(norm.isf(policy.chance / 2.0 / max(columns, 1)))
    if basis == MARKET:
        return Limits(policy.gain + allowance, policy.own, policy.moves, policy.next, z, basis, policy)
    return Limits(
        policy.gain_over_form + allowance, policy.own_over_form, policy.moves_over_form, policy.next, z, basis, policy
    )


Rule = Callable[[Evidence, Limits], tuple[float, str] | None]


def _gain(e: Evidence, at: Limits) -> tuple[float, str] | None:
    if e.gain <= at.gain or abs(e.z) <= at.z:
        return None
    return e.gain / at.gain, (
        f"alone adds {e.gain:.4f} to the pseudo-R2 of the {at.basis}, where what is known at the off adds"
        f" {at.gain:.4f} at most"
    )


def _moves(e: Evidence, at: Limits) -> tuple[float, str] | None:
    if abs(e.moves) <= at.moves or abs(e.moves) * math.sqrt(e.changes) <= at.z:
        return None
    return abs(e.moves) / at.moves, (
        f"changes along the {e.owner}'s career with the result of the race it stands on (correlation {e.moves:+.2f};"
        f" {e.moved:+.2f} with the race before): it holds its own race"
    )


def _own(e: Evidence, at: Limits) -> tuple[float, str] | None:
    if abs(e.own) <= at.own or abs(e.own) * math.sqrt(2 * e.races) <= at.z:
        return None
    return abs(e.own) / at.own, (
        f"goes with what its race brought beyond the {at.basis} (correlation {e.own:+.2f}; {e.next:+.2f} with the next)"
    )


def _next(e: Evidence, at: Limits) -> tuple[float, str] | None:
    if abs(e.next) <= at.next or abs(e.next) * math.sqrt(e.pairs) <= at.z:
        return None
    return abs(e.next) / at.next, (
        f"goes with what the horse's next race brought beyond the {at.basis} (correlation {e.next:+.2f}): it knows"
        f" later races"
    )


def _close(e: Evidence, at: Limits) -> tuple[float, str] | None:
    limit = at.policy.closeness
    if not e.close.ratio < limit or e.close.z > -at.policy.closeness_errors:
        return None
    return limit / max(e.close.ratio, CLOSEST), (
        f"is one number for each {e.close.owner}, on all dates alike, and agrees with its {e.close.target} more closely"
        f" than luck allows ({e.close.ratio:.3f} of the distance that chance makes, {e.close.owners} of them): a mean"
        f" that later races are in"
    )


def _missing(e: Evidence, at: Limits) -> tuple[float, str] | None:
    limit = at.policy.missing
    if e.missing <= limit or e.absent < FEWEST_ABSENT:
        return None
    return e.missing / limit, (
        f"is missing where the runner did not finish (correlation {e.missing:+.2f}): it was written after the race"
    )


RULES: tuple[Rule, ...] = (_gain, _moves, _own, _close, _next, _missing)
"""Each returns how many times the limit it saw and why, or None."""


def suspects(evidence: Sequence[Evidence], at: Limits) -> tuple[Suspect, ...]:
    """Return the columns that knew the result, the guiltiest first."""
    found = [s for e in evidence if (s := _suspect(e, at)) is not None]
    return tuple(sorted(found, key=lambda s: (-s.score, s.feature)))


def _suspect(e: Evidence, at: Limits) -> Suspect | None:
    told = sorted(_told(e, at), key=lambda t: -t[0])
    return Suspect(e.feature, told[0][0], "; ".join(why for _, why in told), e) if told else None


def _told(e: Evidence, at: Limits) -> Iterator[tuple[float, str]]:
    for rule in RULES:
        found = rule(e, at)
        if found is not None:
            yield found
