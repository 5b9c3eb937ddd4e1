"""From the bytes of a request or a file to a card or another message, or to the list of everything wrong with it.

Python's JSON reader is lenient where a card must not be: it takes NaN, keeps the last of two equal keys and follows any
nesting. Here each of these is a refusal with a reason. The HTTP endpoint and the command line share this door, so a
card that one accepts the other accepts too. Pure.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from oracle.errors import BadCard, BadInput
from oracle.serving.messages import CardMessage
from oracle.serving.ordinary import ordinary

M = TypeVar("M", bound=BaseModel)

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


class Malformed(BadInput):
    """The bytes are not the message they should be. `problems` lists every reason found; the sentence is the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        super().__init__(first.message, value=first.value, allowed=first.allowed, next_step=first.next_step)
        self.field = first.field

    def as_dict(self) -> dict[str, str | None]:
        """Return the first problem as plain values."""
        return asdict(self.problems[0])


class MalformedCard(Malformed, BadCard):
    """The bytes are not a race card."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read, in the words of its refusals."""

    what: str = "race card"
    root: str = "the card"
    docs: str = DOCS
    error: type[Malformed] = MalformedCard
    nouns: Mapping[str, str] = field(default_factory=lambda: {"runners": "declared runners"})
    """What the members of a list are called, by the name of the list; its name says it otherwise."""

    def bad(self, kind: str, message: str, **more: str | None) -> Malformed:
        """Return the refusal for one reason."""
        return self.error([Problem(kind, message, next_step=self.docs, **more)])


CARD = Wanted()


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
    return read(body, CardMessage, CARD)


def read(body: bytes, message: type[M], wanted: Wanted) -> M:
    """Return the message in `body` (UTF-8 JSON).

    Args:
        body: The bytes as they came.
        message: What they should be.
        wanted: Its words, and the error that refuses it.

    Raises:
        Malformed: with the field and the reason of each problem; of the kind `wanted` names.
    """
    document = _parse(body, wanted)
    if not isinstance(document, dict):
        what = "".join(word.capitalize() for word in wanted.what.split())
        kind = "NotACard" if wanted is CARD else f"Not{what}"
        raise wanted.bad(kind, f"the body must be one JSON object, a {wanted.what}", value=show(document))
    try:
        return message.model_validate(document)
    except ValidationError as error:
        found = [each for each in error.errors(include_url=False) if not _echo(each)][:MAX_PROBLEMS]
        raise wanted.error([_problem(each, message, wanted) for each in found]) from None


def _parse(body: bytes, wanted: Wanted) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            names = [name for name, _ in pairs]
            twice = show(next(name for name in names if names.count(name) > 1))
            message = f"{twice} stands twice in one object"
            raise wanted.bad("DuplicateKey", message, field=twice, allowed="each name once")
        return members

    def no_constant(word: str) -> Any:
        allowed = "finite numbers; null where a value is unknown"
        raise wanted.bad("NotFinite", f"{word} is not JSON", value=word, allowed=allowed)

    if not body.strip():
        raise wanted.bad("EmptyBody", "the body is empty", allowed=f"one {wanted.what} as JSON")
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=once, parse_constant=no_constant)
    except UnicodeDecodeError as error:
        message = f"the body is not UTF-8: byte {error.start} cannot be read"
        raise wanted.bad("NotText", message, allowed="UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise wanted.bad("NotJson", f"the body is not JSON: {error.msg} at {where}") from None
    except RecursionError:
        allowed = f"a {wanted.what} is a few levels deep"
        raise wanted.bad("TooDeep", "the body is nested too deeply", allowed=allowed) from None
    except ValueError:
        raise wanted.bad("NumberTooLong", "the body holds a number with thousands of digits") from None


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


def _problem(error: Mapping[str, Any], message: type[BaseModel], wanted: Wanted) -> Problem:
    """Return what one finding of pydantic means in our words."""
    where, kind, told = error["loc"], error["type"], error.get("ctx", {})
    at = told.get("field") or path(where) or None
    value = None if told.get("field") or kind in ("missing", "extra_forbidden") else show(error["input"])
    said, allowed = told.get("message", error["msg"]), told.get("allowed")
    if kind == "missing":
        said = "is required"
    elif kind == "extra_forbidden":
        kind = "unknown_field"
        said, allowed = _unknown(str(where[-1]), _message_at(message, where[:-1]))
    elif kind in ("string_unicode", "invalid_key"):
        said, allowed = "has a field whose name is not text", "names of known fields"
    elif kind in ("too_short", "too_long", "tuple_type"):
        name = str(where[-1])
        noun, (low, high) = wanted.nouns.get(name, name), _lengths(_message_at(message, where[:-1]), name)
        said, allowed = f"must be a list of {name}", f"{low} to {high} {noun}"
        value = f"{len(error['input'])} {name}" if isinstance(error["input"], list) else value
    kind = "".join(word.capitalize() for word in kind.split("_"))
    return Problem(kind, f"{at or wanted.root} {said}", at, value, allowed, wanted.docs)


def _echo(error: Mapping[str, Any]) -> bool:
    """Tell whether pydantic calls a list too short only because its members were refused, each with its own reason."""
    given, least = error["input"], error.get("ctx", {}).get("min_length", 0)
    return error["type"] == "too_short" and isinstance(given, list) and len(given) >= least


def _message_at(message: type[BaseModel], where: Iterable[int | str]) -> type[BaseModel]:
    """Return the message that stands at a path inside another one."""
    for name in where:
        if isinstance(name, str) and name in message.model_fields:
            message = next(_messages(message.model_fields[name].annotation), message)
    return message


def _messages(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the messages that an annotation names, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _messages(part)


def _lengths(message: type[BaseModel], name: str) -> tuple[int, int]:
    """Return the least and the most members of a list."""
    limits = message.model_fields[name].metadata
    low = [each.min_length for each in limits if hasattr(each, "min_length")]
    high = [each.max_length for each in limits if hasattr(each, "max_length")]
    return low[0], high[0]


def _unknown(name: str, message: type[BaseModel]) -> tuple[str, str]:
    known = list(message.model_fields)
    near = difflib.get_close_matches(name[:MAX_SHOWN], known, n=1)
    return "is not a known field" + (f"; did you mean {near[0]}?" if near else ""), ", ".join(known)
