"""Whether the model ranks worse than it did, and whether that is the model or the card. Pure.

NDCG@3 falls by more than `ndcg_drop` of the reference's mean: that alone is no decay, for some weeks are hard for
everybody. The market ranks the same races, so the yardstick is the model minus the market: what both lost is the
card's.
Three answers:

- *drift*: the fall is as large as that against the market too, and the interval of the latter excludes 0;
- *no drift*: the fall is surely smaller than the limit, or the market shares it (a hard card, not decay);
- *could not measure*: too few races to tell one from the other; the report says about how many it would take.

Without a market the interval of the fall itself must exclude 0, and the report says that the card may be to blame.
Beside it stands what the model expected of itself from its own probabilities, before any result was in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.drift import contrast
from oracle.drift.contrast import Change
from oracle.drift.racing import RaceSums
from oracle.drift.words import Part, Verdict, unmeasured
from oracle.settings import DriftPolicy


@dataclass(frozen=True, slots=True)
class Fall:
    """How much NDCG@3 fell, as a share of the reference's mean: above 0 is worse."""

    drop: float
    low: float
    high: float

    @classmethod
    def of(cls, change: Change, scale: float) -> Fall:
        """Return the fall of a mean, in shares of `scale`."""
        return cls(-change.difference / scale, -change.high / scale, -change.low / scale)

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return f"{self.drop:+.1%} [{self.low:+.1%}, {self.high:+.1%}]"

    def as_dict(self) -> dict[str, float]:
        """Return plain values."""
        return {"drop": self.drop, "low": self.low, "high": self.high}


def concept(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> Part:
    """Return whether the model decayed."""
    foreseen = _expected(reference, current, policy)
    why = _too_few(reference, current, policy)
    if why:
        return unmeasured(why, **foreseen)
    change = _change(reference, current, policy, "ndcg", "judged")
    if change is None or change.reference <= 0.0:
        return unmeasured(f"fewer than {policy.min_clusters} meetings with results in a window", **foreseen)
    fall = Fall.of(change, change.reference)
    found: dict[str, Any] = {
        "ndcg_reference": change.reference,
        "ndcg_current": change.current,
        **fall.as_dict(),
        "races_reference": int(change.n_reference),
        "races_current": int(change.n_current),
        "log_loss": _as_dict(_change(reference, current, policy, "loss", "priced")),
        **foreseen,
    }
    lead = _lead(reference, current, policy)
    if lead is None:
        verdict, cause = _alone(fall, policy)
        return Part(verdict, cause, found | {"market": None})
    relative = Fall.of(lead, change.reference)
    market = _change(reference, current, policy, "market", "both")
    found["market"] = {**_as_dict(market), "behind_market": relative.as_dict(), "lead": lead.as_dict()}
    verdict, cause = _against_market(fall, relative, lead.n_current, policy)
    return Part(verdict, cause, found)


def _against_market(fall: Fall, relative: Fall, races: float, policy: DriftPolicy) -> tuple[Verdict, str]:
    limit = policy.ndcg_drop
    seen = f"NDCG@3 fell by {fall}, against the market by {relative}"
    if fall.drop >= limit and relative.drop >= limit and relative.low > 0.0:
        return Verdict.DRIFT, f"decay: {seen}"
    if fall.low > 0.0 and relative.low <= 0.0 and (relative.high < fall.drop or relative.drop < limit):
        return Verdict.NO_DRIFT, f"a hard card, not decay: {seen}"
    if min(fall.high, relative.high) < limit:
        return Verdict.NO_DRIFT, f"no fall of {limit:.0%}: {seen}"
    return Verdict.UNMEASURED, f"too few races: {seen}; {_needed(relative, races, limit)}"


def _alone(fall: Fall, policy: DriftPolicy) -> tuple[Verdict, str]:
    limit = policy.ndcg_drop
    if fall.drop >= limit and fall.low > 0.0:
        return Verdict.DRIFT, f"NDCG@3 fell by {fall}; decay or a hard card: there are no odds to tell them apart"
    if fall.high < limit:
        return Verdict.NO_DRIFT, f"no fall of {limit:.0%}: NDCG@3 fell by {fall}"
    return Verdict.UNMEASURED, f"too few races: NDCG@3 fell by {fall}, no odds"


def _needed(relative: Fall, races: float, limit: float) -> str:
    """Return how many races would tell a fall of the limit from none: half the limit on either side."""
    half = (relative.high - relative.low) / 2.0
    wanted = races * max(2.0 * half / limit, 1.0) ** 2
    return f"to see a fall of {limit:.0%}, or that there is none, takes about {wanted:,.0f}, not {races:,.0f}"


def _lead(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> Change | None:
    """Return the change of model minus market, on the races that both ranked."""
    if min(reference.total("both"), current.total("both")) < policy.min_races:
        return None
    one, two = ((w["model"] - w["market"], w["both"]) for w in (reference, current))
    return contrast.mean(one, two, policy.confidence, least=policy.min_clusters)


def _expected(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> dict[str, Any]:
    """Return what the model expected of itself on the current races, and how far the results were from it.

    `foreseen` needs no result. `surprise` is observed minus expected, on the races with results; what the reference
    shows of it already (the model's usual optimism) is taken off in `beyond_reference`.
    """
    if not current or current.total("foreseen") == 0:
        return {"expected": None}
    out: dict[str, Any] = {
        "foreseen": current.total("foreseen_ndcg") / current.total("foreseen"),
        "races": int(current.total("foreseen")),
    }
    if reference:
        was, now = ((w["expected_for"] - w["expected"], w["expected_of"]) for w in (reference, current))
        surprise = contrast.mean(was, now, policy.confidence, least=policy.min_clusters)
        if surprise is not None:
            out["foreseen_reference"] = reference.total("foreseen_ndcg") / reference.total("foreseen")
            out["observed"] = current.total("expected_for") / current.total("expected_of")
            out["expected_of_these"] = current.total("expected") / current.total("expected_of")
            out["surprise"] = surprise.current
            out["surprise_reference"] = surprise.reference
            out["beyond_reference"] = {
                "difference": surprise.difference,
                "low": surprise.low,
                "high": surprise.high,
                "as_expected": surprise.low <= 0.0 <= surprise.high,
            }
    return {"expected": out}


def _change(reference: RaceSums, current: RaceSums, policy: DriftPolicy, total: str, count: str) -> Change | None:
    one, two = ((w[total], w[count]) for w in (reference, current))
    return contrast.mean(one, two, policy.confidence, least=policy.min_clusters)


def _as_dict(change: Change | None) -> dict[str, Any]:
    return {} if change is None else change.as_dict()


def _too_few(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> str | None:
    for name, window in (("reference", reference), ("current window", current)):
        if not window:
            return f"the {name} has no races (no race_id)"
        judged = window.total("judged")
        if judged < policy.min_races:
            what = "predictions with results" if judged else "races with both a prediction and a result"
            return f"the {name} has {judged:,.0f} {what}; {policy.min_races} are needed"
    return None


def expected_until(window: RaceSums) -> float:
    """Return the mean NDCG@3 that the model expects of itself on all races of a window; NaN without predictions."""
    races = window.total("foreseen") if window else 0.0
    return window.total("foreseen_ndcg") / races if races else float(np.nan)
