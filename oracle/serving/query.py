"""What may stand behind the question mark of a prediction: read strictly, as a card is.

A misspelt name that is passed over would be an answer to another question. Pure; knows no HTTP.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from oracle.ranking.exotics import MOST_COMBINATIONS
from oracle.serving.body import MalformedCard, Problem, show

FLAGS = {"true": True, "1": True, "false": False, "0": False}
MOST = 1000
NAMES = ("explain", "top", "exotics")
DOCS = "see docs/api.md for every query parameter"

PARAMETERS: tuple[Mapping[str, Any], ...] = (
    {
        "name": "explain",
        "in": "query",
        "required": False,
        "description": "true: give the reasons for each score as well.",
        "schema": {"type": "boolean", "default": False},
    },
    {
        "name": "top",
        "in": "query",
        "required": False,
        "description": "With explain: list so many contributions of each runner and sum up the others.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST},
    },
    {
        "name": "exotics",
        "in": "query",
        "required": False,
        "description": "Tell of so many combinations of each pool, the likeliest first; 0 for none.",
        "schema": {"type": "integer", "minimum": 0, "maximum": MOST_COMBINATIONS, "default": 0},
    },
)
"""The same for the OpenAPI document."""


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked for besides the answer itself."""

    explain: bool = False
    top: int | None = None
    exotics: int = 0


NOTHING_ASKED = Query()


def read_query(raw: bytes) -> Query:
    """Return what a query string asks for.

    >>> read_query(b"explain=true&top=5")
    Query(explain=True, top=5, exotics=0)

    Raises:
        MalformedCard: a name or a value is not known, stands twice, or makes no sense alone.
    """
    if not raw:
        return NOTHING_ASKED
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=20
        )
    except ValueError:
        raise _bad("BadQuery", "the query string cannot be read", None, None, "explain=true&top=10") from None
    told: dict[str, str] = {}
    for name, value in pairs:
        if name not in NAMES:
            near = difflib.get_close_matches(name[:80], NAMES, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise _bad(
                "UnknownQuery", f"{show(name)} is not a known query parameter{meant}", name, None, ", ".join(NAMES)
            )
        if name in told:
            raise _bad("DuplicateKey", f"{name} stands twice in the query", name, value, "each name once")
        told[name] = value
    explain = _flag("explain", told.get("explain", "false"))
    if "top" in told and not explain:
        raise _bad("BadQuery", "top is about an explanation", "top", told["top"], "explain=true&top=10")
    top = _count("top", told["top"], "contributions", 1, MOST) if "top" in told else None
    exotics = _count("exotics", told.get("exotics", "0"), "combinations", 0, MOST_COMBINATIONS)
    return Query(explain, top, exotics)


def _flag(name: str, value: str) -> bool:
    if value.lower() not in FLAGS:
        raise _bad("BadQuery", f"{name} is neither true nor false", name, value, ", ".join(FLAGS))
    return FLAGS[value.lower()]


def _count(name: str, value: str, what: str, least: int, most: int) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and least <= int(value) <= most):
        raise _bad("OutOfRange", f"{name} is not a number of {what}", name, value, f"a whole number, {least} to {most}")
    return int(value)


def _bad(kind: str, message: str, name: str | None, value: str | None, allowed: str) -> MalformedCard:
    field = None if name is None else f"?{show(name)}"
    return MalformedCard([Problem(kind, message, field, None if value is None else show(value), allowed, DOCS)])
