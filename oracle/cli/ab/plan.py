"""`oracle ab plan`: how many races a test takes, before it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.ab.options import Alpha, Effect, Mean, Power, Sd, question
from oracle.cli.output import Json, emit
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.experiment.sizing import Question, Size
    from oracle.settings import ExperimentPolicy


def plan(
    mean: Mean,
    sd: Sd,
    effect: Effect = None,
    share: Annotated[float | None, typer.Option(help="Share of the units that the challenger answers.")] = None,
    rho: Annotated[
        float | None,
        typer.Option(help="Correlation of the versions' NDCG@3 over races, measured by `oracle ab replay`."),
    ] = None,
    alpha: Alpha = None,
    power: Power = None,
    challengers: Annotated[int, typer.Option(min=1, max=8, help="Challengers that share alpha.")] = 1,
    races_per_day: Annotated[float | None, typer.Option(help="Races with results a day.")] = None,
    predictions_per_day: Annotated[
        float | None, typer.Option(help="Predictions a day: when the required floor is reached.")
    ] = None,
    conversion: Annotated[
        float | None, typer.Option(help="Share of the control's users who convert: plans that metric too.")
    ] = None,
    users_per_day: Annotated[float | None, typer.Option(help="New users a day, for the days that it takes.")] = None,
    max_days: Annotated[
        float | None, typer.Option(help="Refuse, with exit code 3, a test that cannot end in so many days.")
    ] = None,
    json: Json = False,
) -> None:
    """Say how many races a test takes: comparing arms, and comparing both versions on every race."""
    from oracle.experiment.sizing import in_time, paired, point_rule, unpaired

    policy = load().experiment
    part = policy.share if share is None else share
    if not 0.0 < part <= 1.0 / challengers or part == 1.0:
        raise BadInput(
            "--share is not possible", value=part, allowed=f"above 0, up to {1.0 / challengers:g} for each challenger"
        )
    asked = question(policy, mean, sd, effect, (policy.alpha if alpha is None else alpha) / challengers, power)
    _above_0(races_per_day=races_per_day, max_days=max_days, users_per_day=users_per_day)
    _above_0(predictions_per_day=predictions_per_day)
    if max_days is not None and races_per_day is None:
        raise BadInput(
            "days mean nothing without a rate", value=f"--max-days {max_days:g}", next_step="--races-per-day N"
        )
    sizes = [unpaired(asked, part)]
    if rho is not None:
        sizes.append(paired(asked, rho))
    if max_days is not None and races_per_day is not None:
        in_time(sizes[-1], races_per_day, max_days)
    told = {size.design: size.as_dict(races_per_day, max_days) for size in sizes}
    required = point_rule(asked, part, policy.min_predictions)
    floors = {"days": policy.min_days, "predictions": policy.min_predictions, "rule": policy.floors}
    users = None if conversion is None else _users(asked, conversion, part, users_per_day)
    document = {
        "mean": asked.mean,
        "sd": asked.sd,
        "effect": asked.effect,
        "difference": asked.difference,
        "alpha": asked.alpha,
        "power": asked.power,
        "share": part,
        "rho": rho,
        "unpaired": told["unpaired"],
        "paired": told.get("paired"),
        "ratio": sizes[0].races / sizes[1].races if rho is not None else None,
        "floors": {**floors, "days_until": _floor_days(policy, predictions_per_day)},
        "point_rule": {name: getattr(required, name) for name in ("predictions", "passes_worthless", "power")},
        "users": users,
    }
    emit(document, json=json, text=lambda: _text(sizes, asked.difference, races_per_day, document))


def _above_0(**rates: float | None) -> None:
    for name, rate in rates.items():
        if rate is not None and not 0.0 < rate < float("inf"):
            raise BadInput(f"--{name.replace('_', '-')} is not possible", value=rate, allowed="a number above 0")


def _floor_days(policy: ExperimentPolicy, predictions_per_day: float | None) -> float | None:
    """Return the days until the required floors are reached; None where that depends on a rate nobody gave."""
    if predictions_per_day is None:
        return None
    both = (policy.min_days, policy.min_predictions / predictions_per_day)
    return max(both) if policy.floors == "both" else min(both)


def _users(asked: Question, conversion: float, share: float, users_per_day: float | None) -> dict[str, Any]:
    from oracle.experiment.sizing import users_needed

    once, anytime = users_needed(conversion, asked.effect, share, asked.alpha, asked.power)
    days: dict[str, float | None] = {"days": None, "days_anytime": None}
    if users_per_day is not None:
        days = {"days": once / users_per_day, "days_anytime": anytime / users_per_day}
    return {"conversion": conversion, "users": once, "users_anytime": anytime, **days}


def _text(sizes: list[Size], difference: float, races_per_day: float | None, document: dict[str, Any]) -> str:
    lines = [f"to see {difference:+.4f} NDCG@3    races at one look    races looked at daily    deviation per race"]
    for size in sizes:
        lines.append(f"  {size.design:<22}{size.races:>18,}{size.races_anytime:>25,}{size.deviation:>22.4f}")
        if races_per_day is not None:
            days = (size.races / races_per_day, size.races_anytime / races_per_day)
            lines.append(f"  {'days':<22}{days[0]:>18,.0f}{days[1]:>25,.0f}")
    users, required = document["users"], document["point_rule"]
    if users is not None:
        lines.append(f"  {'users (conversion)':<22}{users['users']:>18,}{users['users_anytime']:>25,}")
    lines.append(
        f"the required rule as one point, after {required['predictions']:,} predictions: "
        f"power {required['power']:.0%}, passes a worthless model {required['passes_worthless']:.0%} of the time"
    )
    if len(sizes) == 1:
        lines.append("next: `oracle ab replay` measures rho, and --rho shows what the paired design takes")
    return "\n".join(lines)
