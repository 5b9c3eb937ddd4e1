"""`oracle alerts`: what was told, to whom, and what has not arrived."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, emit
from oracle.errors import BadSetting
from oracle.settings import Settings, load

if TYPE_CHECKING:
    from oracle.alerts.outbox import Outbox

alerts = typer.Typer(
    name="alerts",
    help="What was told of drift, retrainings, verdicts and rollbacks, and whether it arrived.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _outbox(settings: Settings) -> Outbox:
    from oracle import store
    from oracle.alerts.outbox import Outbox

    return Outbox(store.open(settings), settings.alerts)


@alerts.command("list")
def list_(
    last: Annotated[int, typer.Option(min=1, help="How many, the last first.")] = 20,
    json: Json = False,
) -> None:
    """Show the last alerts, and how far each receiver has been told."""
    outbox = _outbox(load())
    documents = outbox.shown(last)
    emit({"alerts": documents}, json=json, text=lambda: "\n".join(map(_told, documents)) or "nothing was told yet")


def _told(alert: dict[str, Any]) -> str:
    lines = [f"{alert['at'][:16].replace('T', ' ')}  {alert['severity']:9}{alert['title']}"]
    for each in alert["deliveries"]:
        state = "delivered" if each["delivered_at"] else "to be tried again" if each["next_at"] else "given up"
        error = f": {each['error']}" if each["error"] else ""
        lines.append(f"{'':18}{each['target']}: {state}, {each['attempts']} tries{error}")
    return "\n".join(lines)


@alerts.command()
def retry(json: Json = False) -> None:
    """Try again at once what has not arrived, also what was given up."""
    outbox, now = _outbox(load()), dt.datetime.now(dt.UTC)
    open_ = outbox.retry(now)
    _end({"open": open_, **outbox.deliver(now).as_dict()}, json=json)


@alerts.command("test")
def try_out(json: Json = False) -> None:
    """Send an alert that says nothing but that alerts arrive; exit code 1 where it does not."""
    from oracle.alerts import message

    settings, now = load(), dt.datetime.now(dt.UTC)
    if not settings.alerts.webhooks:
        raise BadSetting("nobody is to be told", value="alerts.webhooks = []", next_step="see docs/retraining.md")
    outbox = _outbox(settings)
    outbox.tell(message.trial(now))
    _end({"open": len(settings.alerts.webhooks), **outbox.deliver(now).as_dict()}, json=json)


def _end(document: dict[str, int], *, json: bool) -> None:
    text = f"{document['delivered']} of {document['open']} delivered, {document['failed']} failed"
    emit(document, json=json, text=text)
    if document["failed"]:
        raise typer.Exit(1)
