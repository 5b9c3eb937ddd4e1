"""Whether racing itself goes another way than it did: who wins, from which stall, how fast. Pure.

Nothing here needs a model. Winners by their rank in the odds, the stalls of the first three, the sizes of the fields
(chi-square by meeting); the favourites' strike rate beyond what their odds imply; the winning times, each compared with
the reference's times over the same course, distance and surface. Holm's rule over the five.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.drift import contrast
from oracle.drift.contrast import Change, Shift
from oracle.drift.multiple import holm
from oracle.drift.racing import RaceSums
from oracle.drift.starters import GROUPS
from oracle.drift.tally import Tally, tallied
from oracle.drift.words import Part, Verdict, unmeasured
from oracle.ranking.races import Floats, Ints
from oracle.settings import DriftPolicy

SHAPES = {
    "odds_rank": "winners by their rank in the odds",
    "draw": "stalls of the first three",
    "field": "field sizes",
}
FEWEST_TIMES = 5
"""Races of a course, distance and surface in each window before their times are compared."""


def outcome(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> Part:
    """Return whether the results drifted."""
    few = _too_few(reference, current, policy)
    if few:
        return unmeasured(few)
    measured: dict[str, Shift | Change] = {}
    for name in SHAPES:
        shift = contrast.distribution(
            reference.counts(name), current.counts(name), GROUPS[name], least=policy.min_clusters
        )
        if shift is not None:
            measured[name] = shift
    for name, change in (
        ("favourites", _favourites(reference, current, policy)),
        ("times", _times(reference, current, policy)),
    ):
        if change is not None:
            measured[name] = change
    if not measured:
        return unmeasured(f"fewer than {policy.min_clusters} meetings with results in a window")
    adjusted = holm([each.p_value for each in measured.values()])
    found: dict[str, Any] = {}
    loud = []
    for (name, each), p_value in zip(measured.items(), adjusted, strict=True):
        large, told = _told(name, each, policy)
        drifted = bool(p_value < policy.alpha and large)
        found[name] = {**each.as_dict(), "adjusted_p_value": p_value, "drifted": drifted, "cause": told}
        if drifted:
            loud.append(told)
    if loud:
        return Part(Verdict.DRIFT, "; ".join(loud), found)
    return Part(Verdict.NO_DRIFT, f"results as they were ({', '.join(measured)} looked at)", found)


def _told(name: str, found: Shift | Change, policy: DriftPolicy) -> tuple[bool, str]:
    """Return whether a difference is large enough to matter, and the difference in words."""
    if isinstance(found, Shift):
        step = np.subtract(found.current, found.reference)
        at = int(np.argmax(np.abs(step)))
        told = f"{SHAPES[name]}: {found.labels[at]} {found.reference[at]:.1%} -> {found.current[at]:.1%}"
        return found.psi >= policy.outcome, f"{told} (PSI {found.psi:.3f})"
    moved = f"{found.difference:+.2%} [{found.low:+.2%}, {found.high:+.2%}]"
    if name == "times":
        return abs(found.difference) >= policy.times, f"winning times {moved}"
    return abs(found.difference) >= policy.strike_rate, f"favourites' wins beyond their odds {moved}"


def _favourites(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> Change | None:
    """Return the change of the favourites' strike rate less what their odds say."""
    one, two = ((w["favourite_won"] - w["favourite_said"], w["favourites"]) for w in (reference, current))
    return contrast.mean(one, two, policy.confidence, least=policy.min_clusters)


def _times(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> Change | None:
    """Return the relative change of winning times over the same course, distance and surface.

    Each kind of race is centred on its reference's mean and weighs as many races as both windows can compare, so that
    another mix of races is no change of times; meetings, which share the ground, are the independent units.
    """
    kinds = _totals(reference.times), _totals(current.times)
    often = [k.keys[k.sums[:, 0] >= FEWEST_TIMES] for k in kinds]
    shared = np.intersect1d(often[0], often[1])
    if not shared.size:
        return None
    one, two = (k.sums[np.searchsorted(k.keys, shared)] for k in kinds)
    weight = one[:, 0] * two[:, 0] / (one[:, 0] + two[:, 0])
    centre = one[:, 1] / one[:, 0]
    was = _by_meeting(reference.times, shared, centre, weight / one[:, 0])
    now = _by_meeting(current.times, shared, centre, weight / two[:, 0])
    return contrast.mean(was, now, policy.confidence, least=policy.min_clusters)


def _totals(times: Tally) -> Tally:
    return tallied(times.keys & 0xFFFFFFFF, times.sums)


def _by_meeting(times: Tally, shared: Ints, centre: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return for each meeting the weighted sum of log times off the centre, and the weights."""
    kind, meeting = times.keys & 0xFFFFFFFF, times.keys >> 32
    at = np.minimum(np.searchsorted(shared, kind), shared.size - 1)
    held = shared[at] == kind
    at, rows = at[held], times.sums[held]
    off = (rows[:, 1] - rows[:, 0] * centre[at]) * weight[at]
    summed = tallied(meeting[held], np.column_stack([off, rows[:, 0] * weight[at]])).sums
    return summed[:, 0], summed[:, 1]


def _too_few(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> str | None:
    for name, window in (("reference", reference), ("current window", current)):
        if not window:
            return f"the {name} has no races (no race_id)"
        known = max(float(window.counts(group).sum()) for group in ("odds_rank", "draw"))
        known = max(known, float(window.times.sums[:, 0].sum()))
        if known < policy.min_races:
            return f"the {name} has {known:,.0f} races with a result; {policy.min_races} are needed"
    return None
