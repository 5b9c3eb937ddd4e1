"""Is the test itself sound, and does the challenger do harm? Three outcomes each: fine, breach, not enough evidence.

A sample ratio that is not the one asked for means that something between the split and the count loses users of one
arm, and every comparison of users is then worth nothing (Fabijan et al. 2019, Diagnosing sample ratio mismatch).
Guardrails are looked at all the time, so each is an e-process or a confidence sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import gammaln, xlogy
from scipy.stats import chisquare

from oracle.experiment.observed import Observed, PairedRaces, SharePeriod
from oracle.experiment.sequential import evidence_above, widening
from oracle.settings import GuardrailPolicy

State = Literal["fine", "breach", "not enough evidence"]
SLOW = 0.05
"""Share of requests above the 95th percentile."""
CONCENTRATION = 1000.0
"""Units' worth of belief that the shares are those asked for, of the prior that they may be others."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says, and the numbers behind it."""

    name: str
    state: State
    cause: str
    value: float | None = None
    limit: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "state": self.state, "cause": self.cause, "value": self.value, "limit": self.limit}


def sample_ratio(periods: Sequence[SharePeriod], p_limit: float) -> Finding:
    """Return whether the units fell to the arms in the shares asked for.

    The p-value holds at every look: it is one over the Bayes factor against the shares, multinomial with a Dirichlet
    prior around them (Lindon and Malek 2022, Anytime-valid inference for multinomial count data). Times with
    different shares are tested apart and multiplied: their units are different ones.

    Args:
        periods: Units first seen, by the shares in force.
        p_limit: Below this the ratio is a mismatch.
    """
    log, units = 0.0, 0
    for period in periods:
        expected = expected_shares(period.shares)
        counts = np.array(period.counts, dtype=np.float64)
        if (counts[expected == 0] > 0).any():
            return Finding("sample ratio", "breach", "units in an arm that had no share", 0.0, p_limit)
        counts, expected = counts[expected > 0], expected[expected > 0]
        units += int(counts.sum())
        log += _log_bayes_factor(counts, expected)
    if not units:
        return Finding("sample ratio", "not enough evidence", "no unit was assigned yet", None, p_limit)
    p = float(np.exp(min(0.0, -log)))
    if p < p_limit:
        seen = "; ".join(_told(period) for period in periods)
        return Finding("sample ratio", "breach", f"the arms' units are not in the shares asked for: {seen}", p, p_limit)
    return Finding("sample ratio", "fine", f"{units:,} units in the shares asked for", p, p_limit)


def sample_ratio_once(periods: Sequence[SharePeriod]) -> float | None:
    """Return the smallest chi-square p of the periods, times their number; None where nothing was assigned.

    For a single look only: at daily looks it is wrong far more often than it says.
    """
    found = []
    for period in periods:
        expected, counts = expected_shares(period.shares), np.array(period.counts, dtype=np.float64)
        if counts.sum() > 0 and (expected > 0).sum() > 1:
            kept = expected > 0
            found.append(float(chisquare(counts[kept], expected[kept] * counts[kept].sum()).pvalue))
    return min(1.0, len(found) * min(found)) if found else None


def expected_shares(shares: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the chance of each arm, the control's first."""
    return np.array([max(0.0, 1.0 - sum(shares)), *shares], dtype=np.float64)


def _log_bayes_factor(counts: Any, expected: Any) -> float:
    """Return log of (Dirichlet-multinomial / multinomial at the shares asked for)."""
    prior = CONCENTRATION * expected
    mixed = (
        gammaln(CONCENTRATION)
        - gammaln(CONCENTRATION + counts.sum())
        + (gammaln(prior + counts) - gammaln(prior)).sum()
    )
    return float(mixed - xlogy(counts, expected).sum())


def _told(period: SharePeriod) -> str:
    whole = sum(period.counts)
    expected = [share * whole for share in expected_shares(period.shares)]
    return ", ".join(
        f"{count:,} where {wanted:,.0f} were due" for count, wanted in zip(period.counts, expected, strict=True)
    )


def guardrails(seen: Observed, policy: GuardrailPolicy, planned_races: float) -> tuple[Finding, ...]:
    """Return what each guardrail says of the challenger.

    Args:
        seen: What the test has seen.
        policy: The limits.
        planned_races: Races that the calibration's sequence is tuned to.
    """
    return (
        failures(seen, policy),
        latency(seen, policy),
        calibration(seen.races, policy, planned_races),
    )


def failures(seen: Observed, policy: GuardrailPolicy) -> Finding:
    """Return whether the challenger failed more often than it may: it raised, hung, died or was not there."""
    failed, of = seen.treatment.failures, seen.treatment.predictions
    return _rate(
        "failures", failed, of, policy.max_failure_rate, policy, "of its requests were answered by the control"
    )


def latency(seen: Observed, policy: GuardrailPolicy) -> Finding:
    """Return whether more than one in twenty requests is slower than the control's 95th percentile allows.

    That percentile is an estimate too: of it the upper bound counts, a higher quantile while the control has few.
    """
    own, base = seen.treatment.latencies_ms, seen.control.latencies_ms
    if min(own.size, base.size) < policy.min_predictions:
        return _too_few("p95 latency", min(own.size, base.size), policy)
    error = np.sqrt(SLOW * (1.0 - SLOW) / base.size) * widening(base.size, policy.min_predictions, policy.alpha)
    usual = float(np.quantile(base, min(1.0, 1.0 - SLOW + error)))
    limit = usual * policy.max_p95_ratio + policy.p95_slack_ms
    slow = int((own > limit).sum())
    return _rate("p95 latency", slow, own.size, SLOW, policy, f"of its requests took longer than {limit:.1f} ms")


def _rate(name: str, seen: int, of: int, limit: float, policy: GuardrailPolicy, what: str) -> Finding:
    if of < policy.min_predictions:
        return _too_few(name, of, policy)
    cause = f"{seen:,} of {of:,} ({seen / of:.2%}) {what}"
    breach = evidence_above(seen, of, limit) >= 1.0 / policy.alpha
    return Finding(name, "breach" if breach else "fine", cause, seen / of, limit)


def calibration(races: PairedRaces, policy: GuardrailPolicy, planned_races: float) -> Finding:
    """Return whether the challenger's win probabilities are worse than the control's, by log-loss on the same races."""
    worse = races.treatment_loss - races.control_loss
    worse = worse[np.isfinite(worse)]
    name, limit = "calibration", policy.max_log_loss_increase
    if worse.size < policy.min_races:
        told = f"{worse.size:,} races with chances of both versions; {policy.min_races:,} are needed"
        return Finding(name, "not enough evidence", told, None, limit)
    error = float(worse.std(ddof=1)) / np.sqrt(worse.size)
    low = float(worse.mean()) - widening(worse.size, planned_races, policy.alpha) * error
    cause = f"log-loss {worse.mean():+.4f} against the control's, surely above {low:+.4f}"
    return Finding(name, "breach" if low > limit else "fine", cause, float(worse.mean()), limit)


def _too_few(name: str, of: int, policy: GuardrailPolicy) -> Finding:
    return Finding(
        name, "not enough evidence", f"{of:,} predictions in the smaller arm; {policy.min_predictions:,} are needed"
    )
