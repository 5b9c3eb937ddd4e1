"""`oracle ab plan`: how many races a test takes, before it is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.ab.options import Alpha, Effect, Mean, Power, Sd, question
from oracle.cli.output import Json, emit
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.experiment.sizing import Size


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
    max_days: Annotated[
        float | None, typer.Option(help="Refuse, with exit code 3, a test that cannot end in so many days.")
    ] = None,
    json: Json = False,
) -> None:
    """Say how many races a test takes: comparing arms, and comparing both versions on every race."""
    from oracle.experiment.sizing import in_time, paired, unpaired

    policy = load().experiment
    asked = question(policy, mean, sd, effect, (policy.alpha if alpha is None else alpha) / challengers, power)
    if max_days is not None and races_per_day is None:
        raise BadInput(
            "days mean nothing without a rate", value=f"--max-days {max_days:g}", next_step="--races-per-day N"
        )
    sizes = [unpaired(asked, policy.share if share is None else share)]
    if rho is not None:
        sizes.append(paired(asked, rho))
    if max_days is not None and races_per_day is not None:
        in_time(sizes[-1], races_per_day, max_days)
    told = {size.design: size.as_dict(races_per_day, max_days) for size in sizes}
    document = {
        "mean": asked.mean,
        "sd": asked.sd,
        "effect": asked.effect,
        "difference": asked.difference,
        "alpha": asked.alpha,
        "power": asked.power,
        "share": policy.share if share is None else share,
        "rho": rho,
        "unpaired": told["unpaired"],
        "paired": told.get("paired"),
        "ratio": sizes[0].races / sizes[1].races if rho is not None else None,
    }
    emit(document, json=json, text=lambda: _text(sizes, asked.difference, races_per_day))


def _text(sizes: list[Size], difference: float, races_per_day: float | None) -> str:
    lines = [f"to see {difference:+.4f} NDCG@3    races at one look    races looked at daily    deviation per race"]
    for size in sizes:
        lines.append(f"  {size.design:<22}{size.races:>18,}{size.races_anytime:>25,}{size.deviation:>22.4f}")
        if races_per_day is not None:
            days = (size.races / races_per_day, size.races_anytime / races_per_day)
            lines.append(f"  {'days':<22}{days[0]:>18,.0f}{days[1]:>25,.0f}")
    if len(sizes) == 1:
        lines.append("next: `oracle ab replay` measures rho, and --rho shows what the paired design takes")
    return "\n".join(lines)
