"""From the bytes of a request or a file to a card, or to the list of everything that is wrong with it.

Python's JSON reader is lenient where a card must not be: it takes NaN, keeps the last of two equal keys and follows any
nesting. Here each of these is a refusal with a reason. The HTTP endpoint and the command line share this door, so a
card that one accepts the other accepts too. Pure.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from oracle.errors import BadCard
from oracle.serving.messages import MAX_RUNNERS, MIN_RUNNERS, CardMessage, RunnerMessage
from oracle.serving.ordinary import ordinary

MAX_PROBLEMS = 20
"""A card of forty bad runners gets the first twenty reasons: more help nobody."""
MAX_SHOWN = 80
DOCS = "see docs/api.md for every field"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what would be right."""

    kind: str
    message: str
    field: str | None = None
    value: str | None = None
    allowed: str | None = None
    next_step: str | None = None


class MalformedCard(BadCard):
    """The bytes are not a race card. `problems` lists every reason found; the sentence is the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.message, value=first.value, allowed=first.allowed, next_step=first.next_step)
        self.field = first.field

    def as_dict(self) -> dict[str, str | None]:
        """Return the first problem as plain values."""
        return asdict(self.problems[0])


def _bad(kind: str, message: str, **more: str | None) -> MalformedCard:
    return MalformedCard([Problem(kind, message, next_step=DOCS, **more)])


def read_card(body: bytes) -> CardMessage:
    """Return the card in `body` (UTF-8 JSON).

    Raises:
        MalformedCard: with the field and the reason of each problem.
    """
    card = ordinary(body)
    return card if card is not None else read_carefully(body)


def read_carefully(body: bytes) -> CardMessage:
    """Return the card in `body`, or say all that is wrong with it; `read_card` comes here with what is not ordinary.

    Raises:
        MalformedCard: with the field and the reason of each problem.
    """
    document = _parse(body)
    if not isinstance(document, dict):
        raise _bad("NotACard", "the body must be one JSON object, a race card", value=show(document))
    try:
        return CardMessage.model_validate(document)
    except ValidationError as error:
        found = [each for each in error.errors(include_url=False) if not _echo(each)][:MAX_PROBLEMS]
        raise MalformedCard([_problem(each) for each in found]) from None


def _parse(body: bytes) -> Any:
    if not body.strip():
        raise _bad("EmptyBody", "the body is empty", allowed="one race card as JSON")
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise _bad("NotText", f"the body is not UTF-8: byte {error.start} cannot be read", allowed="UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _bad("NotJson", f"the body is not JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise _bad("TooDeep", "the body is nested too deeply", allowed="a card is three levels deep") from None
    except ValueError:
        raise _bad("NumberTooLong", "the body holds a number with thousands of digits") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _bad(
            "DuplicateKey", f"{show(twice)} stands twice in one object", field=show(twice), allowed="each name once"
        )
    return members


def _no_constant(word: str) -> Any:
    raise _bad("NotFinite", f"{word} is not JSON", value=word, allowed="finite numbers; null where a value is unknown")


def show(value: object) -> str:
    """Return the value as a person may see it in an error: short, and never a whole structure.

    >>> show("x" * 200)[-5:], show([1, 2]), show(True), show(1.5)
    ('xx...', 'a list', 'true', '1.5')
    """
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and abs(value) >= 10**MAX_SHOWN:
        return "a number of very many digits"
    text = "".join(letter if letter.isprintable() else "?" for letter in str(value)[: MAX_SHOWN + 1])
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def path(where: Iterable[int | str]) -> str:
    """Return the path of a field as it would be written in code.

    >>> path(("runners", 3, "draw"))
    'runners[3].draw'
    """
    text = ""
    for part in where:
        text += f"[{part}]" if isinstance(part, int) else f".{show(part)}" if text else show(part)
    return text


def _problem(error: Mapping[str, Any]) -> Problem:
    """Return what one finding of pydantic means in our words."""
    where, kind, told = error["loc"], error["type"], error.get("ctx", {})
    field = told.get("field") or path(where) or None
    value = None if told.get("field") or kind in ("missing", "extra_forbidden") else show(error["input"])
    message, allowed = told.get("message", error["msg"]), told.get("allowed")
    if kind == "missing":
        message = "is required"
    elif kind == "extra_forbidden":
        kind = "unknown_field"
        message, allowed = _unknown(str(where[-1]), RunnerMessage if len(where) > 1 else CardMessage)
    elif kind in ("string_unicode", "invalid_key"):
        message, allowed = "has a field whose name is not text", "names of known fields"
    elif kind in ("too_short", "too_long", "tuple_type"):
        message, allowed = "must be a list of runners", f"{MIN_RUNNERS} to {MAX_RUNNERS} declared runners"
        value = f"{len(error['input'])} runners" if isinstance(error["input"], list) else value
    kind = "".join(word.capitalize() for word in kind.split("_"))
    return Problem(kind, f"{field or 'the card'} {message}", field, value, allowed, DOCS)


def _echo(error: Mapping[str, Any]) -> bool:
    """Tell whether pydantic calls a list too short only because its members were refused, each with its own reason."""
    given = error["input"]
    return error["type"] == "too_short" and isinstance(given, list) and len(given) >= MIN_RUNNERS


def _unknown(name: str, message: type[CardMessage] | type[RunnerMessage]) -> tuple[str, str]:
    known = list(message.model_fields)
    near = difflib.get_close_matches(name[:MAX_SHOWN], known, n=1)
    return "is not a known field" + (f"; did you mean {near[0]}?" if near else ""), ", ".join(known)
