"""Whether the model's predictions are distributed as they were: before any result is in. Pure.

Three distributions: the win probabilities of the runners, the probability of each race's likeliest runner (how sure the
model is), and the rank it gives to the market's favourite (how far it follows the market). Races of a meeting are not
independent, nor are the runners of a race: the p-values know (`contrast.distribution`). Holm's rule over the three.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oracle.drift import contrast
from oracle.drift.multiple import holm
from oracle.drift.racing import RaceSums
from oracle.drift.starters import GROUPS
from oracle.drift.words import Part, Verdict, unmeasured
from oracle.settings import DriftPolicy

SAID: Mapping[str, str] = {
    "win": "win probabilities",
    "top": "the probability of the likeliest runner",
    "favourite_rank": "the rank given to the favourite",
}


def prediction(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> Part:
    """Return whether the predictions drifted."""
    return distributions(SAID, reference, current, policy, policy.prediction, "no predictions in both windows")


def distributions(
    names: Mapping[str, str],
    reference: RaceSums,
    current: RaceSums,
    policy: DriftPolicy,
    floor: float,
    otherwise: str,
) -> Part:
    """Return whether any of some distributions drifted: no accident after Holm's rule, and a PSI at the floor.

    Args:
        names: Groups of `starters.GROUPS`, and what a person calls them.
        reference: The window that is compared with.
        current: The window in question.
        policy: Level and least meetings.
        floor: PSI from which a difference matters.
        otherwise: Why nothing could be measured, where nothing could.
    """
    shifts = {
        name: contrast.distribution(
            reference.counts(name), current.counts(name), GROUPS[name], least=policy.min_clusters
        )
        for name in names
    }
    known = {name: shift for name, shift in shifts.items() if shift is not None}
    if not known:
        return unmeasured(_few(reference, current, policy) or otherwise)
    adjusted = holm([shift.p_value for shift in known.values()])
    found: dict[str, Any] = {}
    loud: list[str] = []
    for (name, shift), p_value in zip(known.items(), adjusted, strict=True):
        drifted = p_value < policy.alpha and shift.psi >= floor
        found[name] = {**shift.as_dict(), "adjusted_p_value": p_value, "drifted": drifted}
        if drifted:
            loud.append(f"{names[name]} (PSI {shift.psi:.3f}, p {p_value:.2g})")
    if loud:
        return Part(Verdict.DRIFT, f"another distribution of {' and '.join(loud)}", found)
    most = max(shift.psi for shift in known.values())
    return Part(Verdict.NO_DRIFT, f"no distribution moved (largest PSI {most:.3f})", found)


def _few(reference: RaceSums, current: RaceSums, policy: DriftPolicy) -> str | None:
    """Return the reason where a window has too few meetings, races or not."""
    for name, window in (("reference", reference), ("current window", current)):
        if not window:
            return f"the {name} has no races (no race_id)"
        if window.meetings.keys.size < policy.min_clusters:
            return f"the {name} has {window.meetings.keys.size} meetings; {policy.min_clusters} are needed"
    return None
