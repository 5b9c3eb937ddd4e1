"""What e-mail addresses, payment cards and telephone numbers look like. Pure, and linear in the text.

Racing is written in digits: ids, dates, odds, weights, form figures, digests. So a number is taken for a telephone's
only where it is written as one (a country code behind a plus, a leading zero, the groups of a country, or the word
`phone` before it), and for a card's only where its check digit, its issuer and its length agree.

Every pattern takes a bounded number of characters from each place it can begin at, or never gives back what it took, so
that no text makes the search slow. They read text that `oracle.governance.privacy` has folded to plain letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int]

EMAIL = re.compile(r'(?:"[^"\n]{1,64}+"(?=@)|[\w.+~\'-]++)(?:@(\[[0-9A-Fa-f.:]{3,40}\]|[\w-]++(?:\.[\w-]++)++))?+')
"""A run of what may stand before the sign, with the sign and a domain where they follow: no run is read twice."""
NOBODY = frozenset({"git"})


def emails(text: str) -> Iterator[Span]:
    """Yield where e-mail addresses are."""
    if "@" not in text:
        return
    for found in EMAIL.finditer(text):
        domain = found.group(1)
        if domain is not None and _is_domain(domain):
            begin = found.end() - len(found.group().lstrip("'.-"))
            if text[begin : found.start(1) - 1] not in NOBODY:
                yield begin, found.end()


def _is_domain(domain: str) -> bool:
    """Tell whether it ends as a domain does: `@5.50` and `@v1.2` do not."""
    last = domain.rpartition(".")[2]
    return domain[0] == "[" or (len(last) >= 2 and last[:2].isalpha())


CARD = re.compile(
    r"(?<![0-9A-Za-z])(?<!\d[.,])"
    r"(?:\d{12,19}|(?<!\d[ ])\d{4}([ .-])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?|\d{4}([ .-])\d{6}\2\d{4,5})"
    r"(?![0-9A-Za-z]|[.,]\d|[ ]\d++[ ]\d)"
)
"""As one run of digits, or in the groups that are printed on cards; not what stands behind a decimal point, nor four
numbers out of a row of them."""
ISSUERS: tuple[tuple[str, frozenset[int]], ...] = (
    (r"4", frozenset({13, 16, 19})),
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|6011|64[4-9]|65|35", frozenset({16})),
    (r"3[47]|2131|1800", frozenset({15})),
    (r"30[0-5]|309|36|3[89]", frozenset({14, 16})),
    (r"62", frozenset({16, 17, 18, 19})),
    (r"0604|5018|5020|5038|5[678]|6304|6390|6759|676[1-3]", frozenset({12, 13, 16, 19})),
)
"""How the numbers of an issuer begin, and how long they are."""
_ISSUERS = tuple((re.compile(begin), lengths) for begin, lengths in ISSUERS)


def cards(text: str) -> Iterator[Span]:
    """Yield where numbers of payment cards are."""
    for found in CARD.finditer(text) if SOME_DIGITS.search(text) else ():
        digits = "".join(filter(str.isdigit, found.group()))
        if luhn(digits) and any(len(digits) in lengths and begin.match(digits) for begin, lengths in _ISSUERS):
            yield found.span()


def luhn(digits: str) -> bool:
    """Tell whether the last digit is the check digit of the others.

    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    return sum(sum(divmod(2 * int(d), 10)) if i % 2 else int(d) for i, d in enumerate(reversed(digits))) % 10 == 0


AHEAD = r"(?<![0-9A-Za-z])(?<!\d[.,:/+-])"
BEHIND = r"(?![0-9A-Za-z]|[.,:/-]\d)"
EXTENSION = r"(?:[ ]?(?:x|ext\.?|#)[ ]?\d{1,6})?"
OPENED = r"(?<![0-9A-Za-z])"
"""A plus or a bracket begins a number, whatever stands before it."""
INTERNATIONAL = re.compile(
    rf"(?:{OPENED}(?=\+)|{AHEAD})(?:\+|00)"
    rf"([ .(-]{{0,2}}[1-9]\d{{0,2}}(?:[ .()/-]{{0,3}}\d){{6,14}}){EXTENSION}(?![0-9])"
)
AMERICAN = re.compile(
    rf"(?:{OPENED}(?=\()|{AHEAD})(?:1[ .-])?"
    r"(?:\([1-9]\d\d\)[ .-]?|[1-9]\d\d([.-])(?=\d{3}\1)|(?<!\d[ ])[1-9]\d\d[ ](?=[1-9]\d\d[ ]\d{4}(?![ ]\d)))"
    rf"\d{{3}}[ .-]\d{{4}}(?:[ ]?(?:x|ext\.?)[ ]?\d{{1,6}}(?!\d)|{BEHIND})"
)
NATIONAL = re.compile(
    rf"(?:{OPENED}(?=\()|{AHEAD})(?:\(0[1-9]\d{{0,4}}\)[ .-]{{0,2}}|0[1-9]\d{{0,4}}([ ./-]|[ ]?[-/][ ]?))"
    rf"\d{{2,8}}(?:(?:(?<=\))|[ .-])\d{{2,4}}){{0,4}}{BEHIND}"
)
"""A leading zero and groups of two digits and more."""
BARE = re.compile(rf"{AHEAD}0[1-9]\d{{8,9}}{BEHIND}")
HONG_KONG = re.compile(rf"(?:{OPENED}(?=\()|{AHEAD})(?:\(85[23]\)[ -]?|85[23]-)[2-9]\d{{3}}[ -]?\d{{4}}{BEHIND}")
NAMED = re.compile(
    r"(?:(?<![A-Za-z])(?:tel|telephone|phone|mobile|mob|cell|fax|whatsapp|sms|telefon|handy|tél|téléphone|teléfono|móvil"
    r"|telefono|telefoon|phone[ _-]?(?:no|number|nr))|電話(?:番号)?|携帯|手機|手机|电话)"
    r"[\"']?[ .=#\"'-]{0,3}:?[ \"'-]{0,2}"
    r"(\+?\(?\d(?:[ ().\-/]{0,2}\d){6,14})(?![0-9A-Za-z])",
    re.IGNORECASE,
)
"""Any number that its own sentence calls one."""
DATE = re.compile(
    r"(?:0[1-9]|[12]\d|3[01])([./-])(?:0[1-9]|1[0-2])\1(?:\d{4}|\d\d)(?![./-]?\d)|0[1-9][./-](?:19|20)\d\d(?!\d)"
)
SOME_DIGITS = re.compile(r"\d(?:[ ()./-]{0,3}\d){6}")
LAST_PLACE = 24
"""Two-digit numbers up to here, one after the other, are places in a field and no telephone."""
COUNTRIES = re.compile(
    r"1[2-9]|7|2[07]|2[1-689]\d|3[0-469]|3[578]\d|4[013-9]|42\d|5[1-8]|5[09]\d|6[0-6]|6[789]\d|8[1246]|8[0578]\d|9[0-58]|9[679]\d"
)
"""How the country codes begin that are given out."""


def phones(text: str) -> Iterator[Span]:
    """Yield where telephone numbers are."""
    if SOME_DIGITS.search(text) is None:
        return
    for found in INTERNATIONAL.finditer(text):
        if _is_international(found.group(1), text[found.end() : found.end() + 2]):
            yield found.span()
    for found in NATIONAL.finditer(text):
        if _is_national(found.group()):
            yield found.span()
    for pattern in (AMERICAN, BARE, HONG_KONG):
        for found in pattern.finditer(text):
            yield found.span()
    for found in NAMED.finditer(text):
        yield found.span(1)


def _is_international(number: str, behind: str) -> bool:
    digits = "".join(filter(str.isdigit, number))
    if not 9 <= len(digits) <= 15 or (behind[:1] in (":", ".", ",") and behind[1:].isdigit()):
        return False
    if number.count(".") == 1 and not set(number) & set(" ()/-"):
        return False  # a decimal number with its sign
    return COUNTRIES.match(digits) is not None and (digits[0] != "1" or len(digits) == 11)


def _is_national(number: str) -> bool:
    digits = "".join(filter(str.isdigit, number))
    if not 9 <= len(digits) <= 11 or DATE.match(number):
        return False
    groups = re.findall(r"\d+", number)
    return not (len(groups) > 3 and all(len(g) == 2 and int(g) <= LAST_PLACE for g in groups))
