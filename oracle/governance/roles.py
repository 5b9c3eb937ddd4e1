"""Roles, and what each of them may do.

A person may hold several. What a role may do is one table; that two people are needed for a promotion is no matter of
roles, so that no combination of them lets anybody approve what they asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from oracle.errors import BadInput, Refused

Role = Literal["viewer", "scientist", "approver", "admin"]
Action = Literal[
    "read", "track", "stage", "request", "withdraw", "approve", "reject", "rollback", "people", "tokens", "erase"
]

ROLES: tuple[Role, ...] = get_args(Role)

MAY: Mapping[Role, frozenset[Action]] = MappingProxyType(
    {
        "viewer": frozenset({"read"}),
        "scientist": frozenset({"read", "track", "stage", "request", "withdraw"}),
        "approver": frozenset({"read", "approve", "reject", "rollback"}),
        "admin": frozenset({"read", "people", "tokens", "erase"}),
    }
)
"""A scientist makes and proposes, an approver decides, an admin says who is who; none of them can do it all alone."""

POLICY = "policy"
"""The actor of what is approved by gates alone, where the settings allow that."""


class NotAllowed(Refused):
    """The actor's roles do not allow it."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who wants something done."""

    name: str
    roles: frozenset[Role] = frozenset()
    address: str | None = None
    """Where the request came from; None for a command on this machine."""

    def require(self, action: Action) -> None:
        """Return silently if the actor's roles allow the action.

        Raises:
            NotAllowed: they do not; names the roles that would.
        """
        if not may(self.roles, action):
            needed = [role for role in ROLES if action in MAY[role]]
            raise NotAllowed(
                f"{self.name} may not {action}",
                value=", ".join(sorted(self.roles)) or "no role",
                allowed=" or ".join(needed),
                next_step=f"an admin grants it: oracle people add {self.name} --role {needed[0]}",
            )


def may(roles: Iterable[Role], action: Action) -> bool:
    """Return whether any of the roles allows the action."""
    return any(action in MAY[role] for role in roles)


def roles_of(words: Iterable[str]) -> frozenset[Role]:
    """Return the roles of these names.

    Raises:
        BadInput: one is none.
    """
    found: set[Role] = set()
    for word in words:
        role = next((role for role in ROLES if role == word), None)
        if role is None:
            raise BadInput("there is no such role", value=word, allowed=ROLES)
        found.add(role)
    return frozenset(found)
