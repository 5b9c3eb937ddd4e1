"""Translating a table with the units, formats and words that its mapping names."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from oracle.data.sources import mapping_model as m
from oracle.data.sources import units
from oracle.data.sources.base import Batch
from oracle.data.sources.reading import Text
from oracle.data.sources.rows import Place, Rows, understood
from oracle.data.sources.words import RACE_TYPES, SEXES, SURFACES, going
from oracle.race import RaceType, Status

Parser = Callable[[str], Any]
_PLACE = re.compile(r"(\d{1,2})(?:\.0|\.|st|nd|rd|th)?")
_WEIGHTS: Mapping[str, Parser] = {"kg": units.kilograms, "lb": units.pounds, "st-lb": units.stones}
_DISTANCES: Mapping[str, Parser] = {
    "m": units.metres,
    "km": lambda text: _scaled(text, 1000),
    "furlong": units.furlongs,
    "mile": units.miles,
    "yard": units.yards,
    "imperial": units.imperial,
}
_ODDS: Mapping[str, Parser] = {
    "decimal": units.decimal_odds,
    "fractional": units.fractional_odds,
    "american": units.american_odds,
}
_COUNTED = ("number", "draw", "first_call", "last_call")
_WHOLE = ("race_number", "age")
_REAL = ("official_rating", "speed_rating", "performance_rating")
_TEXT = ("race_name", "course", "country", "track", "race_class", "gear", "sire")


def translate(text: Text, mapping: m.Mapping) -> Batch:
    """Return the canonical rows of a table; what cannot be understood becomes the reason of its row."""
    rows = Rows(text, mapping.name)
    table = _Table(rows, mapping)
    for name in _WHOLE:
        table.parse(name, units.whole)
    _put_times(table)
    for name in _TEXT:
        table.words(name)
    _put_vocabulary(table)
    _put_people(table)
    _put_numbers(table)
    rows.places(table.place_texts(), lambda both: _place(both, mapping))
    for name, value in mapping.constants.items():
        if name not in ("date", "off", "race_id"):
            rows.put(name, value)
    _put_race_id(table)
    _put_result(table)
    return rows.batch()


class _Table:
    """The rows under construction together with what the mapping says of them."""

    def __init__(self, rows: Rows, mapping: m.Mapping) -> None:
        self.rows = rows
        self.mapping = mapping
        self._gone = {word.casefold() for word in mapping.missing}

    def cell(self, name: str) -> pd.Series:
        """Return the texts of a column of ours, "" where the table says missing."""
        texts = self.rows.cell(self.mapping.columns.get(name, "\0"))
        return texts.mask(texts.str.casefold().isin(self._gone), "")

    def parse(self, name: str, parser: Parser) -> None:
        """Set a column from numbers, whatever their decimal mark."""
        if name in self.mapping.columns:
            self.rows.parse(name, self.cell(name), lambda text: parser(self._decimal(text)))

    def lookup(self, name: str, parser: Parser) -> None:
        """Set a column from words rather than numbers."""
        if name in self.mapping.columns:
            self.rows.parse(name, self.cell(name), parser)

    def describe(self, name: str, parser: Parser) -> None:
        """Set going, surface or sex, keeping a word that nobody knows."""
        if name in self.mapping.columns:
            self.rows.describe(name, self.cell(name), parser)

    def words(self, name: str) -> None:
        """Set a column from the texts as they stand."""
        if name in self.mapping.columns:
            self.rows.words(name, self.cell(name))

    def place_texts(self) -> pd.Series:
        """Return status and position of each row in one text."""
        return self.cell("status") + "\n" + self.cell("position")

    def _decimal(self, text: str) -> str:
        """Return the text with a decimal point; with decimal commas, points may only set thousands apart."""
        if self.mapping.decimal == "." or ":" in text:
            return text.replace(",", ".") if ":" in text else text
        if "," not in text and "." in text and not re.fullmatch(r"\d{1,3}(\.\d{3})+\D*", text):
            raise ValueError(text)
        return text.replace(".", "").replace(",", ".")


def _put_times(table: _Table) -> None:
    rows, formats = table.rows, table.mapping.formats
    dates = table.cell("date") if "date" in table.mapping.columns else None
    if "date" in table.mapping.constants:
        dates = pd.Series(str(table.mapping.constants["date"]), index=range(len(rows)), dtype="str")
    offs = table.cell("off")
    moments = understood(offs, lambda text: _moment(text, formats))
    rows.refuse(moments.isna() & (offs != ""), "unreadable_off", offs)
    clocks = pd.Series(["" if o is None else f"{o:%H:%M:%S}" for o in moments], dtype="str")
    if dates is None:
        days = pd.Series(["" if o is None else f"{o:%Y-%m-%d}" for o in moments], dtype="str")
    else:
        days = understood(dates, lambda text: f"{dt.datetime.strptime(text, formats.date):%Y-%m-%d}")
        rows.refuse(days.isna(), "unreadable_date", dates)
        days = days.fillna("").astype("str")
    rows.when(days, clocks, formats.time_zone)


def _moment(text: str, formats: m.Formats) -> dt.datetime | None:
    if not text:
        return None
    moment = dt.datetime.strptime(text, formats.off)
    return moment if moment.tzinfo is None else moment.astimezone(ZoneInfo(formats.time_zone))


def _put_vocabulary(table: _Table) -> None:
    words = table.mapping.words
    table.lookup("race_type", _looking_up(words.race_type, RACE_TYPES))
    table.describe("surface", _looking_up(words.surface, SURFACES))
    table.describe("sex", _looking_up(words.sex, SEXES))
    if {"sex", "age"} <= {*table.mapping.columns}:
        table.rows.tell_sex_by_age()
    table.describe("going", lambda text: _own(words.going, text) or going(text))
    if not {"race_type"} & {*table.mapping.columns, *table.mapping.constants}:
        table.rows.put("race_type", RaceType.FLAT)


def _put_people(table: _Table) -> None:
    for role in ("horse", "jockey", "trainer"):
        names = table.cell(role if role in table.mapping.columns else f"{role}_id")
        ids = table.cell(f"{role}_id") if f"{role}_id" in table.mapping.columns else None
        table.rows.person(role, names, ids)


def _put_numbers(table: _Table) -> None:
    unit = table.mapping.units
    for name in _COUNTED:
        table.parse(name, units.counted)
    for name in _REAL:
        table.parse(name, units.number)
    table.parse("distance_m", _DISTANCES[unit.distance])
    table.parse("weight_kg", _WEIGHTS[unit.weight])
    table.parse("body_weight_kg", _WEIGHTS[unit.body_weight])
    table.parse("odds", _ODDS[unit.odds])
    table.parse("prize", lambda text: _times(units.money(text), 0.001 if unit.prize == "units" else 1))
    for name in ("time_s", "last_split_s"):
        table.parse(name, units.seconds if unit.time != "milliseconds" else lambda text: _scaled(text, 0.001))
    table.parse("beaten_lengths", units.lengths)


def _put_race_id(table: _Table) -> None:
    rows, template = table.rows, table.mapping.template
    if template is None:
        rows.words("race_id", table.cell("race_id"))
        return
    clock = rows["off"].dt.tz_convert(table.mapping.formats.time_zone).dt.strftime("%H%M")
    local = {"date": rows["date"].dt.strftime("%Y-%m-%d"), "off": clock}
    parts = {
        name: local[name] if name in local else rows[name].astype("object")
        for name in table.mapping.parts
        if name != "name"
    }
    ids = pd.Series(template.replace("{name}", table.mapping.name), index=range(len(rows)), dtype="object")
    for name, values in parts.items():
        texts = values.map(lambda value: "" if pd.isna(value) else str(value))
        rows.refuse(texts == "", f"missing_{name}")
        ids = pd.Series([i.replace(f"{{{name}}}", t) for i, t in zip(ids, texts, strict=True)], dtype="object")
    rows.put("race_id", ids)


def _put_result(table: _Table) -> None:
    rows, mapping = table.rows, table.mapping
    if "beaten_lengths" not in mapping.columns:
        rows.put("beaten_lengths", float("nan"))
    if mapping.units.beaten == "in_front":
        rows.add_up_margins()
    if mapping.position.dead_heat:
        marks = "|".join(re.escape(mark) for mark in mapping.position.dead_heat)
        rows.put(
            "dead_heat", table.cell("position").str.contains(marks).to_numpy() & rows["position"].notna().to_numpy()
        )
    else:
        rows.share_positions()


def _place(both: str, mapping: m.Mapping) -> Place:
    status, position = both.split("\n", 1)
    for text in (status, position):
        if (code := _own(mapping.position.codes, text)) is not None and code is not Status.FINISHED:
            return code, None
    for mark in mapping.position.dead_heat:
        position = position.replace(mark, "").strip()
    if match := _PLACE.fullmatch(position):
        return Status.FINISHED, int(match[1])
    if not position and mapping.position.blank is not None:
        return mapping.position.blank, None
    raise ValueError(both)


def _own(words: Mapping[str, Any], text: str) -> Any:
    """Return what the mapping's own words say of a text, without regard to case; None where they do not say."""
    return words.get(text, {word.casefold(): value for word, value in words.items()}.get(text.casefold()))


def _looking_up(own: Mapping[str, Any], ours: Mapping[str, Any]) -> Parser:
    def look(text: str) -> Any:
        if units.is_missing(text):
            return None
        found = _own(own, text)
        return ours["".join(c for c in text.casefold() if c.isalnum())] if found is None else found

    return look


def _scaled(text: str, factor: float) -> float | None:
    return _times(units.number(text), factor)


def _times(value: float | None, factor: float) -> float | None:
    return round(value * factor, 6) if value else None
