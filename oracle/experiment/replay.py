"""What a trial on past races says: the paired verdict in minutes, and what a live test would be planned with.

A race's result does not depend on who was asked, so every race that neither model was trained on is a fair trial of
both, and is judged by the rules of a test on live traffic.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np

from oracle.experiment.observed import Observed, PairedRaces
from oracle.experiment.plan import ASSUMED_RHO, Plan, make
from oracle.experiment.report import Challenge
from oracle.experiment.sizing import Question, paired, unpaired
from oracle.experiment.trial import Trial
from oracle.experiment.verdict import decide
from oracle.ranking.races import Bools
from oracle.settings import ExperimentPolicy, GuardrailPolicy

FEWEST = 100
"""Where fewer lie before it, what is usual is assumed."""
SD = 0.3
"""Of NDCG@3 over real races."""
POSSIBLE_MEANS = (0.001, 0.999)
ENDLESS = 1e6
"""Days: a replay is not given up, it ends with the races."""


def judged(
    found: Trial, names: tuple[str, str], policy: ExperimentPolicy, guardrails: GuardrailPolicy
) -> tuple[Plan, Challenge]:
    """Return what the trial says of the treatment, by the rules of a live test, and the plan it was judged by.

    Floors and time limits are those of traffic and do not apply; the bounds may be looked at after every day. What is
    wanted is a share of the control's mean on these races; how the bounds are tuned, by sd and rho, comes from the
    races before them: bets that knew the races they are laid on would not be fair.

    Args:
        found: The trial.
        names: Versions of control and treatment.
        policy: Effect wanted, chances of error.
        guardrails: Limits; only the calibration can be seen in a replay.
    """
    tuned = measured(found.before) if len(found.before) >= FEWEST else {}
    control, treatment = names
    start, end = (dt.datetime.fromtimestamp(at, dt.UTC) for at in found.races.known_at[[0, -1]].tolist())
    plan = make(
        name="replay",
        mode="aa" if control == treatment else "ab",
        control=control,
        treatments=(treatment,),
        shares=(policy.share,),
        mean=float(np.clip(found.races.control.mean(), *POSSIBLE_MEANS)),
        sd=tuned.get("sd") or SD,
        rho=min(tuned.get("rho") or ASSUMED_RHO, 0.9999),
        races_per_day=found.races_per_day,
        policy=policy.model_copy(update={"min_days": 0.0, "min_predictions": 0, "max_days": ENDLESS}),
        guardrails=guardrails,
        started_at=start,
    )
    seen = Observed(races=found.races, first_at=start, last_at=end, unscored=found.left_out)
    return plan, Challenge("treatment", treatment, seen, decide(seen, plan, end))


def measured(races: PairedRaces) -> dict[str, Any]:
    """Return what a test is planned with: mean and sd of the control's NDCG@3, rho, and the difference."""
    difference = races.difference
    return {
        "races": len(races),
        "decisive": int(races.decisive.sum()),
        "mean": float(races.control.mean()),
        "treatment_mean": float(races.treatment.mean()),
        "sd": float(races.control.std(ddof=1)) if len(races) > 1 else None,
        "rho": races.rho,
        "difference": float(difference.mean()),
        "sd_difference": float(difference.std(ddof=1)) if len(races) > 1 else None,
    }


def by_country(found: Trial) -> dict[str, dict[str, Any]]:
    """Return what was measured in each country, in the order of their names; "?" where it is not known."""
    names = np.array([name or "?" for name in found.country], dtype=object)
    return {str(name): measured(_only(found.races, names == name)) for name in sorted(set(names))}


def sizes(numbers: Mapping[str, Any], policy: ExperimentPolicy) -> dict[str, Any] | None:
    """Return how many races a live test of these two takes, paired and unpaired; None where they answer alike.

    Args:
        numbers: From `measured`.
        policy: Effect wanted, share of the treatment, chances of error.
    """
    rho, sd = numbers["rho"], numbers["sd"]
    if not numbers["decisive"] or rho is None or not sd or not rho < 1.0:
        return None
    question = Question(numbers["mean"], sd, policy.effect, policy.alpha, policy.power)
    one, other = paired(question, rho), unpaired(question, policy.share)
    return {"paired": one.races, "unpaired": other.races, "times_fewer": other.races / one.races}


def _only(races: PairedRaces, mask: Bools) -> PairedRaces:
    return PairedRaces(*(getattr(races, name)[mask] for name in PairedRaces.__dataclass_fields__))
