"""What the commands of `oracle model` share: the registry, our store and who acts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    tracking: Tracking
    store: Store
    now: dt.datetime

    def authority(self, actor: str | None = None) -> Authority:
        """Return who moves versions, on behalf of somebody."""
        from oracle.registry import authority

        return authority.of(self.settings, self.tracking, self.store, self.now, actor)


@contextmanager
def desk(loaded: Settings | None = None) -> Iterator[Desk]:
    """Hold the registry and our store."""
    from oracle import store  # here, so that `oracle --help` does not wait for MLflow
    from oracle.tracking.connection import connect

    own = loaded or settings.load()
    kept = store.open(own)
    try:
        yield Desk(own, connect(own), kept, dt.datetime.now(dt.UTC))
    finally:
        kept.close()
