"""`oracle people`: who may propose, approve, and say who is who."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.model.options import Actor, desk
from oracle.cli.output import Json, emit

if TYPE_CHECKING:
    from oracle.store import Grant

people = typer.Typer(
    name="people",
    help="Who holds which role: viewer, scientist, approver, admin.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Argument(help="Of the person, as the MLflow server or governance.actor knows them.")]


@people.command()
def add(
    name: Name,
    role: Annotated[list[str], typer.Option(help="viewer, scientist, approver or admin; may be given several times.")],
    actor: Actor = None,
    password_stdin: Annotated[
        bool, typer.Option(help="Where a server governs: read the new account's password from standard input.")
    ] = False,
    json: Json = False,
) -> None:
    """Let a person hold these roles and no others from now on.

    Until somebody is granted something the user of this machine holds every role; the first grant writes that down.
    """
    password = sys.stdin.readline().rstrip("\n") if password_stdin else None
    _grant(name, role, actor, json=json, password=password)


@people.command()
def remove(name: Name, actor: Actor = None, json: Json = False) -> None:
    """Take every role from a person; what they did stays in the record."""
    _grant(name, [], actor, json=json, known=True)


@people.command("list")
def listed(json: Json = False) -> None:
    """List who holds which roles, since when, and who granted them."""
    with desk(registry=False) as own:
        there = list(own.store.people.all().values())
        told = [
            {
                "name": grant.name,
                "roles": grant.roles.split(),
                "since": grant.at.isoformat(timespec="seconds"),
                "granted_by": grant.actor,
            }
            for grant in there or ([] if own.remote is None else own.remote.people())
        ]
    nobody = "nobody was granted anything yet: the user of this machine holds every role"
    emit({"people": told}, json=json, text=lambda: "\n".join(map(_line, told)) or nobody)


def _line(told: dict[str, Any]) -> str:
    roles = ", ".join(told["roles"]) or "none any more"
    return f"{told['name']}: {roles} (since {told['since']}, granted by {told['granted_by']})"


def _grant(
    name: str, roles: list[str], actor: str | None, *, json: bool, known: bool = False, password: str | None = None
) -> None:
    from oracle.errors import BadInput
    from oracle.governance.roles import roles_of
    from oracle.registry import authority
    from oracle.registry import people as granting

    with desk(registry=False) as own:
        if own.remote is not None:
            grant, made = own.remote.person(name, tuple(sorted(roles_of(roles))), password)
            _said(grant, made, json=json)
            return
        if known and name not in (there := own.store.people.all()):
            raise BadInput("nobody of that name holds a role", value=name, allowed=list(there) or "nobody does yet")
        who = authority.actor_of(own.settings, own.store, actor)
        _said(granting.grant(own.store, who, name, roles, own.now, authority.RESERVED), None, json=json)


def _said(made: Grant, password: str | None, *, json: bool) -> None:
    """Print a grant, and the password that the server made for somebody new: it is shown this once."""
    told: dict[str, Any] = {"name": made.name, "roles": made.roles.split(), "granted_by": made.actor}
    if password is not None:
        told["password"] = password
    shown = "" if password is None else f"; password, shown this once: {password}"
    emit(told, json=json, text=f"{made.name}: {', '.join(told['roles']) or 'no role any more'}{shown}")
