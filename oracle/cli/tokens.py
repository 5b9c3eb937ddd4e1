"""`oracle tokens`: who may use the served API."""

from __future__ import annotations

import datetime as dt
import secrets
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from oracle.cli.output import Json, emit
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.serving.issue import Issuer, Listed, Made

tokens = typer.Typer(
    name="tokens",
    help="Make, list, replace and end the tokens of the served API.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _issuer() -> Issuer:
    from oracle import store
    from oracle.registry.authority import actor_of
    from oracle.serving.issue import Issuer

    settings = load()
    kept = store.open(settings)
    return Issuer(kept, actor_of(settings, kept), dt.datetime.now(dt.UTC), secrets.token_hex)


@tokens.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for, such as the app that holds it.")],
    scope: Annotated[list[str], typer.Option(help="What it opens: predict, results, events, admin. May be repeated.")],
    expires_days: Annotated[float, typer.Option(help="Days for which it is good.")] = 90.0,
    per_minute: Annotated[int, typer.Option(help="Requests a minute.")] = 600,
    json: Json = False,
) -> None:
    """Make a token and print it, once: only a hash of it is kept."""
    made = _issuer().create(name, scope, days=expires_days, per_minute=per_minute)
    _hand_over(made, json=json)


@tokens.command("list")
def list_(json: Json = False) -> None:
    """Show every token: what it opens, until when, and what became of it."""
    found = _issuer().everything()
    shown = lambda: "\n".join(map(_line, found)) or "no token yet: oracle tokens create NAME --scope predict"  # noqa: E731
    emit({"tokens": [each.as_dict() for each in found]}, json=json, text=shown)


@tokens.command()
def revoke(
    token_id: Annotated[str, typer.Argument(help="Id of the token, twelve digits; never the token itself.")],
    json: Json = False,
) -> None:
    """End a token: within seconds it opens nothing anywhere."""
    found = _issuer().revoke(token_id)
    emit(found.as_dict(), json=json, text=_line(found))


@tokens.command()
def rotate(
    token_id: Annotated[str, typer.Argument(help="Id of the token, twelve digits; never the token itself.")],
    grace_hours: Annotated[float, typer.Option(min=0, help="Hours for which the old one is good beside it.")] = 24.0,
    json: Json = False,
) -> None:
    """Make a token like it with another secret, and print it, once."""
    made = _issuer().rotate(token_id, grace=dt.timedelta(hours=grace_hours))
    _hand_over(made, json=json)


def _hand_over(made: Made, *, json: bool) -> None:
    """Print the token on standard output, and what there is to know on standard error."""
    token = made.token
    if not json:
        sys.stderr.write(
            f"token {token.token_id} {token.name}: {token.scopes}; good until {token.expires:%Y-%m-%d}, "
            f"{token.per_minute} requests a minute. It is shown this once.\n"
        )
    document = {
        "id": token.token_id,
        "name": token.name,
        "scopes": token.scopes.split(),
        "expires": token.expires.isoformat(),
        "per_minute": token.per_minute,
        "token": made.text,
    }
    emit(document, json=json, text=made.text)


def _line(each: Listed) -> str:
    token = each.token
    what = f"{token.token_id}  {each.state:8}{each.ends:%Y-%m-%d %H:%M}  {token.per_minute:>8}/min"
    return f"{what}  {token.scopes:28}  {token.name}"
