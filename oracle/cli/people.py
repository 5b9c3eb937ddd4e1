"""`oracle people`: who may propose, approve, and say who is who."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from oracle.cli.model.options import Actor, desk
from oracle.cli.output import Json, emit

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
    json: Json = False,
) -> None:
    """Let a person hold these roles and no others from now on.

    Until somebody is granted something the user of this machine holds every role; the first grant writes that down.
    """
    _grant(name, role, actor, json=json)


@people.command()
def remove(name: Name, actor: Actor = None, json: Json = False) -> None:
    """Take every role from a person; what they did stays in the record."""
    _grant(name, [], actor, json=json, known=True)


@people.command("list")
def listed(json: Json = False) -> None:
    """List who holds which roles, since when, and who granted them."""
    with desk(registry=False) as own:
        told = [
            {
                "name": name,
                "roles": grant.roles.split(),
                "since": grant.at.isoformat(timespec="seconds"),
                "granted_by": grant.actor,
            }
            for name, grant in own.store.people.all().items()
        ]
    nobody = "nobody was granted anything yet: the user of this machine holds every role"
    emit({"people": told}, json=json, text=lambda: "\n".join(map(_line, told)) or nobody)


def _line(told: dict[str, Any]) -> str:
    roles = ", ".join(told["roles"]) or "none any more"
    return f"{told['name']}: {roles} (since {told['since']}, granted by {told['granted_by']})"


def _grant(name: str, roles: list[str], actor: str | None, *, json: bool, known: bool = False) -> None:
    from oracle.errors import BadInput
    from oracle.registry import authority
    from oracle.registry import people as granting

    with desk(registry=False) as own:
        if known and name not in (there := own.store.people.all()):
            raise BadInput("nobody of that name holds a role", value=name, allowed=list(there) or "nobody does yet")
        who = authority.actor_of(own.settings, own.store, actor)
        made = granting.grant(own.store, who, name, roles, own.now, authority.RESERVED)
    told = {"name": name, "roles": made.roles.split(), "granted_by": made.actor}
    emit(told, json=json, text=f"{name}: {', '.join(told['roles']) or 'no role any more'}")
