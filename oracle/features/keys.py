"""The keys under which runs are booked: a horse, a jockey and trainer together, a stall band of a course, ...

Each part of a key is a text per runner; a key joins some parts. Bands are coarse on purpose: a horse has run twice
over 1650 m and ten times over about a mile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from oracle.features.races import Races, Texts
from oracle.ranking.races import Floats, Ints

SEPARATOR = "\x1f"
"""Stands between the parts of a key: a control character; a name that holds it all the same has it spelled out."""

_SPELLED_OUT = str.maketrans({"\x1e": "\x1e0", SEPARATOR: "\x1e1"})

Codes = tuple[Ints, Texts]


def _banded(values: Floats) -> Codes:
    """Return codes and words of whole numbers; -1 where missing or infinite."""
    known = np.isfinite(values)
    distinct, inverse = np.unique(values[known].astype(np.int64), return_inverse=True)
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[known] = inverse
    return codes, distinct.astype(str).astype(object)


def distance_bands(metres: Floats) -> Floats:
    """Return float64[N], the band of each distance: sprint to stayer, a fifth wide; equal ratios matter equally."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.floor(np.log(metres / 1000.0) / np.log(1.2)))


def going_bands(wetness: Floats) -> Floats:
    """Return float64[N], the band of each going: 0 fast, 1 good, 2 soft; NaN where unknown."""
    return np.where(np.isnan(wetness), np.nan, np.digitize(wetness, [2.9, 4.2]).astype(np.float64))


def distance_band(races: Races) -> Floats:
    """float64[N]: the band of the race's distance."""
    return distance_bands(races.numbers["distance_m"])


def going_band(races: Races) -> Floats:
    """float64[N]: the band of the race's going."""
    return going_bands(races.wetness)


def draw_band(races: Races) -> Floats:
    """float64[N]: 0 innermost to 4 outermost fifth of the field."""
    place = (races.numbers["draw"] - 1.0) / np.maximum(races.field_size - 1.0, 1.0)
    return np.floor(np.clip(place, 0.0, 0.999) * 5.0)


PARTS: Mapping[str, Callable[[Races], Codes]] = {
    "horse": lambda races: races.codes("horse_id"),
    "jockey": lambda races: races.codes("jockey_id"),
    "trainer": lambda races: races.codes("trainer_id"),
    "sire": lambda races: races.codes("sire"),
    "course": lambda races: races.codes("course"),
    "surface": lambda races: races.codes("surface"),
    "race_type": lambda races: races.codes("race_type"),
    "race_class": lambda races: races.codes("race_class"),
    "distance": lambda races: _banded(races.numbers["distance_m"]),
    "distance_band": lambda races: _banded(distance_band(races)),
    "going_band": lambda races: _banded(going_band(races)),
    "draw_band": lambda races: _banded(draw_band(races)),
    "day": lambda races: _banded(np.repeat(races.day, np.diff(races.offsets)).astype(np.float64)),
}


def keys(races: Races, parts: tuple[str, ...]) -> tuple[Ints, list[str]]:
    """Return (int64[N] codes, the distinct keys); -1 for a runner that lacks one of the parts."""
    codes = np.zeros(races.runners, dtype=np.int64)
    lacking = np.zeros(races.runners, dtype=np.bool_)
    words: list[Texts] = []
    for part in parts:
        own, own_words = PARTS[part](races)
        codes = codes * max(len(own_words), 1) + np.maximum(own, 0)
        lacking |= own < 0
        words.append(own_words)
    distinct, inverse = np.unique(codes[~lacking], return_inverse=True)
    out = np.full(races.runners, -1, dtype=np.int64)
    out[~lacking] = inverse
    return out, [_spell(int(code), words) for code in distinct]


def _spell(code: int, words: list[Texts]) -> str:
    parts: list[str] = []
    for own in reversed(words):
        code, at = divmod(code, max(len(own), 1))
        parts.append(spelled(str(own[at])))
    return SEPARATOR.join(reversed(parts))


def spelled(word: str) -> str:
    """Return a part of a key as it stands in it: the separator inside a name spelled out."""
    return word if word.isprintable() else word.translate(_SPELLED_OUT)
