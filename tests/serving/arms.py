"""Slots and challengers made of plain values: what a gateway needs beside a model, without a cluster."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from oracle.errors import NoSuchModel, OracleError
from oracle.race import RaceCard
from oracle.serving.challenger import Asking, Challenger, Reply
from oracle.serving.messages import ModelMessage
from oracle.serving.slot import Slot
from oracle.serving.version import ModelsMessage, Predictor, Served, Target

NOON = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)


@dataclass
class Shelf:
    """A source whose versions are put there by the test; it counts how often it is asked."""

    versions: dict[str, object] = field(default_factory=dict)
    asked: int = 0

    def load(self, target: Target, *, in_force: Served | None) -> Served:
        self.asked += 1
        found = self.versions.get(target.version or "production")
        if found is None:
            raise NoSuchModel("no such version", value=target.version)
        if isinstance(found, OracleError):
            raise found
        message = ModelMessage(name="m", version=target.version or "production")
        return in_force if in_force and in_force.message == message else Served(found, message)  # type: ignore[arg-type]

    def listing(self) -> ModelsMessage:
        return ModelsMessage(name="m", versions=(), serving=None)


def challenger(model: Predictor, *versions: str) -> Challenger:
    """Return a challenger that holds none of the versions yet but can load them."""
    return Challenger(Slot(Shelf(dict.fromkeys(versions, model)), None, now=lambda: NOON))


class Deployment:
    """Stands for a challenger's deployment; `trouble` is what happens instead of an answer."""

    def __init__(self, held: Challenger) -> None:
        self.held = held
        self.trouble: Callable[[], object] | None = None
        self.calls: list[int] = []

    async def __call__(self, cards: Sequence[RaceCard], target: Target, form: int = 0) -> Reply | None:
        self.calls.append(len(cards))
        if self.trouble is not None:
            told = self.trouble()
            if asyncio.iscoroutine(told):
                await told
        told = self.held.score(cards, target, form)
        self.held.look()
        return told

    def asking(self, timeout: float = 0.2) -> Asking:
        return Asking(self, timeout=timeout, cause=lambda e: "dead" if isinstance(e, ConnectionError) else "error")
