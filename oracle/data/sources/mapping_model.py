"""What a mapping file may say, checked as a whole before a table is opened.

A key or word that is not known is an error that names it and what is allowed, because a misspelt column would otherwise
be one that is silently missing. `docs/data.md` explains every key, with a complete example.
"""

from __future__ import annotations

import codecs
import string
from collections.abc import Iterable
from typing import Annotated, Any, Literal, LiteralString, NoReturn
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from oracle.data.sources.base import DTYPES
from oracle.race import COLUMNS, GOINGS, RaceType, Sex, Status, Surface

COMPUTED = frozenset({"source", "off_estimated", "field_size", "dead_heat"})
"""Canonical columns that no table is asked for: they follow from the others."""
MAPPABLE = tuple(c.name for c in COLUMNS if c.name not in COMPUTED)
_TEMPLATE = ("name", "date", "off", "course", "country", "race_number", "race_name")
_VOCABULARY = {"race_type": tuple(RaceType), "surface": tuple(Surface), "going": tuple(GOINGS), "sex": tuple(Sex)}


def _one_of(value: str, allowed: Iterable[str], what: str) -> str:
    allowed = tuple(map(str, allowed))
    if value not in allowed:
        raise PydanticCustomError(
            "not_allowed", "is no {what}", {"what": what, "allowed": ", ".join(allowed), "value": value}
        )
    return value


def _encoding(value: str) -> str:
    try:
        return codecs.lookup(value).name
    except LookupError:
        allowed = "utf-8, latin-1, cp1252, shift_jis, big5, ... (Python's names)"
        raise PydanticCustomError("not_allowed", "is no encoding", {"allowed": allowed, "value": value}) from None


def _zone(value: str) -> str:
    if value not in available_timezones():
        allowed = "an IANA time zone such as Europe/Berlin, Asia/Tokyo, UTC"
        raise PydanticCustomError("not_allowed", "is no time zone", {"allowed": allowed, "value": value})
    return value


def _keys_of_ours(values: dict[str, Any]) -> dict[str, Any]:
    for key in values:
        _one_of(key, MAPPABLE, "column of ours")
    return values


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Formats(_Strict):
    """How dates and times of day are written, in the letters of Python's `strptime`."""

    date: str = "%Y-%m-%d"
    off: str = "%H:%M"
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"


class Units(_Strict):
    """What the numbers count."""

    weight: Literal["kg", "lb", "st-lb"] = "kg"
    body_weight: Literal["kg", "lb"] = "kg"
    distance: Literal["m", "km", "furlong", "mile", "yard", "imperial"] = "m"
    time: Literal["seconds", "clock", "milliseconds"] = "clock"
    odds: Literal["decimal", "fractional", "american"] = "decimal"
    prize: Literal["units", "thousands"] = "units"
    beaten: Literal["behind_winner", "in_front"] = "behind_winner"


class Position(_Strict):
    """What stands where a finishing position is not a plain number."""

    codes: dict[str, Status] = Field(default_factory=dict)
    blank: Status | None = None
    dead_heat: tuple[str, ...] = ()


class Words(_Strict):
    """The table's words for what we have a fixed word for."""

    going: dict[str, str] = Field(default_factory=dict)
    surface: dict[str, Surface] = Field(default_factory=dict)
    race_type: dict[str, RaceType] = Field(default_factory=dict)
    sex: dict[str, Sex] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_goings(self) -> Words:
        for value in self.going.values():
            _one_of(value, GOINGS, "going")
        return self


class Mapping(_Strict):
    """The whole mapping; `docs/data.md` says what each key does."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9_-]*$")
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    delimiter: str = Field(",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    missing: tuple[str, ...] = ()
    race_id: str | None = None
    columns: Annotated[dict[str, str], AfterValidator(_keys_of_ours)]
    constants: Annotated[dict[str, str | int | float], AfterValidator(_keys_of_ours)] = Field(default_factory=dict)
    formats: Formats = Formats()
    units: Units = Units()
    position: Position = Position()
    words: Words = Words()

    @property
    def template(self) -> str | None:
        """How the race id is put together; None where a column holds it."""
        if "race_id" in self.columns:
            return None
        clock = "{off}" if "off" in self.columns else "{race_number}"
        return self.race_id or f"{{name}}-{{date}}-{{course}}-{clock}"

    @property
    def parts(self) -> tuple[str, ...]:
        """The columns of ours that the race id is put together from."""
        names = [field for _, field, _, _ in string.Formatter().parse(self.template or "{race_id}") if field]
        return tuple(dict.fromkeys(names))

    @model_validator(mode="after")
    def _complete(self) -> Mapping:
        given = {*self.columns, *self.constants}
        if both := set(self.columns) & set(self.constants):
            _fail("is both a column and a constant", sorted(both)[0], "one of the two")
        if "race_id" in self.columns and self.race_id is not None:
            _fail("is given twice, as columns.race_id and as a template", "race_id", "one of the two")
        for needed in (("course",), ("horse", "horse_id"), ("position", "status"), ("date", "off")):
            if not given & set(needed):
                _fail("is missing: a table without it holds no races", " or ".join(needed), f"columns.{needed[0]}")
        if "date" not in given and not all(part in self.formats.off for part in ("%d", "%Y")):
            _fail(
                "has no date in it, and there is no columns.date", self.formats.off, "a format such as %Y-%m-%d %H:%M"
            )
        for part in self.parts if self.template else ():
            _one_of(part, _TEMPLATE, "part of a race id")
            if part not in given | {"date", "name"}:
                _fail("is part of the race id and not given", part, f"columns.{part}, or a race_id without it")
        for key, value in self.constants.items():
            _constant(key, value)
        return self


def _fail(what: LiteralString, value: str, allowed: str) -> NoReturn:
    raise PydanticCustomError("not_allowed", what, {"allowed": allowed, "value": value})


def _constant(key: str, value: str | float) -> None:
    if key in _VOCABULARY:
        _one_of(str(value), _VOCABULARY[key], key.replace("_", " "))
    if DTYPES[key] != "str" and key != "date" and not isinstance(value, int | float):
        _fail("is no number, as it must be", f"{key} = {value}", "a number without quotation marks")
