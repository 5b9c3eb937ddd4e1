"""How a gateway keeps its answers, and what it says of those it cannot ask our store for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from oracle.errors import Unavailable
from oracle.serving.kit import Kit
from oracle.store import GroupCommit, Spool, Standby, Store

AGAIN = "send it again in a moment: what comes twice is kept once"


def writer(store: Store, kit: Kit, now: Callable[[], dt.datetime]) -> GroupCommit:
    """Return what writes answers; where there is a spool nobody waits long for a store that is away.

    Args:
        store: Where to.
        kit: Says whether there is a spool, and where.
        now: The machine's clock, UTC: outages are not replayed.
    """
    if kit.spool is None:
        return GroupCommit(store)
    spool = Spool(kit.spool, kit.replica, most_bytes=kit.spool_bytes)
    return GroupCommit(store, patience=kit.patience, standby=Standby(store, spool, now, patience=kit.patience))


def need_store(commit: GroupCommit) -> None:
    """Return where our store may answer; one that is known to be away keeps nobody waiting.

    Raises:
        Unavailable: it is away; says since when.
    """
    away = commit.away
    if away is not None:
        raise Unavailable(f"our store is away since {away.since:%Y-%m-%dT%H:%M:%SZ}: {away.why}", next_step=AGAIN)


def all_in(commit: GroupCommit) -> None:
    """Return where every answer of this machine is in our store, so that an unknown id is a mistake.

    Raises:
        Unavailable: some are on their way.
    """
    if commit.standby is not None and commit.standby.pending():
        raise Unavailable(
            "answers of this machine are still on their way to our store, and an event may belong to one",
            next_step=AGAIN,
        )


def earlier(commit: GroupCommit, store: Store, prediction_id: str) -> str | None:
    """Return an earlier answer as JSON, exactly as it was given, or None where there is none of that id.

    Raises:
        Unavailable: our store is away, and it is not one that this machine still knows.
    """
    known = commit.answer(prediction_id)
    if known is not None:
        return known
    need_store(commit)
    found = store.predictions.get(prediction_id)
    return None if found is None else found.answer
