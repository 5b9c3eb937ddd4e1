"""Bounds that hold at every look: the width of a confidence sequence, and evidence against a rate.

A 95 % interval that is looked at daily excludes the truth in far more than 5 % of tests. A confidence sequence covers
it at all times at once with 95 %, so a test may be looked at whenever somebody likes and stopped for any reason.
"""

from __future__ import annotations

import math

from scipy.stats import norm
from scipy.stats import t as student

from oracle.errors import BadInput

TRUNCATION = 0.9
"""Largest part of a bettor's fortune that one observation may cost."""


def tuning(planned: float, alpha: float) -> float:
    """Return rho squared of the normal mixture whose sequence is narrowest at `planned` observations.

    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory, equation (10).
    """
    if not planned > 0:
        raise BadInput("a confidence sequence is tuned to a number of observations", value=planned, allowed="above 0")
    said = -2.0 * math.log(alpha)
    return (said + math.log(said + 1.0)) / planned


def widening(observations: float, planned: float, alpha: float) -> float:
    """Return the number of standard errors on each side of the estimate, at a time-uniform confidence of 1 - alpha.

    The asymptotic confidence sequence of the same paper (theorem 2.2); about 3 at the planned number where a single
    look would need 1.96.

    >>> round(widening(2000, 2000, 0.05), 2)
    3.04

    Args:
        observations: How many there are, above 0.
        planned: The number at which the sequence is to be narrowest.
        alpha: Chance of ever excluding the truth.
    """
    t = observations * tuning(planned, alpha)
    return math.sqrt((t + 1.0) / t * math.log((t + 1.0) / alpha**2))


def clusters_widening(observations: float, planned: float, alpha: float, clusters: int) -> float:
    """Return `widening` for an error that was estimated from so many clusters: Student's t has longer tails.

    Args:
        observations: As in `widening`.
        planned: As in `widening`.
        alpha: As in `widening`.
        clusters: Two or more.
    """
    longer = float(student.ppf(1.0 - alpha / 2.0, clusters - 1) / norm.ppf(1.0 - alpha / 2.0))
    return longer * widening(observations, planned, alpha)


def needed(effect: float, deviation: float, planned: float, alpha: float, power: float) -> float:
    """Return the observations after which a mean of `effect` lies above 0 with `power`, under looks at any time.

    Args:
        effect: The true mean, above 0.
        deviation: Standard deviation of an observation.
        planned: What the sequence is tuned to.
        alpha: As in `widening`.
        power: Chance of having decided by then; looks before that only add to it.
    """
    low, high = 1.0, 4.0
    while _short(high, effect, deviation, planned, alpha, power) and high < 1e15:
        high *= 2.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _short(middle, effect, deviation, planned, alpha, power) else (low, middle)
    return high


def _short(n: float, effect: float, deviation: float, planned: float, alpha: float, power: float) -> bool:
    return math.sqrt(n) * effect / deviation < widening(n, planned, alpha) + float(norm.ppf(power))


def needed_to_bet(effect: float, deviation: float, alpha: float, power: float) -> float:
    """Return the observations after which the best steady bet on "above 0" has made 2/alpha, with `power`.

    Where observations of [-1, 1] scatter little, no bet may be as large as would be best, and it is this that a test
    waits for: rho of .99 does not make it ten times shorter than rho of .9.

    Args:
        effect: The true mean, in (0, 1).
        deviation: Standard deviation of an observation.
        alpha: Of both sides.
        power: Chance of having it by then.
    """
    bet = min(TRUNCATION, effect / deviation**2)
    growth, noise = bet * effect - 0.5 * (bet * deviation) ** 2, bet * deviation * float(norm.ppf(power))
    root = (noise + math.sqrt(noise**2 + 4.0 * growth * math.log(2.0 / alpha))) / (2.0 * growth)
    return root**2


def evidence_above(seen: int, of: int, rate: float, alternative: float | None = None) -> float:
    """Return an e-value against "the rate is at most `rate`": 20 is as surprising as p = .05, whenever it is looked at.

    The likelihood ratio of a rate that would matter against the limit: a supermartingale under every lower rate.

    >>> evidence_above(0, 0, 0.05)
    1.0

    Args:
        seen: How often it happened.
        of: Out of so many.
        rate: The limit, in (0, 1).
        alternative: The rate to look for; by default twice the limit, at most halfway to 1.
    """
    if not (0.0 < rate < 1.0 and 0 <= seen <= of):
        raise BadInput(
            "a rate is compared with a limit", value=(seen, of, rate), allowed="0 <= seen <= of, 0 < rate < 1"
        )
    other = min(2.0 * rate, 0.5 * (1.0 + rate)) if alternative is None else alternative
    log = seen * math.log(other / rate) + (of - seen) * math.log((1.0 - other) / (1.0 - rate))
    return math.exp(min(log, 700.0))
