"""Chains as the tests take them, and all that somebody might do to one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import reduce
from typing import Any

from hypothesis import strategies as st

from oracle.governance.audit import Entry, Head, Link, digest, linked

NOON = dt.datetime(2026, 5, 3, 12, 30, 15, 123456, tzinfo=dt.UTC)
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)


def entry(number: int = 1, **more: Any) -> Entry:
    told: dict[str, Any] = {
        "entry_id": f"e{number}",
        "at": NOON + dt.timedelta(seconds=number),
        "actor": "ann",
        "action": "promote",
        "target": "equine-oracle/3",
        "outcome": "allowed",
    }
    return Entry(**told | more)


def chain(entries: list[Entry]) -> list[Link]:
    """Return the entries as they are chained."""

    def longer(links: list[Link], one: Entry) -> list[Link]:
        head = Head(links[-1].position, links[-1].hash) if links else Head()
        return [*links, linked(head, one)]

    return reduce(longer, entries, [])


def rehashed(link: Link, **more: Any) -> Link:
    """Return a link changed and with a hash that fits it again."""
    new = replace(link, **more)
    return replace(new, hash=digest(new.position, new.previous, new.entry))


def of_length(length: int) -> list[Link]:
    return chain([entry(n) for n in range(1, length + 1)])


ENTRIES = st.builds(
    entry,
    number=st.integers(1, 10**6),
    actor=WORDS,
    address=st.none() | WORDS,
    action=WORDS,
    target=WORDS,
    outcome=st.sampled_from(["allowed", "refused", "failed"]),
    reason=st.none() | WORDS,
    before=st.none() | WORDS,
    after=st.none() | WORDS,
)
CHAINS = st.lists(ENTRIES, min_size=1, max_size=12).map(chain)


@st.composite
def tampered(draw: Any, links: list[Link]) -> list[Link]:
    """Return the chain after one to three acts of somebody who may write the table, hashes included."""
    now = list(links)
    for _ in range(draw(st.integers(1, 3))):
        if not now:
            break
        i, j = draw(st.integers(0, len(now) - 1)), draw(st.integers(0, len(now) - 1))
        act = draw(st.sampled_from(["change", "rehash", "remove", "insert", "swap", "swap places", "renumber", "anew"]))
        if act == "change":
            now[i] = replace(now[i], entry=draw(ENTRIES))
        elif act == "rehash":
            now[i] = rehashed(now[i], entry=draw(ENTRIES))
        elif act == "remove":
            del now[i]
        elif act == "insert":
            now.insert(i, rehashed(now[j], entry=draw(ENTRIES)))
        elif act == "swap":
            now[i], now[j] = now[j], now[i]
        elif act == "swap places":
            now[i], now[j] = replace(now[i], entry=now[j].entry), replace(now[j], entry=now[i].entry)
        elif act == "renumber":
            now = [rehashed(link, position=n) for n, link in enumerate(now, 1)]
        else:
            now = chain([link.entry for link in now])
    return now
