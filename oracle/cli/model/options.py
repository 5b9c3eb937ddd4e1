"""What the commands of `oracle model` share: the registry, our store and who acts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

import typer

from oracle import settings

if TYPE_CHECKING:
    from oracle.governance.approval import Promotion, Request, Ruling
    from oracle.registry.authority import Authority
    from oracle.registry.remote import RemoteAuthority
    from oracle.settings import Settings
    from oracle.store import Store
    from oracle.tracking.connection import Tracking

Version = Annotated[str, typer.Argument(help="Number, v1.2.3 or alias of the version.")]
RequestId = Annotated[str, typer.Argument(metavar="ID", help="Id of the request, as `oracle model requests` lists it.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Actor = Annotated[
    str | None, typer.Option(help="Who acts, where no server knows it; default: governance.actor, else the user.")
]
MOST = 200
"""Requests that are looked at, the last ones."""


@dataclass(frozen=True)
class Desk:
    """What a command works with."""

    settings: Settings
    store: Store
    now: dt.datetime

    @cached_property
    def tracking(self) -> Tracking:
        """The registry, connected when it is first asked: what stands in our store is told without it."""
        from oracle.tracking.connection import connect  # here, so that `oracle --help` does not wait for MLflow

        return connect(self.settings)

    @cached_property
    def remote(self) -> RemoteAuthority | None:
        """The server that governs, None where none does.

        Raises:
            Unavailable: there is a server, and it does not answer.
        """
        from oracle.registry.remote import RemoteAuthority, governs

        return RemoteAuthority(self.tracking) if governs(self.settings.tracking_uri) else None

    def promotions(self) -> list[Promotion]:
        """Return the promotions of the model: of our store and, where that knows of none, of the server."""
        found = self.store.promotions.all(self.settings.tracking.model_name)
        return found or ([] if self.remote is None else self.remote.promotions())

    def requests(self) -> list[tuple[Request, list[Ruling]]]:
        """Return the latest requests with what was said to each, the last first; of the store or the server."""
        found = [(each, self.store.approvals.rulings(each.request_id)) for each in self.store.approvals.latest(MOST)]
        return found or ([] if self.remote is None else self.remote.requests())

    def authority(self, actor: str | None = None) -> Authority:
        """Return who moves versions, on behalf of somebody."""
        from oracle.registry import authority

        return authority.of(self.settings, self.tracking, self.store, self.now, actor)


@contextmanager
def desk(loaded: Settings | None = None, *, registry: bool = True) -> Iterator[Desk]:
    """Hold our store and, where it is asked for, the registry; this is where the clock is read.

    Args:
        loaded: The tree in force, where it has been read already.
        registry: Whether the registry is connected at once, before anything is done.
    """
    from oracle import store

    own = loaded or settings.load()
    kept = store.open(own)
    try:
        made = Desk(own, kept, dt.datetime.now(dt.UTC))
        if registry:
            _ = made.tracking
        yield made
    finally:
        kept.close()
