"""The kinds of field a race card is made of, each with its bounds and a reason a person can act on.

JSON has numbers, booleans and text, and they are kept apart: text where a number belongs is a mistake of the sender,
and guessing would turn it into a silent one. What people write in good faith is taken: a whole number as `5.0`, an id
as a number, `Good to Firm` for `good_to_firm`. Pure; knows nothing of HTTP.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from oracle.governance.privacy import certain
from oracle.race import GOINGS, RaceType, Sex, Status, Surface

MAX_TEXT = 120
MAX_ID = 64
FIRST_YEAR, LAST_YEAR = 1900, 2199
_HIDDEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that no name contains: control characters, lone surrogates, line and paragraph separators."""
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE | re.ASCII)


def refusal(kind: str, message: str, allowed: str | None = None, *, field: str | None = None) -> PydanticCustomError:
    """Return the error a validator raises.

    Args:
        kind: Machine-readable name of the mistake.
        message: The rest of the sentence that begins with the field.
        allowed: What would have been accepted.
        field: Path of the field, where the validator sees more than one.
    """
    return PydanticCustomError(kind, "{message}", {"message": message, "allowed": allowed, "field": field})


def _number(low: float, high: float, unit: str = "", *, whole: bool = False) -> BeforeValidator:
    """Return a check for a finite JSON number from `low` to `high`."""
    allowed = f"{'a whole number' if whole else 'a number'}, {low:.15g} to {high:.15g}{unit and ' ' + unit}"

    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refusal("not_a_number", "must be a number", allowed)
        if isinstance(value, float) and not math.isfinite(value):
            raise refusal("not_finite", "must be a finite number", allowed)
        if not low <= value <= high:
            raise refusal("out_of_range", "is out of range", allowed)
        if whole and value != int(value):
            raise refusal("not_whole", "must be a whole number", allowed)
        return int(value) if whole else float(value)

    return BeforeValidator(check)


def _text(value: object) -> str:
    allowed = f"text of 1 to {MAX_TEXT} characters without control characters"
    if not isinstance(value, str):
        raise refusal("not_text", "must be text", allowed)
    value = value.strip()
    if not value:
        raise refusal("empty_text", "must not be empty; leave the field out where the value is unknown", allowed)
    if len(value) > MAX_TEXT:
        raise refusal("text_too_long", f"has {len(value)} characters", allowed)
    if not value.isprintable() and any(unicodedata.category(letter) in _HIDDEN for letter in value):
        raise refusal("control_character", "contains a control character", allowed)
    return value


def _code(value: object) -> str:
    """Take an id as text or as a whole number, since many sources number their horses."""
    return _text(str(value) if type(value) is int and abs(value) < 10**18 else value)


def _one_of(words: Iterable[str], missing: str | None = None) -> BeforeValidator:
    known = tuple(str(word) for word in words)
    exact = frozenset(known)
    otherwise = None if missing is None else str(missing)

    def check(value: object) -> str:
        if value is None and otherwise is not None:
            return otherwise
        if isinstance(value, str) and value in exact:
            return value
        word = re.sub(r"[\s_-]+", "_", value.strip().lower()) if isinstance(value, str) else None
        if word not in known:
            raise refusal("unknown_word", "is not one of the known words", ", ".join(known))
        return word

    return BeforeValidator(check)


def _open_word(words: Iterable[str]) -> BeforeValidator:
    """Return a check that knows some words in any spelling and keeps every other text as it is."""
    known = tuple(str(word) for word in words)

    def check(value: object) -> str:
        text = _text(value)
        word = re.sub(r"[\s_-]+", "_", text.lower())
        return word if word in known else text

    return BeforeValidator(check)


def _day(value: object) -> dt.date:
    allowed = f"a date, {FIRST_YEAR} to {LAST_YEAR}, such as 2025-06-01"
    try:
        day = dt.date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError as error:
        raise refusal("not_a_date", f"is not a possible date ({error})", allowed) from error
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise refusal("not_a_date", "must be a date", allowed)
    return day


def _nobody(value: object) -> str:
    """Take an id that names no person: what is kept under an id cannot be masked without losing it."""
    text = _code(value)
    if certain(text):
        raise refusal("personal_id", "looks like personal data, and ids are kept", "an id that names no person")
    return text


def _id(value: object) -> str:
    text = _nobody(value)
    if len(text) > MAX_ID:
        raise refusal("text_too_long", f"has {len(text)} characters", f"text of 1 to {MAX_ID} characters")
    return text


def an_object(what: str, such_as: str) -> BeforeValidator:
    """Return a check for a JSON object, told as a whole where it is something else."""

    def check(value: object) -> object:
        if not isinstance(value, dict):
            raise refusal("not_an_object", f"must be an object, {what}", f"such as {such_as}")
        return value

    return BeforeValidator(check)


def _country(value: object) -> str:
    if not (isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2}", value.strip())):
        raise refusal("not_a_country", "must be a country code", "two letters of ISO 3166-1, such as HK, JP, IE, GB")
    return value.strip().upper()


def _moment(value: object) -> dt.datetime:
    allowed = f"ISO 8601 with a time zone, {FIRST_YEAR} to {LAST_YEAR}, such as 2025-06-01T15:35:00+08:00"
    if not (isinstance(value, str) and _MOMENT.fullmatch(value.strip())):
        raise refusal("not_a_time", "must be a date and time", allowed)
    try:
        moment = dt.datetime.fromisoformat(value.strip().upper())
    except ValueError as error:
        raise refusal("not_a_time", f"is not a possible date and time ({error})", allowed) from error
    if moment.tzinfo is None:
        raise refusal("no_time_zone", "must carry a time zone: without one the order of races is a guess", allowed)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise refusal("out_of_range", "is out of range", allowed)
    return moment


def _flag(value: object) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise refusal("not_a_flag", "must be true or false", "true, false")
    return value


def _enum(words: Iterable[str]) -> Any:
    return Field(json_schema_extra={"enum": list(words)})


def _whole(low: int, high: int, unit: str = "") -> BeforeValidator:
    return _number(low, high, unit, whole=True)


Text = Annotated[str, BeforeValidator(_text), Field(min_length=1, max_length=MAX_TEXT)]
Code = Annotated[str, BeforeValidator(_code), Field(min_length=1, max_length=MAX_TEXT)]
RaceId = Annotated[str, BeforeValidator(_nobody), Field(min_length=1, max_length=MAX_TEXT)]
Country = Annotated[str, BeforeValidator(_country), Field(pattern="^[A-Z]{2}$")]
Moment = Annotated[dt.datetime, BeforeValidator(_moment)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Going = Annotated[str, _one_of(GOINGS), _enum(GOINGS)]
SurfaceWord = Annotated[str, _one_of(Surface), _enum(Surface)]
RaceTypeOrFlat = Annotated[str, _one_of(RaceType, missing=RaceType.FLAT), _enum(RaceType)]
SexWord = Annotated[str, _one_of(Sex), _enum(Sex)]
Metres = Annotated[int, _whole(200, 10_000, "metres"), Field(ge=200, le=10_000)]
SaddleNumber = Annotated[int, _whole(1, 999), Field(ge=1, le=999)]
RaceNumber = Annotated[int, _whole(1, 99), Field(ge=1, le=99)]
Draw = Annotated[int, _whole(1, 60), Field(ge=1, le=60)]
Age = Annotated[int, _whole(1, 30, "years"), Field(ge=1, le=30)]
CarriedKg = Annotated[float, _number(30, 100, "kg"), Field(ge=30, le=100)]
BodyKg = Annotated[float, _number(200, 900, "kg"), Field(ge=200, le=900)]
Rating = Annotated[float, _number(0, 300), Field(ge=0, le=300)]
Prize = Annotated[float, _number(0, 10_000_000, "thousands"), Field(ge=0, le=10_000_000)]
Real = Annotated[float, _number(-1e12, 1e12)]
"""What is possible in racing is not for this to say: see `oracle.data.check`."""
Count = Annotated[int, _whole(0, 30_000), Field(ge=0, le=30_000)]
Place = Annotated[int, _whole(0, 999), Field(ge=0, le=999)]
Day = Annotated[dt.date, BeforeValidator(_day)]
StatusWord = Annotated[str, _one_of(Status), _enum(Status)]
OpenGoing = Annotated[str, _open_word(GOINGS)]
OpenSurface = Annotated[str, _open_word(Surface)]
OpenSex = Annotated[str, _open_word(Sex)]
Id = Annotated[str, BeforeValidator(_id), Field(min_length=1, max_length=MAX_ID)]
EVENTS = ("view", "click", "follow", "bet")
EventWord = Annotated[str, _one_of(EVENTS), _enum(EVENTS)]
Odds = Annotated[float, _number(1, 10_000), Field(ge=1, le=10_000)]
"""From 1, stake back and no more: pools pay it on overwhelming favourites of cup races."""
