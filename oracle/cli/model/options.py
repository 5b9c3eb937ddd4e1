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
    from oracle.registry.authority import Authority
    from oracle.settings import Settings
    from oracle.store import Store
    from oracle.tracking.connection import Tracking

Version = Annotated[str, typer.Argument(help="Number, v1.2.3 or alias of the version.")]
Request = Annotated[str, typer.Argument(metavar="ID", help="Id of the request, as `oracle model requests` lists it.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Actor = Annotated[
    str | None, typer.Option(help="Who acts, where no server knows it; default: governance.actor, else the user.")
]
WAITS = "waits"


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
