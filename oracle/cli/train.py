"""`oracle train` and `oracle evaluate`: a dataset into a registered model, and a model on later races."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput
from oracle.settings import load

Data = Annotated[str, typer.Option("--data", help="The dataset: a folder, or s3://bucket/prefix.")]


def train(
    data: Data,
    promote: Annotated[
        bool, typer.Option("--promote", help="Ask that it goes into service, judged on the test races.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="What the ensemble is made of, as `oracle tune` wrote it; default: as shipped.")
    ] = None,
    json: Json = False,
) -> None:
    """Train on a dataset, report on its latest dates, and register the model.

    The first model registered goes into production; a later one waits as candidate. With --promote it is compared with
    the version in service on those test races that neither learned from, and goes into service where every gate passes;
    where one could not tell the request waits for somebody's yes (`oracle model approve`), and one that fails refuses,
    with exit code 3.
    """
    from oracle.cli.model.options import desk
    from oracle.cli.model.promote import promoted, text
    from oracle.ensemble.recipe import SHIPPED, read
    from oracle.training import train as run  # here, so that `oracle --help` does not wait for LightGBM and MLflow

    settings = load(seed=seed)
    trained = run(data, settings, progress=bars, recipe=SHIPPED if recipe is None else read(recipe))
    document, told = trained.as_dict(), None
    if promote and settings.tracking.alias not in trained.version.aliases:
        with desk(settings) as own:
            told = document["promotion"] = promoted(own, trained.version.number, "oracle train --promote", data)
    emit(document, json=json, text=lambda: _told(document) + ("" if told is None else f"\n{text(told)}"))


def evaluate(
    data: Data,
    model_version: Annotated[
        str | None, typer.Option(help="Number, v1.2.3 or alias of the model; by default the one in production.")
    ] = None,
    walk_forward: Annotated[
        int | None,
        typer.Option(metavar="K", help="Train anew before each of K stretches of the test dates and judge those."),
    ] = None,
    json: Json = False,
) -> None:
    """Judge a registered model on the races of a dataset that lie after its training.

    With --walk-forward no registered model is asked: what is shipped is trained K times, as somebody would who retrains
    now and then, and nothing is registered.
    """
    if walk_forward is not None:
        if model_version is not None:
            raise BadInput(
                "a walk forward trains its own models",
                value=f"--model-version {model_version}",
                next_step="leave one out",
            )
        from oracle.training.walk import walk

        walked = walk(data, walk_forward, load(), bars)
        emit(walked, json=json, text=lambda: _walked(walked))
        return
    from oracle.ensemble.race_model import RaceModel
    from oracle.registry.lifecycle import download
    from oracle.registry.versions import resolve
    from oracle.tracking.connection import connect
    from oracle.training import evaluate as judge

    settings = load()
    tracking = connect(settings)
    version = resolve(tracking, model_version)
    model = RaceModel.load(download(tracking, version, settings.root / "models"))
    document = {"model_version": version.number, "semver": str(version.semver), **judge(data, model, settings, bars)}
    emit(document, json=json, text=lambda: _table(document["test"]))


def _walked(document: Mapping[str, Any]) -> str:
    test = {**document, "races": document["form"]["races"], "members": {}}
    gain = document["gain_over_market"]
    told = None if gain is None else {"pseudo_r2": gain["mean"], "low": gain["low"], "high": gain["high"]}
    return f"trained {document['stretches']} times\n{_table(test)}{_gained(told)}"


def _told(document: Mapping[str, Any]) -> str:
    aliases = ", ".join(document["aliases"])
    return "\n".join(
        [
            f"model version {document['model_version']} ({document['semver']}; {aliases}),"
            f" trained in {document['seconds']:.0f} s",
            _table(document["test"]),
            _beside(document["honesty"]),
            "next: `oracle serve`, or `oracle predict CARD.json`; all versions: `oracle model list`",
        ]
    )


def _beside(found: Mapping[str, Any]) -> str:
    """Return one line that sets the score beside chance, market and ceiling."""
    top = found["ceiling_detail"]
    if found["score"] is None or top is None:
        return "ceiling: too few races to read it off"
    market = "none" if found["market"] is None else f"{found['market']:.4f}"
    return (
        f"NDCG@3: score {found['score']:.4f}, market {market}, ceiling {found['ceiling']:.3f}"
        f" ({top['low']:.3f} to {top['high']:.3f}), score/ceiling {found['score_to_ceiling']:.2f}; canaries like chance"
        + _gained(found["gain_over_market"])
    )


def _gained(gain: Mapping[str, float] | None) -> str:
    """Return what the model adds to the market, and on which odds that rests."""
    if gain is None:
        return ""
    return (
        f"\npseudo-R2 over the fitted market: {gain['pseudo_r2']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}],"
        " interval by meeting; on the odds of the dataset, which exist only at the off where they are final ones"
    )


def _table(test: Mapping[str, Any]) -> str:
    """Return the report as an aligned table, the shipped model first."""
    rows = {"model": test["model"], "form": test["form"], "market": test["market"]}
    rows |= {f"  {name}": report for name, report in test["members"].items()}
    names = ("ndcg_at_3", "ndcg_at_5", "mrr", "top1", "pseudo_r2", "log_loss", "ece")
    lines = [f"test: {test['races']:,} races, {test['first_date']} to {test['last_date']}"]
    lines.append(f"{'':22}" + "".join(f"{name:>11}" for name in names))
    for who, report in rows.items():
        if report is not None:
            cells = (report.get(name) for name in names)
            lines.append(f"{who:22}" + "".join(f"{'-' if c is None else f'{c:.4f}':>11}" for c in cells))
    return "\n".join(lines)
