"""The ordinary card, read without ceremony: what nearly every body is, in a fifth of the time.

Here nothing is ever refused. A body that is in every respect as the documentation shows it becomes the card at once;
at the first thing that is not (an unknown name, a number out of range, a key that stands twice) this
returns None, and `oracle.serving.body` reads the body again and finds the reason. A test holds both ways together: they
take the same bodies and make the same cards of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, cast, get_args

import orjson
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from oracle.serving.messages import MAX_RUNNERS, MIN_RUNNERS, CardMessage, RunnerMessage

M = TypeVar("M", bound=BaseModel)
Check = Callable[[Any], Any]


class _Unusual(Exception):
    """Something that the careful reader has to look at."""


def ordinary(body: bytes) -> CardMessage | None:
    """Return the card in `body`, or None where it is in any way out of the ordinary."""
    # Where no quotation mark is escaped, each begins or ends a text: their number tells of a key that stood twice.
    if b'\\"' in body:
        return None
    try:
        card = orjson.loads(body)
        if type(card) is not dict or body.count(b'"') != 2 * _texts_of(card):
            return None
        return _card(card)
    except (_Unusual, orjson.JSONDecodeError, AttributeError, KeyError, TypeError, PydanticCustomError):
        return None


def _texts_of(card: dict[str, Any]) -> int:
    """Return how many texts a card holds, names of fields included."""
    count = len(card) + [type(value) for value in card.values()].count(str)
    for runner in card["runners"]:  # a TypeError where they are none
        count += len(runner) + [type(value) for value in runner.values()].count(str)
    return count


def _card(told: dict[str, Any]) -> CardMessage:
    runners = told["runners"]
    if type(runners) is not list or not MIN_RUNNERS <= len(runners) <= MAX_RUNNERS:
        raise _Unusual
    found = [_message(RunnerMessage, runner) for runner in runners]
    own = [runner.__dict__ for runner in found]
    _all_different([r["number"] for r in own if r["number"] is not None])
    _all_different([r["horse"].casefold() for r in own])
    _all_different([r["horse_id"] for r in own if r["horse_id"] is not None])
    if sum(not r["withdrawn"] for r in own) < MIN_RUNNERS:
        raise _Unusual
    return _message(CardMessage, told | {"runners": tuple(found)})


def _all_different(values: list[Any]) -> None:
    if len(set(values)) < len(values):
        raise _Unusual


def _message(kind: type[M], told: Mapping[str, Any]) -> M:
    """Return the message as pydantic would have made it, its fields checked here."""
    checks, values, required = _plan(kind)
    values = values.copy()
    for name, value in told.items():
        values[name] = checks[name](value)
    for name in required:
        if name not in told:
            raise _Unusual
    made = kind.__new__(kind)
    object.__setattr__(made, "__dict__", values)
    object.__setattr__(made, "__pydantic_fields_set__", set(told))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


@cache
def _plan(kind: type[BaseModel]) -> tuple[dict[str, Check], dict[str, Any], tuple[str, ...]]:
    """Return for each field its check, in their order what holds where it is not given, and which must be given."""
    checks: dict[str, Check] = {}
    for name, field in kind.model_fields.items():
        checks[name] = _as_it_is if name == "runners" else _check(field)
    values = {n: None if f.is_required() else f.default for n, f in kind.model_fields.items()}
    return checks, values, tuple(n for n, f in kind.model_fields.items() if f.is_required())


def _check(field: FieldInfo) -> Check:
    """Return the field's own validator, which raises where it refuses; null passes where the field may be left out."""
    either = get_args(field.annotation)
    metadata = next((a.__metadata__ for a in either if hasattr(a, "__metadata__")), field.metadata)
    (validate,) = [each.func for each in metadata if isinstance(each, BeforeValidator)]
    if type(None) not in either:
        return cast(Check, validate)

    def or_nothing(value: Any) -> Any:
        return None if value is None else validate(value)  # type: ignore[call-arg]

    return or_nothing


def _as_it_is(value: Any) -> Any:
    return value
