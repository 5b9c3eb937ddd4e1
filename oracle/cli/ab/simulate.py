"""`oracle ab simulate`: how often the rule is wrong, and how soon it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.ab.options import Alpha, Mean, Power, Sd, question
from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.experiment.simulate import Outcome

LOOKS = {"daily": 1, "weekly": 7}


def simulate(
    effect: Annotated[
        float, typer.Option(help="Improvement that is really there, as a share of the mean; 0 for none.")
    ],
    looks: Annotated[str, typer.Option(help="How often somebody looks: daily, weekly, once.")] = "daily",
    reps: Annotated[int, typer.Option(min=1, help="Tests played.")] = 1000,
    mean: Mean = 0.55,
    sd: Sd = 0.27,
    rho: Annotated[float, typer.Option(help="Correlation of the versions' NDCG@3 over races.")] = 0.95,
    wanted: Annotated[
        float | None, typer.Option(help="Improvement the test is planned for; default: the setting.")
    ] = None,
    races_per_day: Annotated[int, typer.Option(min=1, help="Races with results a day.")] = 20,
    races_per_meeting: Annotated[int, typer.Option(min=1, help="Races of a meeting.")] = 8,
    alike: Annotated[
        float,
        typer.Option(help="Share of the decisive races that their meeting decides, 0 to 1; 0: races are independent."),
    ] = 0.0,
    alpha: Alpha = None,
    power: Power = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random; default: the setting.")] = None,
    json: Json = False,
) -> None:
    """Play many tests of two versions on invented races, by the rule that decides on live traffic."""
    from oracle.experiment.simulate import simulate as play
    from oracle.experiment.simulate import until
    from oracle.experiment.sizing import paired

    if looks not in (*LOOKS, "once"):
        raise BadInput("no such rhythm of looks", value=looks, allowed=", ".join((*LOOKS, "once")))
    settings = load()
    size = paired(question(settings.experiment, mean, sd, wanted, alpha, power), rho)
    step = until(size) if looks == "once" else LOOKS[looks] * races_per_day
    found = play(
        size,
        effect,
        races_per_look=step,
        reps=reps,
        seed=settings.seed if seed is None else seed,
        per_meeting=races_per_meeting,
        alike=alike,
        progress=bars,
    )
    emit(found.as_dict() | {"looks": looks}, json=json, text=lambda: _text(found))


def _text(found: Outcome) -> str:
    name = "power" if found.effect > 0 else "false positives"
    median = "" if found.median_races is None else f", half of them within {found.median_races:,.0f} races"
    looks = f"a look every {found.races_per_look:,} races, up to {found.horizon:,}"
    return f"""{found.reps:,} tests, {found.effect:+.2%} really there, {looks}
  ship       {found.shipped:7.1%}   {name}{median}
  stop       {found.stopped:7.1%}
  undecided  {found.undecided:7.1%}
  within the {found.planned_races:,} planned races {found.shipped_by_plan:.1%} shipped
  a z-test at every look would have called {found.repeated_z:.1%} different, {found.repeated_z_better:.1%} better"""
