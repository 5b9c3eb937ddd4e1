"""`oracle backtest`: what a staking plan would have done on races that the model has not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.cli.train import Data
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.staking.plan import Plan

PLANS = ("flat", "kelly")


def backtest(
    data: Data,
    plan: Annotated[str, typer.Option(help="How to stake: flat (one unit) or kelly (share of the bankroll).")],
    model_version: Annotated[
        str | None, typer.Option(help="Number, v1.2.3 or alias of the model; by default the one in production.")
    ] = None,
    walk_forward: Annotated[
        bool, typer.Option("--walk-forward", help="Train anew on the earlier races before each of three stretches.")
    ] = False,
    fraction: Annotated[float, typer.Option(help="Fraction of the Kelly stake, above 0 and at most 1.")] = 0.25,
    stake: Annotated[float, typer.Option(help="Stake of the flat plan.")] = 1.0,
    min_edge: Annotated[
        float | None,
        typer.Option(help="Least p x odds - 1 of a bet; flat: 0, kelly: as Kelly decides."),
    ] = None,
    takeout: Annotated[
        float | None,
        typer.Option(help="Share a pool keeps: odds are made anew from the market; 0 to below 1."),
    ] = None,
    commission: Annotated[float, typer.Option(help="Share of a race's net winnings, 0 to below 1.")] = 0.0,
    pool: Annotated[str, typer.Option(help="win, or place (at --place-fraction of the win odds).")] = "win",
    place_fraction: Annotated[float | None, typer.Option(help="Part of the win odds that a place bet pays.")] = None,
    bankroll: Annotated[float | None, typer.Option(help="Money at the start; kelly: 1000, flat: no limit.")] = None,
    max_stake: Annotated[float | None, typer.Option(help="Largest stake on one runner.")] = None,
    pool_size: Annotated[
        float | None, typer.Option(help="Money in each pool before our stakes, which then lower its odds.")
    ] = None,
    json: Json = False,
) -> None:
    """Replay a staking plan over the races after the model's training, and say how much that proves.

    The odds are final odds: a bet placed before the off does not get them for certain. It promises nothing.
    """
    from oracle.ranking.pools import Pool  # here, so that `oracle --help` does not wait for numba and MLflow
    from oracle.staking.backtest import Bets
    from oracle.staking.replay import Purse
    from oracle.staking.settle import Terms
    from oracle.training.backtest import Staking, of_model, walking

    if pool not in list(Pool):
        raise BadInput("no such pool", value=pool, allowed=", ".join(Pool))
    staking = Staking(
        _plan(plan, fraction, stake, min_edge),
        Bets(Pool(pool), place_fraction),
        Terms(takeout, commission, pool_size),
        Purse(bankroll, max_stake),
    )
    settings = load()
    if walk_forward:
        if model_version is not None:
            raise BadInput("a walk forward trains models of its own", value=f"--model-version {model_version}")
        document = {"model_version": None, "semver": None, **walking(data, staking, settings, bars)}
    else:
        from oracle.ensemble.race_model import RaceModel
        from oracle.registry.lifecycle import download
        from oracle.registry.versions import resolve
        from oracle.tracking.connection import connect

        tracking = connect(settings)
        version = resolve(tracking, model_version)
        model = RaceModel.load(download(tracking, version, settings.root / "models"))
        found = of_model(data, model, staking, settings, bars)
        document = {"model_version": version.number, "semver": str(version.semver), **found}
    emit(document, json=json, text=lambda: told(document))


def _plan(plan: str, fraction: float, stake: float, min_edge: float | None) -> Plan:
    from oracle.staking.plan import Flat, FractionalKelly

    if plan == "flat":
        return Flat(0.0 if min_edge is None else min_edge, stake)
    if plan == "kelly":
        return FractionalKelly(fraction, min_edge)
    raise BadInput("no such staking plan", value=plan, allowed=PLANS)


def told(document: Mapping[str, Any]) -> str:
    """Return a backtest as a person reads it."""
    who = f"model version {document['model_version']} ({document['semver']})"
    if document["model_version"] is None:
        who = f"{len(document['trained'])} models, each trained on the races before"
    lines = [
        f"{who}: {document['races']:,} races, {document['first_date']} to {document['last_date']}",
        f"plan: {_of_plan(document)}",
        "",
        f"{'':14}{'races bet':>10}{'bets':>8}{'won':>7}{'staked':>14}{'profit':>14}{'return':>9}",
        *(_row(name, part) for name, part in {**document["by_year"], "all": document}.items()),
        _row("every runner", document["everybody"]),
        "",
        _of_evidence(document["evidence"]),
        _of_money(document),
    ]
    if document["margin"] is not None:
        lines.append(f"the odds keep {document['margin']:.1%} of what is staked")
    if document["torn_books"]:
        lines.append(f"{document['torn_books']:,} races were not bet on: their odds add up to far less than 1")
    return "\n".join([*lines, *(f"note: {warning}" for warning in document["warnings"])])


def _of_plan(document: Mapping[str, Any]) -> str:
    words = [
        "plan",
        "fraction",
        "stake",
        "min_edge",
        "pool",
        "place_fraction",
        "takeout",
        "commission",
        "pool_size",
        "max_stake",
    ]
    given = [f"{name.replace('_', ' ')} {document[name]}" for name in words if document.get(name) is not None]
    return ", ".join(given).removeprefix("plan ")


def _row(name: str, part: Mapping[str, Any]) -> str:
    roi = "-" if part["roi"] is None else f"{part['roi']:+.1%}"
    counts = f"{part['races_bet']:>10,}{part['bets']:>8,}{part['won']:>7,}"
    return f"{name:14}{counts}{part['staked']:>14,.2f}{part['profit']:>+14,.2f}{roi:>9}"


def _of_evidence(evidence: Mapping[str, Any]) -> str:
    line = f"verdict: {evidence['verdict'].replace('_', ' ')}: {evidence['cause']}"
    if evidence["low"] is None:
        return line
    interval = f"{evidence['roi']:+.1%} per unit staked, interval {evidence['low']:+.1%} to {evidence['high']:+.1%}"
    return f"return: {interval}, {evidence['meetings']:,} meetings\n{line}"


def _of_money(document: Mapping[str, Any]) -> str:
    if document["bankroll"] is None:
        return f"largest fall of the profit from its peak: {document['drawdown']:,.2f}"
    growth = document["growth_per_race"]
    grown = "" if growth is None else f", growth per race bet on {growth:+.4%}"
    return f"bankroll at the end {document['bankroll']:,.2f}; largest fall {document['drawdown']:.1%}{grown}"
