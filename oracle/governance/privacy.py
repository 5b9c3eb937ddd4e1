r"""Personal data in free text: found, and replaced by one fixed word for each kind. Pure.

Before a text is searched it is folded: full-width digits and signs become plain ones, whatever has no width is passed
over, and `%40` and `\u0040` are read as the sign they stand for. What is replaced is the text as it came.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal, get_args

from oracle.governance.addresses import addresses
from oracle.governance.identifiers import Span, cards, emails, phones

Kind = Literal["email", "card", "phone", "address"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_SEARCHES: Mapping[Kind, Callable[[str], Iterator[Span]]] = {
    "email": emails,
    "card": cards,
    "phone": phones,
    "address": addresses,
}


def word(kind: Kind) -> str:
    """Return what stands in the place of something personal.

    >>> word("email")
    '[email]'
    """
    return f"[{kind}]"


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """Where something personal stands in a text."""

    begin: int
    end: int
    kind: Kind


class _Folded(dict[int, str]):
    """Each letter as the plain one that it looks like, one for one; worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        plain = unicodedata.normalize("NFKC", letter)
        if unicodedata.category(letter) == "Pd":
            plain = "-"
        elif unicodedata.category(letter) == "Nd":
            plain = str(unicodedata.digit(letter))
        elif unicodedata.category(letter) == "Zs":
            plain = " "
        self[code] = plain if len(plain) == 1 else letter
        return self[code]


_PLAIN = _Folded()
_WIDTHLESS = "".join(
    chr(c) for c in (0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF)
)
_ESCAPED = re.compile(rf"[{_WIDTHLESS}]+|((?:%[0-9A-Fa-f]{{2}})+)|\\u([0-9A-Fa-f]{{4}})")


def fold(text: str) -> tuple[str, list[int] | None]:
    """Return the text in plain letters, and where each of them stands in the original; None where nothing has moved.

    >>> fold("４１１１")[0], fold("a%40b")
    ('4111', ('a@b', [0, 1, 4, 5]))
    """
    plain = text if text.isascii() else text.translate(_PLAIN)
    if plain.isascii() and "%" not in plain and "\\u" not in plain:
        return plain, None
    parts: list[str] = []
    places: list[int] = []
    last = 0
    for found in _ESCAPED.finditer(plain):
        letters = _unescaped(found.group(1), found.group(2))
        parts += (plain[last : found.start()], *(letter for letter, _ in letters))
        places += range(last, found.start())
        places += (found.start() + at for _, at in letters)
        last = found.end()
    if not last:
        return plain, None
    return "".join((*parts, plain[last:])), [*places, *range(last, len(plain)), len(plain)]


def _unescaped(percent: str | None, code: str | None) -> list[tuple[str, int]]:
    """Return the plain letters that an escape stands for, each with its place in it."""
    if code:
        letters = [(chr(int(code, 16)), 0)]
    elif percent:
        raw = bytes.fromhex(percent.replace("%", ""))
        said = raw.decode("utf-8", "replace")
        known = "\ufffd" not in said
        widths = [3 * len(letter.encode()) for letter in said] if known else [3] * len(raw)
        starts = [0, *accumulate(widths)]
        letters = list(zip(said if known else raw.decode("latin-1"), starts, strict=False))
    else:
        return []
    return [(letter.translate(_PLAIN), at) for letter, at in letters if letter.isprintable()]


_NOTHING: tuple[Found, ...] = ()


def found(text: str) -> tuple[Found, ...]:
    """Return what personal data a text holds, in its order; where two overlap, the one that begins first.

    >>> [each.kind for each in found("ask jo@example.com or +852 2345 6789")]
    ['email', 'phone']
    """
    plain, places = fold(text)
    if "@" not in plain and not any(map(str.isdigit, plain)):
        return _NOTHING
    order = {kind: at for at, kind in enumerate(KINDS)}
    spans = sorted(
        ((begin, order[kind], end, kind) for kind, search in _SEARCHES.items() for begin, end in search(plain)),
        key=lambda each: each[:2],
    )
    kept: list[Found] = []
    last = 0
    for begin, _, end, kind in spans:
        if begin >= last:
            kept.append(Found(begin, end, kind))
            last = end
        elif end > last:  # an overlap is covered whole, by the kind that began first
            kept[-1] = Found(kept[-1].begin, end, kept[-1].kind)
            last = end
    if places is None:
        return tuple(kept)
    return tuple(Found(places[each.begin], _end(places, each.end), each.kind) for each in kept)


def _end(places: list[int], end: int) -> int:
    """Return where a span ends in the original: behind all of its last letter, whatever that was written as."""
    return places[end]


MOST_PASSES = 8


def mask(text: str) -> str:
    """Return the text with a fixed word in the place of each e-mail address, card, telephone number and address.

    Masked again it stays as it is: what only a mask beside it makes look personal is masked at once.

    >>> mask("Jo <jo@example.com>, card 4111 1111 1111 1111")
    'Jo <[email]>, card [card]'
    """
    for _ in range(MOST_PASSES):
        spans = found(text)
        if not spans:
            break
        parts: list[str] = []
        last = 0
        for each in spans:
            parts += (text[last : each.begin], word(each.kind))
            last = each.end
        text = "".join((*parts, text[last:]))
    return text


BARE_DIGITS = re.compile(r"\d+")
CARD_LENGTH = 16


def certain(text: str) -> tuple[Found, ...]:
    """Return what personal data a text holds that is an id, where a bare run of digits says nothing.

    Ids are digits, with leading zeros too, and of the microchips of Irish and Hong Kong horses (15 digits from 372 and
    344) one in ten would pass for a payment card. So digits alone count only at sixteen: nothing in racing has as many.

    >>> [each.kind for each in certain("jo@example.com")], certain("0612345678"), certain("372098100012341")
    (['email'], (), ())
    """
    return tuple(each for each in found(text) if _is_certain(fold(text[each.begin : each.end])[0], each.kind))


def _is_certain(text: str, kind: Kind) -> bool:
    return BARE_DIGITS.fullmatch(text) is None or (kind == "card" and len(text) == CARD_LENGTH)


def masked(document: Any) -> Any:
    """Return a document of JSON's kinds with every text in it masked, names of members too; other values stay.

    Where the name of a member ends in `_id` or `_key` its value is an id, and masked where it is `certain`. A number
    that is a payment card's becomes null: no word can stand in its place.
    """
    if isinstance(document, str):
        return mask(document)
    if isinstance(document, Mapping):
        return {mask(str(name)): _member(str(name), value) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [masked(each) for each in document]
    if isinstance(document, int | float) and not isinstance(document, bool) and 10**12 <= abs(document) < 10**19:
        return None if any(cards(f"{abs(document):.0f}")) else document
    return document


def _member(name: str, value: Any) -> Any:
    if isinstance(value, str) and name.endswith(("_id", "_key")):
        return mask(value) if certain(value) else value
    return masked(value)


def inside(document: Any) -> Iterator[Kind]:
    """Yield the kind of everything that `masked` would mask in a document."""
    if isinstance(document, str):
        yield from (each.kind for each in found(document))
    elif isinstance(document, Mapping):
        for name, value in document.items():
            yield from inside(str(name))
            if isinstance(value, str) and str(name).endswith(("_id", "_key")):
                yield from (each.kind for each in (found(value) if certain(value) else ()))
            else:
                yield from inside(value)
    elif isinstance(document, list | tuple):
        for each in document:
            yield from inside(each)
    elif masked(document) is not document:
        yield "card"
