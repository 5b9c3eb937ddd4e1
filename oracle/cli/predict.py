"""`oracle predict`: the answer of the API, without a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from oracle import settings
from oracle.cli.output import Json, emit
from oracle.errors import UnreadableFile

if TYPE_CHECKING:
    from oracle.serving.exotics import ExoticsMessage
    from oracle.serving.messages import PredictionMessage, RunnerAnswer

HEADER = ("rank", "no", "horse", "win", "place", "fair odds", "odds", "edge")


def predict(
    card: Annotated[str, typer.Argument(metavar="CARD.json", help="File with a race card; - reads standard input.")],
    model_version: Annotated[
        str | None, typer.Option(help="Answer with this version; default: the one under the production alias.")
    ] = None,
    exotics: Annotated[
        int, typer.Option(min=0, max=100, help="Show this many combinations of each pool, the likeliest ones.")
    ] = 0,
    json: Json = False,
) -> None:
    """Rank the runners of a race card with the registered model.

    The card and the answer are those of POST /v1/predict (docs/api.md).
    """
    from oracle.serving.body import read_card  # pydantic models and the registry's client are slow to import

    body = read_bytes(card, settings.load().serving.max_body_bytes)
    read_card(body)  # a malformed card is told at once, before seconds are spent on the registry
    from oracle.serving.wiring import GatewayArgs, gateway, wire

    told = gateway(wire(GatewayArgs(model_version=model_version))).predict(body, exotics=exotics)
    emit(orjson.loads(told.model_dump_json()), json=json, text=lambda: table(told))


def read_bytes(card: str, limit: int) -> bytes:
    """Return the bytes of the file, or of standard input, at most one more than the limit."""
    try:
        if card == "-":
            body = sys.stdin.buffer.read(limit + 1)
        else:
            with Path(card).open("rb") as file:
                body = file.read(limit + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableFile(f"the card cannot be read: {reason}", value=card, next_step="name a JSON file") from error
    if len(body) > limit:
        raise UnreadableFile("the file is too large to be a race card", value=card, allowed=f"up to {limit} bytes")
    return body


def table(told: PredictionMessage) -> str:
    """Return the answer as an aligned table, likeliest winner first, withdrawn runners last."""
    ordered = sorted(told.runners, key=lambda runner: (runner.rank is None, runner.rank))
    rows = [HEADER, *(_row(runner) for runner in ordered)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADER))]
    lines = ["  ".join(_aligned(at, cell, widths[at]) for at, cell in enumerate(row)).rstrip() for row in rows]
    model = f"{told.model.name} {told.model.semver or ''} (version {told.model.version})".replace("  ", " ")
    foot = [f"model: {model}; ensemble: {told.ensemble}; places: {told.places}", f"prediction: {told.prediction_id}"]
    return "\n".join([*lines, *combinations(told.exotics), "", *foot, *(f"note: {note}" for note in told.notes)])


def combinations(exotics: ExoticsMessage | None) -> list[str]:
    """Return the combinations of each pool as lines of a table, under the name of the pool; none without any."""
    lines: list[str] = []
    for pool in ("place", "quinella", "exacta", "trifecta") if exotics else ():
        lines += ["", f"{pool:>10}  {'prob':>7} {'fair odds':>10}"]
        for one in getattr(exotics, pool):
            numbers = "-".join("?" if number is None else str(number) for number in one.numbers)
            fair = "" if one.fair_odds is None else f"{one.fair_odds:,.2f}"
            lines.append(f"{numbers:>10}  {one.prob:>7.2%} {fair:>10}  {', '.join(one.horses)}")
    return lines


def _aligned(at: int, cell: str, width: int) -> str:
    return cell.ljust(width) if HEADER[at] == "horse" else cell.rjust(width)


def _row(runner: RunnerAnswer) -> tuple[str, ...]:
    number = "" if runner.number is None else str(runner.number)
    horse = runner.horse if runner.known or runner.withdrawn else f"{runner.horse} (new)"
    if runner.withdrawn:
        return ("", number, horse, "withdrawn", "", "", "", "")
    return (
        str(runner.rank),
        number,
        horse,
        f"{runner.win:.1%}",
        f"{runner.place:.1%}",
        f"{runner.fair_odds:.2f}" if runner.fair_odds is not None else "",
        f"{runner.odds:.2f}" if runner.odds is not None else "",
        f"{runner.edge:+.1%}" if runner.edge is not None else "",
    )
