"""`oracle explain`: why each runner of a card has its score, in one model version or in two side by side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from oracle import settings
from oracle.cli.output import Json, emit
from oracle.cli.predict import read_bytes

if TYPE_CHECKING:
    from oracle.serving.comparison import ComparisonMessage, FeaturePair, NumberPair, RunnerPair
    from oracle.serving.messages import ContributionMessage, ExplainedMessage, ExplainedRunner, ModelMessage

SHOWN = 8
"""Contributions of a runner that the table shows where nothing was asked for."""

Row = tuple[str, ...]


def explain(
    card: Annotated[str, typer.Argument(metavar="CARD.json", help="File with a race card; - reads standard input.")],
    model_version: Annotated[
        str | None, typer.Option(help="Explain this version; default: the one under the production alias.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Explain the same card by this version too, side by side.")
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Contributions listed for each runner; default: 8 in the table, all with --json."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show what each feature adds to each runner's score; together with the base it adds up to the score.

    The numbers are those of POST /v1/predict?explain=true (docs/api.md). With --against the features that differ most
    come first.
    """
    from oracle.serving.body import read_card  # pydantic models and the registry's client are slow to import

    body = read_bytes(card, settings.load().serving.max_body_bytes)
    read_card(body)  # a malformed card is told at once, before seconds are spent on the registry
    from oracle.serving.wiring import GatewayArgs, gateway, wire

    listed = top if json else top or SHOWN
    first = gateway(wire(GatewayArgs(model_version=model_version)))
    if against is None:
        told = first.explain(body, listed)
        emit(orjson.loads(told.model_dump_json()), json=json, text=lambda: table(told))
        return
    from oracle.serving.comparison import side_by_side

    other = gateway(wire(GatewayArgs(model_version=against)))
    both = side_by_side(first.explain(body), other.explain(body), listed)
    emit(orjson.loads(both.model_dump_json()), json=json, text=lambda: comparison(both))


def table(told: ExplainedMessage) -> str:
    """Return each runner's largest contributions, likeliest winner first, withdrawn runners last."""
    blocks = [_block(runner) for runner in sorted(told.runners, key=lambda r: (r.rank is None, r.rank))]
    foot = [f"model: {_name(told.model)}; ensemble: {told.ensemble}", f"prediction: {told.prediction_id}"]
    return "\n\n".join([*blocks, "\n".join([*foot, *(f"note: {note}" for note in told.notes)])])


def _block(runner: ExplainedRunner) -> str:
    if runner.explanation is None:
        return f"-. {_horse(runner)}: withdrawn"
    head = f"{runner.rank}. {_horse(runner)}: score {runner.score:+.4f}, win {runner.win:.1%}"
    rows = [_row(part) for part in runner.explanation.contributions]
    rows += [("others", "", _signed(runner.explanation.others))] if runner.explanation.others else []
    return "\n".join([head, *_aligned([*rows, ("base", "", _signed(runner.explanation.base))])])


def _row(part: ContributionMessage) -> Row:
    return part.feature, _value(part.value), _signed(part.contribution)


def comparison(both: ComparisonMessage) -> str:
    """Return two explanations side by side, by the rank in the first, withdrawn runners last."""
    ordered = sorted(both.runners, key=lambda r: (r.rank.model is None, r.rank.model))
    foot = [
        f"model: {_name(both.model)}; ensemble: {both.ensemble}",
        f"against: {_name(both.against)}; ensemble: {both.against_ensemble}",
    ]
    return "\n\n".join([*(_both(runner) for runner in ordered), "\n".join(foot)])


def _both(runner: RunnerPair) -> str:
    if runner.withdrawn:
        return f"-. {_horse(runner)}: withdrawn"
    rows: list[Row] = [
        ("", "value", "model", "against", "difference"),
        ("rank", "", *(f"{rank:.0f}" for rank in _known(runner.rank)), ""),
        ("win", "", *(f"{win:.1%}" for win in _known(runner.win)), _difference(runner.win, ".1%")),
        ("score", "", *(_signed(score) for score in _known(runner.score)), _difference(runner.score, ".4f")),
        *(_pair(part) for part in runner.features),
    ]
    for name, pair in (("others", runner.others), ("base", runner.base)):
        if any(_known(pair)):
            rows.append((name, "", *(_signed(number) for number in _known(pair)), _difference(pair, ".4f")))
    return "\n".join([_horse(runner), *_aligned(rows)])


def _pair(part: FeaturePair) -> Row:
    values = list(dict.fromkeys(_value(v) for v in (part.value.model, part.value.against)))
    return part.feature, " / ".join(values), *(_signed(n) for n in (part.model, part.against, part.difference))


def _known(pair: NumberPair) -> tuple[float, float]:
    return pair.model or 0.0, pair.against or 0.0


def _difference(pair: NumberPair, form: str) -> str:
    one, other = _known(pair)
    return f"{one - other:+{form}}"


def _aligned(rows: Sequence[Row]) -> Iterable[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "  ".join([f"    {first.ljust(widths[0])}", *cells]).rstrip()


def _horse(runner: ExplainedRunner | RunnerPair) -> str:
    return runner.horse if runner.number is None else f"{runner.horse} ({runner.number})"


def _name(model: ModelMessage) -> str:
    return f"{model.name} {model.semver or ''} (version {model.version})".replace("  ", " ")


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _signed(number: float) -> str:
    return f"{number:+.4f}"
