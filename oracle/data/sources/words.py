"""The words of English-speaking racing and what they mean here: going, surface, discipline, sex, codes, countries.

Layouts in other languages keep their own small tables beside their own code; these are what several layouts share.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from oracle.race import GOINGS, RaceType, Sex, Status, Surface

PLACE_CODES = MappingProxyType(
    {
        **dict.fromkeys(("PU", "P"), Status.PULLED_UP),
        **dict.fromkeys(("F", "FE", "FELL"), Status.FELL),
        **dict.fromkeys(("UR", "U"), Status.UNSEATED),
        **dict.fromkeys(("BD", "B"), Status.BROUGHT_DOWN),
        **dict.fromkeys(("SU", "S"), Status.SLIPPED_UP),
        **dict.fromkeys(("CO", "C"), Status.CARRIED_OUT),
        **dict.fromkeys(("RO", "O"), Status.RAN_OUT),
        **dict.fromkeys(("REF", "R", "RR", "RTR"), Status.REFUSED),
        **dict.fromkeys(("DNF", "TNP", "LFT", "L", "HR", "DIS"), Status.DID_NOT_FINISH),
        **dict.fromkeys(("DSQ", "DISQ", "DQ", "D"), Status.DISQUALIFIED),
        **dict.fromkeys(("NR", "WDU", "WD", "WDN", "WV", "WV-A", "WX", "WX-A", "WXNR", "WR", "SCR"), Status.WITHDRAWN),
        **dict.fromkeys(("VOI", "VOID", "ABD"), Status.VOID),
    }
)
"""What stands in place of a finishing position. RR, TNP and LFT (refused to race, took no part, left at the start) came
under orders and lost their backers' money: they started."""

SURFACES = MappingProxyType(
    {
        **dict.fromkeys(("turf", "grass"), Surface.TURF),
        "dirt": Surface.DIRT,
        **dict.fromkeys(
            ("allweather", "aw", "awt", "allweathertrack", "polytrack", "tapeta", "fibresand", "synthetic"),
            Surface.ALL_WEATHER,
        ),
    }
)
RACE_TYPES = MappingProxyType(
    {
        **dict.fromkeys(("flat", "other"), RaceType.FLAT),
        "hurdle": RaceType.HURDLE,
        **dict.fromkeys(("chase", "steeplechase", "crosscountrychase", "huntchase"), RaceType.CHASE),
        **dict.fromkeys(("nhflat", "bumper", "nhf", "inhflat"), RaceType.BUMPER),
    }
)
SEXES = MappingProxyType(
    {
        **dict.fromkeys(("c", "colt"), Sex.COLT),
        **dict.fromkeys(("h", "horse", "stallion", "entire"), Sex.HORSE),
        **dict.fromkeys(("g", "gelding"), Sex.GELDING),
        **dict.fromkeys(("r", "x", "rig", "ridgling"), Sex.RIG),
        **dict.fromkeys(("f", "filly"), Sex.FILLY),
        **dict.fromkeys(("m", "mare"), Sex.MARE),
    }
)

COUNTRIES = MappingProxyType(
    {
        "GB": ("GB", "Europe/London"),
        "UK": ("GB", "Europe/London"),
        "IRE": ("IE", "Europe/Dublin"),
        "FR": ("FR", "Europe/Paris"),
        "GER": ("DE", "Europe/Berlin"),
        "ITY": ("IT", "Europe/Rome"),
        "SPA": ("ES", "Europe/Madrid"),
        "SWE": ("SE", "Europe/Stockholm"),
        "SWI": ("CH", "Europe/Zurich"),
        "DEN": ("DK", "Europe/Copenhagen"),
        "NOR": ("NO", "Europe/Oslo"),
        "BEL": ("BE", "Europe/Brussels"),
        "HOL": ("NL", "Europe/Amsterdam"),
        "AUT": ("AT", "Europe/Vienna"),
        "HUN": ("HU", "Europe/Budapest"),
        "CZE": ("CZ", "Europe/Prague"),
        "POL": ("PL", "Europe/Warsaw"),
        "GRE": ("GR", "Europe/Athens"),
        "TUR": ("TR", "Europe/Istanbul"),
        "JER": ("JE", "Europe/London"),
        "GUE": ("GG", "Europe/London"),
        "UAE": ("AE", "Asia/Dubai"),
        "KSA": ("SA", "Asia/Riyadh"),
        "QA": ("QA", "Asia/Qatar"),
        "BHR": ("BH", "Asia/Bahrain"),
        "OMN": ("OM", "Asia/Muscat"),
        "MOR": ("MA", "Africa/Casablanca"),
        "TUN": ("TN", "Africa/Tunis"),
        "SAF": ("ZA", "Africa/Johannesburg"),
        "ZIM": ("ZW", "Africa/Harare"),
        "MAU": ("MU", "Indian/Mauritius"),
        "IND": ("IN", "Asia/Kolkata"),
        "JPN": ("JP", "Asia/Tokyo"),
        "HK": ("HK", "Asia/Hong_Kong"),
        "KOR": ("KR", "Asia/Seoul"),
        "SIN": ("SG", "Asia/Singapore"),
        "MAL": ("MY", "Asia/Kuala_Lumpur"),
        "MAC": ("MO", "Asia/Macau"),
        "CHN": ("CN", "Asia/Shanghai"),
        "AUS": ("AU", "Australia/Sydney"),
        "NZ": ("NZ", "Pacific/Auckland"),
        "USA": ("US", "America/New_York"),
        "CAN": ("CA", "America/Toronto"),
        "ARG": ("AR", "America/Argentina/Buenos_Aires"),
        "BRZ": ("BR", "America/Sao_Paulo"),
        "CHI": ("CL", "America/Santiago"),
        "URU": ("UY", "America/Montevideo"),
        "PER": ("PE", "America/Lima"),
        "VEN": ("VE", "America/Caracas"),
        "MEX": ("MX", "America/Mexico_City"),
    }
)
"""Country codes of the form book: ISO code, and the time zone of its off times (of the capital of racing where a
country has several)."""


def going(text: str) -> str | None:
    """Return a key of `GOINGS`, or the unknown words themselves, lower-cased and joined by underscores.

    Only the main description counts: `Good (Good to Firm in places)` is good. The order of two words does not matter,
    and where their mixture has no name the first one is taken.

    >>> going("GOOD TO FIRM"), going("Soft to Good"), going("Firm to Hard"), going("Wet Fast"), going("Bog")
    ('good_to_firm', 'good_to_soft', 'firm', 'wet_fast', 'bog')
    """
    main = re.split(r"[(,;]", text)[0]
    word = re.sub(r"[\W\d_]+", "_", main.replace("/", " to ").lower()).strip("_")
    if word in GOINGS or not word:
        return word or None
    if (turned := "_to_".join(reversed(word.split("_to_")))) in GOINGS:
        return turned
    first = next((known for known in sorted(GOINGS, key=len, reverse=True) if word.startswith(f"{known}_")), word)
    return first if "_to_" in word or "in_place" in word else word
