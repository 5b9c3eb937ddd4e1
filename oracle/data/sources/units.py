"""One text to one number: times, weights, distances, odds and margins, as racing writes them in many places.

Every parser takes one stripped text and returns the value in the canonical unit, None where the text says "missing",
and raises `ValueError` where it says something we do not understand: silence would turn odd values into missing ones.
"""

from __future__ import annotations

import re
from types import MappingProxyType

POUND = 0.45359237
"""Kilograms in a pound."""
YARD = 0.9144
"""Metres in a yard."""
FURLONG = 220 * YARD
MILE = 1760 * YARD

MISSING = frozenset({"", "-", "--", "---", "–", "—", "na", "n/a", "nan", "none", "null", "<na>", "計不"})
"""How the layouts write "no value", lower-cased."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?")
_DAY_FIRST = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+(\.\d*)?")
_CURRENCY = re.compile(r"^[A-Z]{0,3}[$£€¥]?\s*(?=\d)|(?<=\d)\s*(?:[$£€¥円]|[A-Z]{3})$")
_FRACTIONS = MappingProxyType({"½": 0.5, "¼": 0.25, "¾": 0.75, "⅓": 1 / 3, "⅔": 2 / 3, "⅛": 0.125})
_STONES = re.compile(r"(\d{1,2})-(\d{1,2})")
_IMPERIAL = re.compile(r"(?:(\d+)m)?(?:([\d.]*[½¼¾⅓⅔⅛]?)f)?(?:(\d+)(?:y|yds?))?")
_BLANK_BEFORE_THREE = re.compile(r"(?<=\d)[ \u00a0\u2009\u202f'](?=\d{3}(?!\d))")
_MARKED = re.compile(r"(.*?)\s*(?:[FJC]|JF|CF)\d?", re.IGNORECASE)
_MIXED = re.compile(r"(?:(\d+)[-. +])?(\d+)/(\d+)")
_METRES_AT_LEAST = 200


def is_missing(text: str) -> bool:
    """Tell whether the text is one of the ways to write no value."""
    return text.lower() in MISSING


def number(text: str) -> float | None:
    """Return a plain decimal number; thousands may be set apart by commas, blanks or apostrophes.

    >>> number("1,170.5"), number("1 600"), number("---")
    (1170.5, 1600.0, None)
    """
    if is_missing(text):
        return None
    text = _BLANK_BEFORE_THREE.sub("", text)
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    if not _NUMBER.fullmatch(text) or len(text) > 25:
        raise ValueError(text)
    return float(text)


def whole(text: str) -> float | None:
    """Return a whole number (as a float, for arrays with gaps); `3.0`, as spreadsheets write it, is 3.

    >>> whole("3.0")
    3.0
    """
    value = number(text)
    if value is not None and (value != int(value) or not 0 <= value < 2**15):
        raise ValueError(text)
    return value


def counted(text: str) -> float | None:
    """Return a number that counts from 1 (stall, saddle-cloth, place in running); 0 means there was none."""
    return whole(text) or None


def day(text: str) -> str:
    """Return a date as `YYYY-MM-DD`, from that with or without a time behind it, or from day, month and year.

    >>> day("2024-05-01 00:00:00"), day("1/5/2024")
    ('2024-05-01', '2024-05-01')
    """
    if match := _DAY_FIRST.fullmatch(text):
        text = f"{match[3]}-{int(match[2]):02d}-{int(match[1]):02d}"
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return text[:10]


def integer_text(text: str) -> str | None:
    """Return an id as text; one that a spreadsheet turned into `12.0` is 12 again."""
    return None if is_missing(text) else re.sub(r"(?<=\d)\.0+$", "", text)


def seconds(text: str) -> float | None:
    """Return a time in seconds from `1:10.12`, `1.22.33`, `0.58.37`, `00:04:16.9` or `58.37`.

    >>> seconds("1.22.33"), seconds("00:04:16.9000000"), seconds("58.37")
    (82.33, 256.9, 58.37)
    """
    if is_missing(text):
        return None
    text = re.sub(r"^(\d+)\.(\d\d)\.(\d+)$", r"\1:\2.\3", text)
    parts = text.split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"\d+(\.\d+)?", p) for p in parts) or any("." in p for p in parts[:-1]):
        raise ValueError(text)
    total = 0.0
    for part in parts:
        total = total * 60 + float(part)
    return round(total, 4) or None


def kilograms(text: str) -> float | None:
    """Return a weight already written in kilograms, with or without the unit; 0 means it was not recorded.

    >>> kilograms("58.5kg")
    58.5
    """
    return number(_without_unit(text, "kgs?")) or None


def pounds(text: str) -> float | None:
    """Return kilograms from pounds.

    >>> pounds("133")
    60.33
    """
    value = number(_without_unit(text, "lbs?"))
    return round(value * POUND, 2) if value else None


def stones(text: str) -> float | None:
    """Return kilograms from stones and pounds.

    >>> stones("11-3")
    71.21
    """
    if is_missing(text):
        return None
    match = _STONES.fullmatch(text)
    if not match or int(match[2]) >= 14:
        raise ValueError(text)
    return pounds(str(int(match[1]) * 14 + int(match[2])))


def metres(text: str) -> float | None:
    """Return a distance already written in metres, with or without the letter m."""
    value = number(_without_unit(text, "m(et(er|re)s?)?"))
    return round(value) if value else None


def _without_unit(text: str, unit: str) -> str:
    return re.sub(rf"(?<=[\d½¼¾.])\s*{unit}$", "", text, flags=re.IGNORECASE)


def yards(text: str) -> float | None:
    """Return metres from yards."""
    value = number(text)
    return round(value * YARD) if value else None


def furlongs(text: str) -> float | None:
    """Return metres from furlongs, `17.5` or `7f`.

    >>> furlongs("8")
    1609
    """
    text = _without_unit(text, "f(urlongs?)?")
    value = _with_fraction(text) if text[-1:] in _FRACTIONS and text else number(text)
    return round(value * FURLONG) if value else None


def miles(text: str) -> float | None:
    """Return metres from miles as a decimal number."""
    value = number(text)
    return round(value * MILE) if value else None


def imperial(text: str) -> float | None:
    """Return metres from miles, furlongs and yards, or from metres where the number is too large for miles.

    >>> imperial("2m4½f"), imperial("7½f"), imperial("1m2f110y"), imperial("1200m")
    (4124, 1509, 2112, 1200)
    """
    if is_missing(text):
        return None
    text = text.replace(" ", "").lower()
    match = _IMPERIAL.fullmatch(text)
    if not match or not any(match.groups()):
        raise ValueError(text)
    whole_miles, part, extra = match.groups()
    if whole_miles and int(whole_miles) >= _METRES_AT_LEAST:
        return metres(text)
    size = MILE * int(whole_miles or 0) + FURLONG * _with_fraction(part or "0") + YARD * int(extra or 0)
    return round(size)


def _with_fraction(text: str) -> float:
    fraction = _FRACTIONS.get(text[-1:])
    return float(text) if fraction is None else float(text[:-1] or 0) + fraction


def decimal_odds(text: str) -> float | None:
    """Return decimal odds, stake included, as they stand, with or without the sign of a currency.

    >>> decimal_odds("$4.60")
    4.6
    """
    return number(text.lstrip("$£€"))


def money(text: str) -> float | None:
    """Return an amount of money, with or without its currency.

    >>> money("£4,187.00"), money("12500 EUR"), money("A$27,500")
    (4187.0, 12500.0, 27500.0)
    """
    return number(_CURRENCY.sub("", text))


def fractional_odds(text: str) -> float | None:
    """Return decimal odds from fractions; marks of favouritism (F, J, C, JF, CF) say nothing new and are cut off.

    >>> fractional_odds("2/1F"), fractional_odds("EvensF"), fractional_odds("100/30"), fractional_odds("13/8J")
    (3.0, 2.0, 4.3333, 2.625)
    >>> fractional_odds("10"), fractional_odds("7/4 F")
    (11.0, 2.75)
    """
    if is_missing(text) or text.upper() in {"SP", "NO ODDS"}:
        return None
    match = _MARKED.fullmatch(text)
    text = match[1] if match else text
    if text.lower() in {"evens", "evs", "even", "evn"}:
        return 2.0
    if re.fullmatch(r"\d{1,4}", text):
        return float(text) + 1.0  # `10` is short for 10/1
    if not (match := re.fullmatch(r"(\d{1,6})\s*[/-]\s*(\d{1,6})", text)) or int(match[2]) == 0:
        raise ValueError(text)
    return round(1 + int(match[1]) / int(match[2]), 4)


def american_odds(text: str) -> float | None:
    """Return decimal odds from American money lines.

    >>> american_odds("+250"), american_odds("-200")
    (3.5, 1.5)
    """
    value = number(text)
    if value is None:
        return None
    if abs(value) < 100:
        raise ValueError(text)
    return round(1 + (value / 100 if value > 0 else 100 / -value), 4)


MARGINS = MappingProxyType(
    {
        **dict.fromkeys(("平頭馬", "dh", "dht", "dead heat", "同着"), 0.0),
        **dict.fromkeys(("鼻位", "nose", "nse", "ns", "no", "ハナ"), 0.05),
        **dict.fromkeys(("短馬頭位", "sh", "shd", "sht-hd", "short head"), 0.1),
        **dict.fromkeys(("頭位", "馬頭位", "hd", "head", "アタマ"), 0.2),
        **dict.fromkeys(("snk", "sn", "short neck"), 0.25),
        **dict.fromkeys(("頸位", "馬頸位", "n", "nk", "neck", "クビ"), 0.3),
        "大": 11.0,
        **dict.fromkeys(("多個馬位", "遙遙落後", "ml", "many lengths", "dist", "dst", "distance"), None),
    }
)
"""Margins in words, in lengths, with the values of the British scale. 大差 means more than ten lengths: 11. "Many
lengths" and "distanced" say no more than that: missing."""


def lengths(text: str) -> float | None:
    """Return a margin in lengths from a number, a fraction or a word; parts joined by + are added.

    >>> lengths("4-1/4"), lengths("1.3/4"), lengths("短馬頭位"), lengths("3/4+クビ"), lengths("2.5L")
    (4.25, 1.75, 0.1, 1.05, 2.5)
    """
    if text.lower() in MARGINS:
        return MARGINS[text.lower()]
    if is_missing(text):
        return None
    if "+" in text[1:]:
        parts = [lengths(part.strip()) for part in text.lstrip("+").split("+")]
        return None if None in parts else round(sum(part for part in parts if part is not None), 4)
    text = _without_unit(text.lstrip("+"), "(l|len|lengths?)")
    if match := _MIXED.fullmatch(text):
        if int(match[3]) == 0:
            raise ValueError(text)
        return int(match[1] or 0) + int(match[2]) / int(match[3])
    if text[-1:] in _FRACTIONS:
        return _with_fraction(text)
    return lengths_word(text) if text[:1] != "-" and not text[:1].isdigit() else number(text)


def lengths_word(text: str) -> float | None:
    """Return the value of a margin in words, written with or without a full stop."""
    plain = text.lower().rstrip(".")
    if plain not in MARGINS:
        raise ValueError(text)
    return MARGINS[plain]
