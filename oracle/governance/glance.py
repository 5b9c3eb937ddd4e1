"""A quick look at JSON: most cards, answers and results hold nothing personal, and a request cannot wait for a search.

Pure. A test holds it to the search itself: whatever that finds in a text, this does not call ordinary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import orjson

from oracle.governance.privacy import certain, fold, found, mask, masked

SIGNS = b"@%\\"
KEPT = b'": ' + SIGNS


def _shape(code: int) -> int:
    """Return what a byte becomes: a digit 0, a letter a, one of another script a blank."""
    letter = chr(code)
    return 0x30 if letter.isdigit() else 0x61 if letter.isalpha() else code


_SHAPE = bytes([*map(_shape, range(0x80)), *b" " * 0x80]).translate(bytes.maketrans(SIGNS, b"@" * len(SIGNS)))
_DELETED = bytes(c for c in range(0x80) if not chr(c).isalnum() and c not in KEPT)
_NEEDLES = (b"0 ", b" 0", b"000000000", b"a0000000", b"a:0000000")
"""What every kind but e-mail needs one of, once the other signs are gone: a number beside a word or a group, nine
digits, or seven behind a word."""
LONG_ID = re.compile(rb'"[1-9][0-9]{9}"')
"""Ten digits that are no telephone number without a word before them: the horses of whole countries have such ids."""
NEAR = 24
SHORTEST_CARD = 12
_LETTERS = bytes([*range(0xC0), 0xC3, 0xC4, 0xC5, *range(0xE3, 0xEA)])
"""Bytes of plain text, accented Latin, kana and Chinese characters: none of them folds to a digit or a sign."""


def ordinary(text: bytes) -> bool:
    """Tell, in a few microseconds, that a JSON text holds no personal data; False where it has to be searched.

    >>> ordinary(b'{"horse":"Silver Lining","number":3}'), ordinary(b'{"horse":"jo@example.com","number":3}')
    (True, False)
    """
    if not text.isascii() and text.translate(None, _LETTERS):
        plain = fold(text.decode())[0].encode()
        if plain.translate(None, _LETTERS) or plain.count(b'"') != text.count(b'"'):
            return False
        text = plain
    shape = text.translate(_SHAPE, _DELETED)
    if b"@" in shape:
        return False
    if (ids := shape.count(b'"0000000000"')) and len(LONG_ID.findall(text)) == ids:
        shape = shape.replace(b'"0000000000"', b'""')
    places = {place for needle in _NEEDLES for place in _places(needle, shape)}
    if not places:
        return True
    # No quotation mark is escaped: every second piece is a text, and those between are numbers.
    count = shape.count(b'"')
    return not any(_personal(_piece(text, at, count), at % 2 == 1) for at in places)


def _piece(text: bytes, before: int, count: int) -> bytes:
    """Return what stands behind so many of the `count` quotation marks: conditions stand at both ends of a card."""
    if before <= NEAR:
        begin = -1
        for _ in range(before):
            begin = text.find(b'"', begin + 1)
        end = text.find(b'"', begin + 1)
        return text[begin + 1 :] if end < 0 else text[begin + 1 : end]
    if count - before <= NEAR:
        end = len(text)
        for _ in range(count - before):
            end = text.rfind(b'"', 0, end)
        return text[text.rfind(b'"', 0, end) + 1 : end]
    return text.split(b'"')[before]


def _places(needle: bytes, shape: bytes) -> Iterator[int]:
    """Yield how many quotation marks stand before each place of a needle."""
    before = last = 0
    at = shape.find(needle)
    while at >= 0:
        before += shape.count(b'"', last, at)
        yield before
        last, at = at, shape.find(needle, at + len(needle))


@lru_cache(maxsize=4096)
def _personal(piece: bytes, is_text: bool) -> bool:
    """Tell whether a text, or the numbers between two texts, are personal; ids and classes of races come again."""
    if not is_text and b"." in piece:
        return False
    if piece.isdigit() and len(piece) < SHORTEST_CARD and piece[:1] != b"0":
        return False
    return bool(found(piece.decode()))


def masked_json(text: str) -> str:
    """Return a JSON text with the texts in it masked: as it came, byte for byte, where there is nothing to mask."""
    if ordinary(text.encode()):
        return text
    document = orjson.loads(text)
    clean = masked(document)
    return text if clean == document else orjson.dumps(clean).decode()


def kept(text: str) -> str:
    """Return a text as it may be kept: masked, where a glance does not show that there is nothing to mask."""
    return text if '"' not in text and ordinary(b'"%b"' % text.encode("utf-8", "surrogatepass")) else mask(text)


def kept_id(text: str) -> str:
    """Return an id as it may be kept: masked where it certainly is none."""
    return text if kept(text) is text or not certain(text) else mask(text)


def kept_value(text: str) -> str:
    """Return a value as it may be kept, which may be JSON, and then stays JSON."""
    if text[:1] in ("{", "["):
        try:
            return masked_json(text)
        except orjson.JSONDecodeError:
            pass
    return kept(text)
