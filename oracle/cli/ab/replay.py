"""`oracle ab replay`: two versions on past races, and the verdict that a live test of them would have come to."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.cli.train import Data
from oracle.errors import BadInput
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.registry.versions import ModelVersion


def replay(
    control: Annotated[str, typer.Option(help="Version in use: number, v1.2.3 or alias.")],
    treatment: Annotated[str, typer.Option(help="Version that is to prove itself: number, v1.2.3 or alias.")],
    data: Data,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="First date; default: the first that neither was trained on.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Last date; default: the dataset's.")] = None,
    no_odds: Annotated[
        bool, typer.Option("--no-odds", help="As if no card had odds: the form ensembles answer.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the verdict as a page with pictures.")
    ] = None,
    json: Json = False,
) -> None:
    """Score two versions on the past races that neither was trained on, and give the paired verdict.

    Each race is read as of its off, with the form of the dataset carried forward. Races within the training of either
    version are refused, with exit code 3. The document holds mean, sd and rho: what `oracle ab plan` is asked with.
    """
    from oracle.ensemble.race_model import RaceModel  # here, so that `oracle --help` does not wait for MLflow
    from oracle.experiment import replay as room
    from oracle.experiment.trial import trial
    from oracle.registry.lifecycle import download
    from oracle.registry.versions import resolve
    from oracle.tracking.connection import connect

    period = _date("--since", since), _date("--until", until)
    if html is not None and not html.parent.is_dir():  # told now, not after the replay
        raise BadInput("there is no folder for the page", value=str(html), allowed="a file in a folder that is there")
    settings, began = load(), time.perf_counter()
    tracking = connect(settings)
    versions = [resolve(tracking, word) for word in (control, treatment)]
    one, other = (RaceModel.load(download(tracking, v, settings.root / "models")) for v in versions)
    found = trial(
        data,
        one,
        other,
        settings.evaluation,
        since=period[0],
        until=period[1],
        odds=not no_odds,
        progress=bars,
    )
    names = str(versions[0].number), str(versions[1].number)
    plan, challenge = room.judged(found, names, settings.experiment, settings.guardrails)
    numbers = room.measured(found.races)
    document = {
        "control": _named(versions[0]),
        "treatment": _named(versions[1]),
        "first_date": str(found.first),
        "last_date": str(found.last),
        "odds": not no_odds,
        "left_out": found.left_out,
        **numbers,
        "races_per_day": found.races_per_day,
        "sizes": room.sizes(numbers, settings.experiment),
        "tuned_by": len(found.before),
        "countries": room.by_country(found),
        **challenge.verdict.as_dict(),
        "notes": list(found.notes),
        "seconds": round(time.perf_counter() - began, 3),
    }
    if html is not None:
        from oracle.experiment.report import page

        _write(html, page(plan, f"past races, {found.first} to {found.last}", [challenge]))
    emit(document, json=json, text=lambda: told(document))


def _write(file: Path, page: str) -> None:
    try:
        file.write_text(page, "utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(
            f"the page cannot be written: {reason}", value=str(file), allowed="a file that can be"
        ) from error


def _date(option: str, word: str | None) -> dt.date | None:
    try:
        return None if word is None else dt.date.fromisoformat(word)
    except ValueError as error:
        raise BadInput(f"{option} is no date", value=word, allowed="a date such as 2025-06-01") from error


def _named(version: ModelVersion) -> dict[str, str | None]:
    return {"version": str(version.number), "semver": None if version.semver is None else str(version.semver)}


def told(document: Mapping[str, Any]) -> str:
    """Return a replay as a person reads it."""
    one, other = (f"version {document[w]['version']} ({document[w]['semver']})" for w in ("control", "treatment"))
    accuracy = document["accuracy"]
    lines = [
        f"control {one}, treatment {other}",
        f"{document['races']:,} races, {document['first_date']} to {document['last_date']},"
        f" {document['decisive']:,} of them decisive; {document['left_out']:,} left out",
        "",
        f"{'':10}{'races':>8}{'decisive':>10}{'control':>10}{'treatment':>11}{'difference':>12}{'sd':>8}{'rho':>8}",
        *(_row(name, part) for name, part in document["countries"].items()),
        _row("all", document),
        "",
        f"NDCG@3 difference {accuracy['difference']:+.4f} [{accuracy['low']:+.4f}, {accuracy['high']:+.4f}]"
        + _clustered(accuracy["by_meeting"]),
        f"verdict: {document['label']}: {'; '.join(document['causes'])}",
    ]
    if document["sizes"] is not None:
        size = document["sizes"]
        lines.append(
            f"a live test of these two: {size['paired']:,} races scored by both, or {size['unpaired']:,} split between"
            f" the arms ({size['times_fewer']:,.0f} times as many)"
        )
    return "\n".join([*lines, *(f"note: {note}" for note in document["notes"])])


def _row(name: str, part: Mapping[str, Any]) -> str:
    cells = [
        f"{part['races']:>8,}{part['decisive']:>10,}{part['mean']:>10.4f}{part['treatment_mean']:>11.4f}",
        f"{part['difference']:>+12.4f}",
        f"{'-' if part['sd'] is None else format(part['sd'], '.4f'):>8}",
        f"{'-' if part['rho'] is None else format(part['rho'], '.4f'):>8}",
    ]
    return f"{name:10}" + "".join(cells)


def _clustered(bounds: tuple[float, float] | None) -> str:
    return "" if bounds is None else f"; by meeting [{bounds[0]:+.4f}, {bounds[1]:+.4f}]"
