"""What postal addresses look like in the countries of our races and our users. Pure, and linear in the text.

A street's name alone is no address: horses are called Baker Street. What counts is a house number at it, with the words
ending there (`12 Grand Parade Handicap` is a race), or a code that names a few houses, such as a British postcode. From
what makes an address certain, the search goes on for a few words to both sides, for the flat, the town and the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Span = tuple[int, int]

_WORD = r"[^\W\d_][\w'’.-]{0,30}"
_TYPES = (
    r"Street|Str|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|Crescent|"
    r"Cres|Close|Highway|Hwy|Parade|Pde|Parkway|Pkwy|Way|Grove|Gardens|Gdns|Mews|Quay|Walk|Circle|Circuit|Trail|"
    r"Esplanade|Row|Rise"
)
_END = (
    r"(?=[ ]{0,2}(?:$|[,;\n\r/|\"')\]]|[.!?](?:\s|$)|(?i:apt|suite|unit|flat|floor|fl|room|no)\b|#|"
    r"(?:North|South|East|West|Central|NW|NE|SW|SE|N|S|E|W)\b|[0-9]{4,6}\b|[A-Z]\d[0-9W]|(?:in|near|and|or|to|is)\b))"
)
STREET = re.compile(
    r"(?<![\w.-])(?<!\d/)(?:\d{1,3}[/-])?\d{1,5}[A-Za-z]?,?[ ]+"
    rf"(?:(?=[^\W\d_a-z]){_WORD}[ ]){{1,4}}(?:(?i:{_TYPES}))\b\.?{_END}"
)
"""`221B Baker Street`, and then nothing that would make a race of it."""
GERMANIC = re.compile(
    r"(?:[Ss]tra(?:ß|ss)e|[Ss]tr\.|[Ww]eg|[Pp]latz|[Aa]llee|[Gg]asse|-Ring|ufer|straat|laan|plein|gracht|singel|dreef|steeg|"
    r"gatan|vägen|gränd|torget|stigen|ring(?=[ ]\d{1,4}[a-z]?(?:[/-]\d{1,3})?[,\n |]{1,3}\d{5}[ ]))"
    r"[ ]\d{1,4}(?:[ ]?[a-z]\b|[/-]\d{1,3})?(?![\d.,:%/]\d|[A-Za-z\d])"
)
"""`Hauptstraße 12`: the kind of street ends its name, and the house number follows."""
DUTCH = re.compile(rf"[ ]\d{{1,4}}[a-z]?[,\n |]{{1,3}}\d{{4}}[ ]?[A-Z]{{2}}[,\n |]{{1,3}}{_WORD}")
NAME_BEFORE = re.compile(r"(?<![\w'’.-])(?=[^\W\d_a-z])(?:[^\W\d_][\w.'’-]{0,30}[ ]){0,2}[^\W\d_][\w.'’-]{0,40}$")
_ROMANCE = (
    r"rue|avenue|boulevard|chemin|impasse|allée|quai|route|cours|place|passage|via|viale|piazza|vicolo|corso|largo|borgo|"
    r"calle|avenida|avda\.?|plaza|paseo|camino|ronda|cuesta|cañada|glorieta|rua"
)
ROMANCE = re.compile(
    rf"(?<![\w.-])(?<!\d/)(?i:{_ROMANCE})[ ](?:{_WORD}[ ]?){{1,6}},?[ ]?\d{{1,4}}"
    r"(?:[ ]\w{2,12}[. ]{1,2}\d{1,3})?[ ]?[,\n |]{1,3}"
    rf"(?:\d{{5}}[, ]{{1,2}}{_WORD}|(?:{_WORD}[ ]?){{1,4}}[, ]{{1,2}}\d{{5}}(?!\d))"
)
"""`Via Garibaldi 5, 16124 Genova`: a horse may be called Via Sistina, so number, code and town are needed."""
FRENCH = re.compile(
    r"(?<![\w.-])(?<!\d/)(?:\d{1,4}(?:[ ](?:bis|ter))?,?[ ](?:rue|avenue|boulevard|chemin|impasse|allée|quai|place)[ ]"
    rf"(?=[^\W\d_a-z]|d[eu]|l[ae'’])(?:{_WORD}[ ]?){{1,6}}"
    rf"|(?:rue|avenue|boulevard|chemin|impasse|allée|place)[ ](?:{_WORD}[ ]?){{1,6}}[,\n |]{{1,3}}\d{{5}}[ ]{_WORD})"
)
JAPANESE = re.compile(
    r"(?:〒[ ]?\d{3}-?\d{4}[ ]?)?(?:東京都|北海道|京都府|大阪府|[一-龥]{2,3}県)"
    r"[^\s,、。\d]{1,24}?[市区町村郡][^\s,、。\"]{0,24}?\d{1,4}(?:丁目|番地|番|号|-|\d{1,4}){0,8}"
    r"|〒[ ]?\d{3}-?\d{4}"
)
CHINESE = re.compile(
    r"[一-龥]{1,12}(?:路|街|道|巷|里|徑|大道|段|弄)(?:[東西南北中])?(?:\d{1,2}段)?\d{1,4}(?:之\d{1,3})?(?:號|号)(?:之\d{1,3})?(?:[A-Za-z0-9一-龥]{0,3}[樓楼室座]){0,2}"
)
BOX = re.compile(
    r"\b(?:P\.?[ ]?O\.?[ ]?Box|Postfach|GPO[ ]Box|PSC)[ ]\d{1,6}(?:,?[ ]Box[ ]\d{1,5})?|\b[AFD]PO[ ]A[AEP][ ]\d{5}",
    re.IGNORECASE,
)
UNIT = re.compile(
    r"\b(?:Flat|Room|Rm|Unit|Suite|Shop)\.?[ ][A-Z]?\d{0,4}[A-Z]?,[ ]?"
    r"(?:\d{1,3}/F|[A-Z0-9]{1,3}[ ]Floor|Block[ ]\w{1,3})",
    re.IGNORECASE,
)
AREAS = frozenset(
    re.findall(
        "[A-Z]+",
        "AB AL B BA BB BD BH BL BN BR BS BT CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT DY E EC EH EN EX FK "
        "FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN "
        "NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW "
        "UB W WA WC WD WF WN WR WS WV YO ZE",
    )
)
POSTCODE = re.compile(r"(?<![\w-])([A-Z]{1,2})(?:\d[A-Z]|\d{1,2})[A-Z]?[ ]\d[ABD-HJLNP-UW-Z]{2}(?![\w-])")
"""British: a dozen houses. Its last letters are never C, I, K, M, O or V, so `C4 3YO` is a class of race."""
CANADIAN = re.compile(
    r"(?<![\w-])(?:(?:AB|BC|MB|N[BLSTU]|ON|PE|QC|SK|YT)[ ][A-Z]\d[A-Z][ ]?|[ABCEGHJ-NPR-TVXY]\d[A-CEGHJ-NPR-TV-Z][ ])"
    r"\d[A-Z]\d(?![\w-])"
)
IRISH = re.compile(
    r"(?<![\w-])[AC-FHKNPRTV-Y]\d[0-9W][ ](?=[0-9]{0,3}[A-Z])(?=[A-Z]{0,3}[0-9])[0-9AC-FHKNPRTV-Y]{4}(?![\w-])"
)
STATE = re.compile(
    r"\b(?:A[AEKLPRZ]|C[AOT]|D[CE]|FL|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|"
    r"V[AIT]|W[AIVY]|FM|MH|PW|AS)[ ]\d{5}(?:-\d{4})?(?![\w-])|\b(?:NSW|VIC|QLD|SA|WA|TAS|NT|ACT),?[ ]\d{4}(?![\w-])"
)
"""American and Australian codes: towns, so they only end an address that has a house number."""
HOUSE_BEFORE = re.compile(
    r"(?:(?i:flat|unit|suite|apt\.?|room|studio)[ ]?\w{1,5}[ ,\n|]+"
    r"|(?<![\w.,:-])(?:\d{1,4}/)?\d{1,5}[A-Za-z]?,?[ ]+)(?=[^\W\d_])"
)
TOWN_BEHIND = re.compile(rf"(?:[,\n |]{{1,3}}(?:\d{{4,6}}|[A-Z]{{2,3}}[ ]\d{{4,5}})(?!\d)(?:[ ]?{_WORD}){{0,3}})")
_REST = re.compile(r"[^\n;|\"]{0,100}")
WINDOW = 120
"""Characters before a code that may belong to its address."""


def _has(*words: str) -> Callable[[str], bool]:
    """Return a check for texts that hold one of the words, in lower case: many times faster than a pattern."""
    return lambda text: any(word in text for word in words)


_WHOLE: tuple[tuple[Callable[[str], bool], re.Pattern[str]], ...] = (
    (_has(*(f"{word} " for word in _ROMANCE.replace(r"\.?", "").split("|"))), ROMANCE),
    (lambda text: not text.isascii(), JAPANESE),
    (lambda text: not text.isascii(), CHINESE),
    (_has("box", "postfach", "psc", "po a"), BOX),
)


def addresses(text: str) -> Iterator[Span]:
    """Yield where postal addresses are."""
    small = text.lower()
    for pattern in (STREET, FRENCH):
        for found in pattern.finditer(text):
            yield found.start(), _town_behind(text, found.end())
    for pattern in (GERMANIC, DUTCH):
        for found in pattern.finditer(text):
            kind = re.search(r"[ ]\d", found.group())
            at = found.start() + (kind.start() if kind else 0)
            name = NAME_BEFORE.search(text, max(0, at - WINDOW), at)
            if name is not None:
                yield name.start(), _town_behind(text, found.end())
    for may, pattern in _WHOLE:
        for found in pattern.finditer(text) if may(small) else ():
            yield found.span()
    for found in UNIT.finditer(text):
        end = _REST.match(text, found.end())
        yield found.start(), end.end() if end else found.end()
    for pattern in (POSTCODE, CANADIAN, IRISH):
        for found in pattern.finditer(text):
            if pattern is not POSTCODE or found.group(1) in AREAS:
                begin = _house_before(text, found.start())
                yield found.start() if begin is None else begin, found.end()
    for found in STATE.finditer(text):
        begin = _house_before(text, found.start())
        if begin is not None:
            yield begin, found.end()


def _town_behind(text: str, end: int) -> int:
    """Return where an address ends whose street and number end at `end`: behind code and town, if they follow."""
    behind = TOWN_BEHIND.match(text, end)
    return behind.end() if behind else end


def _house_before(text: str, at: int) -> int | None:
    """Return where the address that ends with a code begins: at its house number, with nothing but words between."""
    first = max(0, at - WINDOW)
    found = HOUSE_BEFORE.search(text, first, at)
    while found is not None:
        between = text[found.end() : at]
        if len(between) >= 3 and not re.search(r"[:;=\"{}<>\[\]]", between):
            return found.start()
        found = HOUSE_BEFORE.search(text, found.end(), at)
    return None
