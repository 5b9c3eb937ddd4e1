"""A file of the trail is verified without the database that it was taken from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.governance.audit import Link
from oracle.governance.exported import COLUMNS, anchor, anchor_line, lines, pieces, row
from oracle.governance.verification import Anchor, Unreadable, verify
from tests.governance.chains import CHAINS, NOON, chain, entry, of_length


def file(links: list[Link]) -> list[bytes]:
    return [text for _, text in lines(links)]


def found(rows: Iterable[bytes], links: list[Link] | None = None) -> list[tuple[int, str]]:
    kept = [Anchor(links[-1].position, links[-1].hash)] if links else []
    return [(flaw.position, flaw.kind) for flaw in verify(pieces(rows), kept, closed=True).flaws]


@pytest.mark.slow
@given(CHAINS)
def test_a_file_says_what_the_chain_says(links: list[Link]):
    assert list(pieces(file(links)))[:-1] == links
    assert found(file(links), links) == []


@given(CHAINS, st.data())
def test_no_byte_of_a_file_can_be_changed(links: list[Link], data: st.DataObject):
    rows = b"".join(file(links))
    i, new = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 255))
    forged = rows[:i] + bytes([new]) + rows[i + 1 :]
    assert bool(found(BytesIO(forged), links)) == (forged != rows)


@pytest.mark.slow
@given(CHAINS, st.data())
def test_no_part_of_a_file_can_be_left_out(links: list[Link], data: st.DataObject):
    rows = b"".join(file(links))
    i = data.draw(st.integers(0, len(rows) - 1))
    j = data.draw(st.integers(i + 1, len(rows)))
    assert found(BytesIO(rows[:i] + rows[j:]), links)


def test_a_file_that_breaks_off_is_found_without_an_anchor():
    rows = file(of_length(3))
    assert found(rows[:-1]) == [(4, "cut")]
    assert found([*rows[:2], rows[-1]]) == [(3, "cut")]
    assert found([*rows, rows[0]]) == [(4, "unreadable")]
    assert found([]) == [(1, "cut")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"actor":"ann"', b'"actor":"mallory","actor":"ann"'),
        (b'"outcome"', b'"approved_by":"bea","outcome"'),
        (b'{"position"', b'{"note":"seen","position"'),
        (b'"position":2', b'"position":2.0'),
        (b'"position":2', b'"position": 2'),
        (b'"address":null,', b""),
    ],
)
def test_what_no_hash_covers_cannot_be_written_beside_it(old: bytes, new: bytes):
    rows = file(of_length(3))
    rows[1] = rows[1].replace(old, new)
    assert (2, "unreadable") in found(rows)


@pytest.mark.parametrize("raw", [b"", b"null\n", b"[]\n", b'"head"\n', b"1\n", b'{"head":1}\n', b"\xff\n", b"{" * 2000])
def test_what_is_no_line_is_a_flaw_and_no_crash(raw: bytes):
    assert all(isinstance(piece, Unreadable) for piece in pieces([raw]))
    assert found([raw])


def test_what_is_unreadable_in_the_store_is_missing_in_its_file():
    links = of_length(3)
    rows = b"".join(text for _, text in lines([links[0], Unreadable(2, "no moment"), links[2]]))
    assert found(BytesIO(rows)) == [(2, "missing")]


def test_a_name_cannot_be_a_formula_of_a_spreadsheet():
    link = chain([entry(1, actor='=HYPERLINK("http://evil")', reason="-1+1", target="+x", before="@y")])[0]
    told = dict(zip(COLUMNS, row(link), strict=True))
    assert [told[name][:2] for name in ("actor", "reason", "target", "before")] == ["'=", "'-", "'+", "'@"]
    assert (told["position"], told["hash"], told["after"]) == ("1", link.hash, "")


def test_an_anchor_is_read_as_it_was_written():
    one = Anchor(3, "ab" * 32, NOON)
    assert anchor(anchor_line(one)) == one
    assert anchor(anchor_line(replace(one, at=None))) == replace(one, at=None)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"position":"x","hash":"a","at":null}', b"\xff", b"null"])
def test_what_is_no_anchor_is_said(raw: bytes):
    with pytest.raises(ValueError, match="no anchor"):
        anchor(raw)
