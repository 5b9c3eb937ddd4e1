"""Bodies that are no race card, each with a name: what broken clients, curious ones and attackers send."""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from oracle.serving.messages import EXAMPLE, CardMessage, RunnerMessage


class Hostile(NamedTuple):
    name: str
    body: bytes
    headers: dict[str, str]


BAD_NUMBERS: tuple[Any, ...] = ("7", "", True, [], {}, -1, 1e300, 10**60, float("nan"), float("inf"))
BAD_TEXTS: tuple[Any, ...] = (7.5, True, [], {}, "", "   ", "x" * 121, "a\x00b", "a\nb", "\ud800", " ")
BAD_WORDS: tuple[Any, ...] = ("", "swampy", 3, True, [], {"good": 1})
RUNNER_NUMBERS = ("number", "draw", "weight_kg", "body_weight_kg", "age", "official_rating", "odds")
RUNNER_TEXTS = ("horse", "horse_id", "jockey", "jockey_id", "trainer", "trainer_id", "sire", "gear")
CARD_NUMBERS = ("distance_m", "prize", "race_number")
CARD_TEXTS = ("course", "race_class", "track", "race_name", "race_id")
BAD_MOMENTS: tuple[Any, ...] = (
    *(None, 0, 1717227300, "", "soon", "2025-06-01", "15:35", "2025-06-01T15:35:00", "2025-13-01T10:00Z"),
    *("2025-02-30T10:00Z", "2025-06-01T25:00Z", "0001-01-01T00:00Z", "9999-12-31T23:59:59-12:00", "1717227300"),
    *("2025-06-01T15:35+99:99", "٢٠٢٥-06-01T15:35Z", "2025-06-01T15:35Z; drop table", [], {}, True),
)
BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b" \n\t ",
    "null": b"null",
    "a number": b"42",
    "a text": b'"card"',
    "a list": b"[]",
    "an empty object": b"{}",
    "cut off": json.dumps(EXAMPLE).encode()[:-20],
    "two documents": b"{} {}",
    "a trailing comma": b'{"course": "A",}',
    "single quotes": b"{'course': 'A'}",
    "not UTF-8": b'{"course": "\xff\xfe"}',
    "UTF-16": json.dumps(EXAMPLE).encode("utf-16"),
    "binary": bytes(range(256)),
    "deep lists": b"[" * 50_000,
    "deep objects": b'{"course":' * 20_000,
    "deep and closed": b'{"course":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a huge number": b'{"distance_m": ' + b"9" * 5_000 + b"}",
    "a large number": b'{"distance_m": ' + b"9" * 4_000 + b"}",
    "a tiny number": b'{"distance_m": 1e-' + b"9" * 300 + b"}",
    "NaN": b'{"distance_m": NaN}',
    "infinity": b'{"distance_m": -Infinity}',
    "a key twice": b'{"course": "A", "course": "B"}',
    "a key of no character twice": b'{"\\ud800": 1, "\\ud800": 2}',
    "a key of no character": b'{"\\ud800": 1}',
    "a prototype": b'{"__proto__": {"a": 1}, "__class__": "x", "constructor": 1}',
    "a form": b"course=A&off=now",
    "XML": b"<card><course>A</course></card>",
    "an entity bomb": b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;&b;</a>',
    "thousands of unknown keys": json.dumps({f"k{i}": i for i in range(10_000)}).encode(),
    "thousands of runners": json.dumps({**EXAMPLE, "runners": [{}] * 20_000}).encode(),
}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the example card with fields of the race changed."""
    return {**copy.deepcopy(EXAMPLE), **fields}


def changed_runner(**fields: Any) -> dict[str, Any]:
    """Return the example card with fields of its second runner changed."""
    card = copy.deepcopy(EXAMPLE)
    card["runners"][1] |= fields
    return card


def _cards() -> Iterator[tuple[str, Any]]:
    for name in RUNNER_NUMBERS:
        yield from ((f"runner {name} {value!r:.30}", changed_runner(**{name: value})) for value in BAD_NUMBERS)
    for name in RUNNER_TEXTS:
        yield from ((f"runner {name} {value!r:.30}", changed_runner(**{name: value})) for value in BAD_TEXTS)
    for name in CARD_NUMBERS:
        yield from ((f"{name} {value!r:.30}", changed(**{name: value})) for value in BAD_NUMBERS)
    for name in CARD_TEXTS:
        yield from ((f"{name} {value!r:.30}", changed(**{name: value})) for value in BAD_TEXTS)
    for name in ("going", "surface", "race_type"):
        yield from ((f"{name} {value!r}", changed(**{name: value})) for value in BAD_WORDS)
    yield from ((f"sex {value!r}", changed_runner(sex=value)) for value in BAD_WORDS)
    yield from ((f"off {value!r}", changed(off=value)) for value in BAD_MOMENTS)
    yield from ((f"country {value!r}", changed(country=value)) for value in ("", "HKG", "H1", 3, [], "日本"))
    yield from ((f"withdrawn {value!r}", changed_runner(withdrawn=value)) for value in ("yes", 0, 1, [], "true"))
    yield from (
        (f"runners {value!r:.30}", changed(runners=value)) for value in (None, {}, "x", 3, [], [[]] * 3, [1, 2])
    )
    for name in ("course", "off", "runners"):
        card = changed()
        del card[name]
        yield f"no {name}", card
    for extra in ("runers", "date", "position", "__init__", "x" * 5_000):
        yield f"unknown {extra:.20}", changed(**{extra: 1})
        yield f"runner unknown {extra:.20}", changed_runner(**{extra: 1})
    yield from ((f"odds {value}", changed_runner(odds=value)) for value in (0, 0.99, 10_001, "5/2", "Evens"))
    yield "one runner", changed(runners=EXAMPLE["runners"][:1])
    yield "41 runners", changed(runners=[{"horse": f"H{i}"} for i in range(41)])
    yield "one starter", changed(runners=[{"horse": "A"}, {"horse": "B", "withdrawn": True}])
    yield "no starter", changed(runners=[{"horse": "A", "withdrawn": True}, {"horse": "B", "withdrawn": True}])
    yield "the same horse", changed(runners=[{"horse": "A"}, {"horse": " a "}])
    yield "the same id", changed(runners=[{"horse": "A", "horse_id": 7}, {"horse": "B", "horse_id": "7"}])
    yield "the same number", changed(runners=[{"horse": "A", "number": 1}, {"horse": "B", "number": 1}])


def every() -> list[Hostile]:
    """Return all of them; many hundreds."""
    plain = {"content-type": "application/json"}
    good = json.dumps(EXAMPLE).encode()
    found = [Hostile(name, json.dumps(card).encode(), plain) for name, card in _cards()]
    found += [Hostile(name, body, plain) for name, body in BAD_BODIES.items()]
    found += [Hostile(f"sent as {kind}", good, {"content-type": kind}) for kind in ("text/plain", "text/xml", "", "x")]
    bomb = gzip.compress(b" " * 10_000_000)
    found += [Hostile(f"packed as {how}", bomb, plain | {"content-encoding": how}) for how in ("gzip", "br", "x, gzip")]
    return found


NOT_TESTED = set(RunnerMessage.model_fields) - {*RUNNER_NUMBERS, *RUNNER_TEXTS, "sex", "withdrawn"} | (
    set(CardMessage.model_fields)
    - {*CARD_NUMBERS, *CARD_TEXTS, "going", "surface", "race_type", "off", "country", "runners"}
)
"""Fields that no hostile card touches; a test keeps it empty."""
