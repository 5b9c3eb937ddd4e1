"""`oracle ab start`: a test of one or more challengers on live traffic, its plan frozen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from oracle.cli.ab.options import Actor, acting
from oracle.cli.output import Json, emit
from oracle.errors import BadInput, UnreadableFile
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.experiment.plan import Plan

MEASURED = ("mean", "sd", "rho", "races_per_day")
OF_AN_AA = {"mean": 0.5, "sd": 0.27}
"""An A/A test decides nothing by them; a plan has them all the same."""


def start(
    name: Annotated[str, typer.Argument(help="Name of the test; users are assigned by it.")],
    treatment: Annotated[
        list[str] | None,
        typer.Option(help="Version that challenges: number, v1.2.3 or alias; may be given several times."),
    ] = None,
    control: Annotated[str | None, typer.Option(help="Version in use; default: the production alias.")] = None,
    share: Annotated[
        list[float] | None, typer.Option(help="Share of the units for each challenger; default: the setting.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Mean, sd, rho and races a day: what `oracle ab replay --json` printed."),
    ] = None,
    mean: Annotated[float | None, typer.Option(help="Mean NDCG@3 of the control, 0 to 1.")] = None,
    sd: Annotated[float | None, typer.Option(help="Standard deviation of NDCG@3 over races.")] = None,
    rho: Annotated[float | None, typer.Option(help="Correlation of the versions' NDCG@3 over races.")] = None,
    races_per_day: Annotated[float | None, typer.Option(help="Races with results a day.")] = None,
    effect: Annotated[float | None, typer.Option(help="Improvement wanted, as a share; default: the setting.")] = None,
    max_days: Annotated[
        float | None, typer.Option(help="Days until it ends without a decision; default: the setting.")
    ] = None,
    aa: Annotated[bool, typer.Option("--aa", help="The control against itself: shows that the test is sound.")] = False,
    actor: Actor = None,
    json: Json = False,
) -> None:
    """Start a test on live traffic: replicas follow within two seconds, the plan is frozen and hashed.

    A test that cannot come to a decision in its time is refused, with exit code 3.
    """
    from oracle import store
    from oracle.experiment import conduct
    from oracle.experiment.plan import make
    from oracle.registry.versions import resolve
    from oracle.tracking.connection import connect

    if aa == bool(treatment):
        raise BadInput(
            "a test has challengers, or --aa",
            value=treatment,
            allowed="--treatment VERSION, or --aa",
            next_step="oracle model list",
        )
    settings = load()
    given = {"mean": mean, "sd": sd, "rho": rho, "races_per_day": races_per_day}
    measured = _measured(replay, given, aa=aa)
    tracking = connect(settings)
    words = [None] if aa else treatment or []
    base = str(resolve(tracking, control).number)
    versions = tuple(base if word is None else str(resolve(tracking, word).number) for word in words)
    policy = settings.experiment
    told = {
        "effect": policy.effect if effect is None else effect,
        "max_days": policy.max_days if max_days is None else max_days,
    }
    plan = make(
        name=name,
        mode="aa" if aa else "ab",
        control=base,
        treatments=versions,
        shares=tuple(share) if share else (policy.share,) * len(versions),
        policy=policy.model_dump() | told,
        guardrails=settings.guardrails,
        started_at=dt.datetime.now(dt.UTC),
        **measured,
    )
    begun = conduct.begin(store.open(settings), plan, acting(actor))
    document = {
        "experiment": begun.name,
        "mode": plan.mode,
        "status": begun.status,
        "control": begun.control,
        "treatments": [
            {"arm": a, "version": v, "share": s} for (a, v), s in zip(begun.treatments, begun.shares, strict=True)
        ],
        "fingerprint": begun.fingerprint,
        "races": plan.size.races,
        "races_anytime": plan.size.races_anytime,
        "days": None if plan.races_per_day is None else plan.size.races_anytime / plan.races_per_day,
        "actor": begun.actor,
    }
    emit(document, json=json, text=lambda: _text(plan, begun.actor))


def _text(plan: Plan, actor: str) -> str:
    arms = ", ".join(f"{v} to {s:.0%}" for v, s in zip(plan.treatments, plan.shares, strict=True))
    days = "" if plan.races_per_day is None else f", about {plan.size.races_anytime / plan.races_per_day:,.0f} days"
    return f"""{plan.name} runs: control {plan.control}, {arms} of the units, started by {actor}
  planned {plan.size.races:,} races at one look, {plan.size.races_anytime:,} where every day is looked at{days}
  plan {plan.fingerprint[:16]}
next: oracle ab status {plan.name}"""


def _measured(file: Path | None, given: Mapping[str, float | None], *, aa: bool) -> dict[str, float]:
    """Return what a plan is made with: flags over the file over, for an A/A test, anything."""
    found: dict[str, Any] = dict(OF_AN_AA) if aa else {}
    if file is not None:
        try:
            told = orjson.loads(file.read_bytes())
            found |= {name: float(told[name]) for name in MEASURED if told.get(name) is not None}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise UnreadableFile(
                f"not the document of a replay: {error}",
                value=str(file),
                next_step="oracle ab replay ... --json > FILE",
            ) from error
    found |= {name: value for name, value in given.items() if value is not None}
    missing = [name for name in MEASURED if name not in found and not aa]
    if missing:
        raise BadInput(
            "a plan needs what is known of the two versions",
            value=f"{', '.join(missing)} not given",
            allowed=", ".join(f"--{name.replace('_', '-')}" for name in MEASURED),
            next_step="oracle ab replay --control V --treatment V --data D --json > FILE, then --replay FILE",
        )
    return {name: float(value) for name, value in found.items()}
