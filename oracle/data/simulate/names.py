"""Names and ids that sound like racing, are invented, and are never given twice.

A number becomes a name by mixed-radix digits over lists of words. The digits are first scattered by a multiplication
that has an inverse modulo the number of names, so that neighbours do not sound alike and no two numbers meet.
"""

from __future__ import annotations

from collections.abc import Iterable


def _list(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_FIRST = _list(
    "Amber Ancient Autumn Azure Bold Brave Bright Broken Bronze Calm Candid Clever Copper Coral Crimson Crystal "
    "Dancing Daring Distant Dusky Early Eastern Ember Fearless Fleeting Flying Gentle Gilded Golden Grand Hidden "
    "Honest Humble Ivory Jolly Keen Lasting Little Lonely Lucky Merry Midnight Misty Noble Northern Patient Proud "
    "Quick Quiet Rapid Restless Roaming Royal Secret Silent Silver Singing Solemn Stormy Summer Velvet Wandering "
    "Western Winter"
)
_SECOND = _list(
    "Anchor Anthem Arrow Aspen Ballad Banner Beacon Bramble Breeze Brook Candle Canyon Cedar Chapter Chimney "
    "Clover Comet Compass Crown Dancer Dawn Dream Echo Falcon Feather Fiddle Flame Forest Garden Glory Harbour "
    "Harvest Heather Heron Horizon Island Jewel Juniper Lantern Legend Maple Meadow Melody Mirror Orchard Outlaw "
    "Parade Pebble Piper Promise Raven Ribbon River Saddle Shadow Signal Sonnet Spark Thistle Thunder Tide Voyage "
    "Whisper Willow"
)
_THIRD = _list(
    "Abbey Again Alley Avenue Bay Bend Blaze Boy Bridge Call Castle Chase Coast Corner Court Cove Creek Cross "
    "Dance Dell Down Fair Farm Fern Field Ford Gate Girl Glen Grove Hall Heart Hill Hollow House Isle Kin Lad "
    "Lady Lake Lane Light Lodge Manor March Mill Moon Moor Park Path Peak Pool Prince Queen Quest Ridge Road Rose "
    "Song Star Stone Trail Vale Wood"
)
_ONSET = _list(
    "Ald Ash Bar Birch Black Brad Cald Carl Cran Dal Dun El Fair Fen Garth Glan Hal Har Hol Ingle Kel Kirk Lang "
    "Lin Mar Mel Nor Oak Pem Rad Red Shel Stan Thorn Wal Wind"
)
_ENDING = _list(
    "bourne burn by combe den don field ford ham hurst ley low man mere more ridge shaw stead stone ton well wick "
    "worth yard"
)
_INITIALS = "ABCDEFGHJKLMNOPRSTVW"

_HORSES = len(_FIRST) * len(_SECOND) * len(_THIRD)
_PEOPLE = len(_ONSET) * len(_ENDING) * len(_INITIALS)


def horse_name(number: int) -> str:
    """Return the name of the horse with this number: three words, with a numeral once all 262,144 have been used.

    >>> horse_name(1), horse_name(1 + 64**3)
    ('Lonely Banner Hollow', 'Lonely Banner Hollow 2')
    """
    again, n = divmod(number, _HORSES)
    n = n * 156_001 % _HORSES
    n, third = divmod(n, len(_THIRD))
    first, second = divmod(n, len(_SECOND))
    name = f"{_FIRST[first]} {_SECOND[second]} {_THIRD[third]}"
    return f"{name} {again + 1}" if again else name


def person_name(number: int) -> str:
    """Return the name of the jockey or trainer with this number: initial and surname."""
    again, n = divmod(number, _PEOPLE)
    n = n * 7_453 % _PEOPLE
    n, initial = divmod(n, len(_INITIALS))
    onset, ending = divmod(n, len(_ENDING))
    name = f"{_INITIALS[initial]} {_ONSET[onset]}{_ENDING[ending]}"
    return f"{name} {again + 1}" if again else name


def sire_name(number: int) -> str:
    """Return the name of a stallion: two words, so that no runner shares it."""
    return f"{_SECOND[number % 64]} {_THIRD[number * 37 % 64]}"


def ids(letter: str, numbers: Iterable[int]) -> list[str]:
    """Return ids such as H0000012: the kind's letter and the number."""
    return [f"{letter}{n:07d}" for n in numbers]
