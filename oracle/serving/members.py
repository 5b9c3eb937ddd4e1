"""The ensemble spread out: each member of the control in a deployment of its own, the answer the same to the last bit.

For members that are heavy or stand elsewhere; for trees each call costs more than it saves. The gateway makes the
features, asks every member at once, and blends. It holds the whole model too: a member that does not answer, or holds
another version, is scored here, by the same code on the same numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np

from oracle.ensemble.race_model import Prepared, RaceModel
from oracle.features.matrix import RaceMatrix
from oracle.models.ranker import FittedRanker
from oracle.race import RaceCard
from oracle.ranking.races import Floats
from oracle.serving.metrics import Tally
from oracle.serving.scoring import Scored, fingerprints, here
from oracle.serving.slot import Loaded
from oracle.serving.version import Source, Target

TIMEOUT = 1.0
"""Seconds after which a member is scored here."""
KEPT = 2
"""Versions a member holds: the one in force and the one before, while gateways change over one by one."""

AskMember = Callable[[RaceMatrix, str], Awaitable[Floats | None]]


class Members:
    """How the gateway asks its members; used from one event loop.

    Args:
        asks: How each member's deployment is asked, by the name of the member.
        tally: Counts the members that were scored here.
        timeout: Seconds a member has.
    """

    def __init__(self, asks: Mapping[str, AskMember], tally: Tally, *, timeout: float = TIMEOUT) -> None:
        self._asks, self._tally, self._timeout = asks, tally, timeout

    async def score(self, loaded: Loaded, cards: Sequence[RaceCard]) -> list[Scored]:
        """Return what the version says of each card.

        Raises:
            OracleError: a card cannot be scored.
        """
        model = loaded.model
        if not isinstance(model, RaceModel):
            return here(model, cards)
        prepared = model.prepare(cards)
        names = model.asked(prepared)
        found = await asyncio.gather(*(self._of(name, model, prepared, loaded.message.version) for name in names))
        said = model.finish(cards, prepared, dict(zip(names, found, strict=True)))
        return [Scored(each, name) for each, name in zip(said, fingerprints(prepared), strict=True)]

    async def _of(self, name: str, model: RaceModel, prepared: Prepared, version: str) -> Floats:
        found = None
        if name in self._asks:
            try:
                found = await asyncio.wait_for(self._asked(name, prepared.matrix, version), self._timeout)
            except asyncio.CancelledError:
                raise
            except Exception:  # noqa: BLE001 - whatever became of a member, the same score is to be had here
                found = None
        if found is None or found.shape != (prepared.races.runners,):
            self._tally.count("oracle_members_scored_here", name)
            return model.members[name].score(prepared.matrix)
        return np.asarray(found, dtype=np.float64)

    async def _asked(self, name: str, matrix: RaceMatrix, version: str) -> Floats | None:
        return await self._asks[name](matrix, version)


class Member:
    """One member of the ensemble in a process of its own.

    Args:
        name: Which member.
        source: Where versions come from.
    """

    def __init__(self, name: str, source: Source) -> None:
        self._name, self._source = name, source
        self._held: dict[str, FittedRanker | None] = {}
        self._wanted: list[str] = []

    def score(self, matrix: RaceMatrix, version: str) -> Floats | None:
        """Return float64[N], or None where that version is not here (yet), or has no such member."""
        if version not in self._held:
            if version not in self._wanted:
                self._wanted.append(version)
            return None
        member = self._held[version]
        return None if member is None else member.score(matrix)

    def look(self) -> None:
        """Load the versions that were asked for; called again and again from the background.

        Raises:
            OracleError: one cannot be loaded; it is tried again when it is asked for again.
        """
        while self._wanted:
            version = self._wanted[0]
            try:
                model = self._source.load(Target(version=version), in_force=None).model
            finally:
                del self._wanted[0]
            held = model.members.get(self._name) if isinstance(model, RaceModel) else None
            self._held = {**dict(list(self._held.items())[1 - KEPT :]), version: held}
