"""What every layout of Hong Kong results shares: venues, place codes, race ids, horse ids, tracks and goings."""

from __future__ import annotations

import re
from types import MappingProxyType

import pandas as pd

from oracle.data.sources.rows import Place, Rows, understood
from oracle.data.sources.units import is_missing
from oracle.data.sources.words import PLACE_CODES, going
from oracle.race import Status, Surface

ZONE = "Asia/Hong_Kong"
VENUES = MappingProxyType(
    {
        **dict.fromkeys(("沙田", "sha tin", "st"), "Sha Tin"),
        **dict.fromkeys(("跑馬地", "快活谷", "happy valley", "hv"), "Happy Valley"),
    }
)
_SHORT = MappingProxyType({"Sha Tin": "ST", "Happy Valley": "HV"})
DEAD_HEAT = r"平頭馬|DH"
_PLACE = re.compile(r"(\d{1,2})\s*(?:平頭馬|DH)?")
_HORSE = re.compile(r"(.+?)\s*[(（]([A-Z]{1,2}\d{3})[)）]")
_RAIL = re.compile(r'"\s*([A-Z](?:\+\d)?)\s*"')
_GOINGS = MappingProxyType(
    {
        "快地": "firm",
        "好地至快地": "good_to_firm",
        "好地": "good",
        "好地至黏地": "good_to_yielding",
        "黏地": "yielding",
        "黏地至軟地": "yielding_to_soft",
        "軟地": "soft",
        "軟地至大爛地": "soft_to_heavy",
        "大爛地": "heavy",
        "濕快地": "wet_fast",
        "慢地": "slow",
        "濕慢地": "wet_slow",
        "泥濘": "muddy",
        "封地": "sealed",
    }
)


def place(text: str) -> Place:
    """Return status and position of a place as the Jockey Club writes it; a blank one is a withdrawal.

    >>> place("5 平頭馬"), place("PU")[0].value, place("WV-A")[0].value
    ((<Status.FINISHED: 'finished'>, 5), 'pulled_up', 'withdrawn')
    """
    if is_missing(text):
        return Status.WITHDRAWN, None
    if match := _PLACE.fullmatch(text):
        return Status.FINISHED, int(match[1])
    return PLACE_CODES[text.upper()], None


def venue(text: str) -> str | None:
    """Return the English name of a racecourse; one we do not know (a simulcast abroad) keeps its own."""
    return None if is_missing(text) else VENUES.get(text.lower(), text)


def put_race(rows: Rows, dates: pd.Series, venues: pd.Series, numbers: pd.Series) -> None:
    """Set course and race id, such as `HK-2016-01-01-ST-03`: the same race has the same id in every layout."""
    rows.parse("course", venues, venue)
    short = understood(venues, lambda text: _SHORT.get(venue(text) or "", venue(text) or "?"))
    rows.put("race_id", "HK-" + dates.str[:10] + "-" + short.astype("str") + "-" + numbers.str.zfill(2))
    rows.put("country", "HK")


def put_ground(rows: Rows, courses: pd.Series, goings: pd.Series) -> None:
    """Set surface, track and going from texts such as `TURF - "C+3" COURSE`; the sand track is all-weather.

    快地 is "firm" on turf and "fast" on the sand track.
    """
    rows.put("surface", understood(courses, surface).to_numpy())
    rows.put("track", understood(courses, _rail).to_numpy())
    both = rows["surface"].fillna("").astype("str") + "|" + goings
    rows.put("going", understood(both, _going).to_numpy())


def put_horse(rows: Rows, names: pd.Series) -> None:
    """Set the horse and its brand number from `合夥贛勁 (D051)`; a name without one is its own id."""
    matches = understood(names, _HORSE.fullmatch)
    rows.put("horse", understood(names, lambda t: _named(_HORSE.fullmatch(t), 1, t)).to_numpy())
    rows.put("horse_id", [match[2] if match else name for match, name in zip(matches, rows["horse"], strict=True)])


def surface(text: str) -> str | None:
    """Return the surface a course description speaks of, None where it speaks of none."""
    lowered = text.lower()
    if "草地" in text or "turf" in lowered:
        return Surface.TURF
    return Surface.ALL_WEATHER if "全天候" in text or "all weather" in lowered or "泥地" in text else None


def _rail(text: str) -> str | None:
    match = _RAIL.search(text)
    return match[1] if match else None


def _going(text: str) -> str | None:
    ground, words = text.split("|", 1)
    if is_missing(words):
        return None
    known = _GOINGS.get(words) or going(words) or words
    return "fast" if known == "firm" and ground == Surface.ALL_WEATHER else known


def _named(match: re.Match[str] | None, group: int, text: str) -> str | None:
    if match:
        return match[group]
    return None if is_missing(text) else text
