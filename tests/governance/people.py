"""Invented people: what identifies them, in the formats that forms and letters use, by kind.

Faker writes most of them. What it does not know (numbers of Hong Kong, Irish and Hong Kong addresses) is made here.
Left out are the formats that `docs/privacy.md` says are not told from other numbers: see `unclear`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from faker import Faker

from oracle.governance.privacy import Kind

LOCALES = ("en_US", "en_GB", "en_IE", "en_AU", "en_CA", "de_DE", "fr_FR", "ja_JP", "zh_TW")
"""The countries of our races and of their languages."""
STREETS = (
    "Queen's Road Central",
    "Nathan Road",
    "Kwun Tong Road",
    "Des Voeux Road West",
    "Java Road",
    "Tung Choi Street",
)


def hong_kong_phone(chance: random.Random) -> str:
    first, second = chance.randint(2000, 9999), chance.randint(0, 9999)
    return chance.choice(("+852 {} {:04}", "+852-{}-{:04}", "+852{}{:04}", "(852) {} {:04}", "tel {} {:04}")).format(
        first, second
    )


def hong_kong_address(chance: random.Random) -> str:
    flat, floor, number = chance.choice("ABCDEFGH"), chance.randint(1, 60), chance.randint(1, 900)
    return f"Flat {flat}, {floor}/F, {number} {chance.choice(STREETS)}, Hong Kong"


def people(seed: int, locales: tuple[str, ...] = LOCALES) -> Iterator[tuple[str, Kind, str]]:
    """Yield (locale, kind, identifier), without end."""
    chance = random.Random(seed)
    fakers = {name: Faker(name) for name in locales}
    for at, faker in enumerate(fakers.values()):
        faker.seed_instance(seed + at)
    while True:
        for name, faker in fakers.items():
            yield name, "email", faker.email()
            yield name, "card", _printed(faker.credit_card_number(), chance)
            yield name, "phone", faker.phone_number()
            yield name, "address", faker.address().replace("\n", ", ")
        yield "hong kong", "phone", hong_kong_phone(chance)
        yield "hong kong", "address", hong_kong_address(chance)


def _printed(number: str, chance: random.Random) -> str:
    """Return a card's number as a run of digits or in the groups of four that cards show."""
    if len(number) != 16 or chance.random() < 0.5:
        return number
    return chance.choice(" -").join(number[at : at + 4] for at in range(0, 16, 4))


def unclear(kind: Kind, text: str) -> bool:
    """Tell whether an identifier is a number that nothing tells from others.

    That is bare digits without a leading zero, and what has two of them without a country's code: Faker makes some
    numbers that no network has.
    """
    digits = "".join(filter(str.isdigit, text))
    bare = text.replace(" ", "").replace("-", "").replace(".", "") == digits
    return kind == "phone" and (
        (bare and not digits.startswith("0") and len(digits) < 11)
        or (digits.startswith("00") and not text.startswith("+"))
    )


def identifiers(seed: int, count: int, fits: Callable[[Kind, str], bool]) -> list[str]:
    """Return so many different identifiers that fit."""
    found: dict[str, None] = {}
    for _, kind, text in people(seed):
        if fits(kind, text):
            found[text] = None
        if len(found) == count:
            break
    return list(found)
