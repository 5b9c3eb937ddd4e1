"""Whatever somebody does to the chain is found, where it is, and nothing is found in a chain that was left alone."""

from __future__ import annotations

import datetime as dt
import tracemalloc
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.governance.audit import GENESIS, Entry, Head, Link, linked
from oracle.governance.verification import MOST, Anchor, Unreadable, verify
from tests.governance.chains import CHAINS, ENTRIES, NOON, chain, entry, of_length, rehashed, tampered


def anchors(links: list[Link], *positions: int) -> list[Anchor]:
    return [Anchor(p, links[p - 1].hash, NOON) for p in positions]


def found(links: list[Any], kept: list[Anchor] | None = None) -> list[tuple[int, str]]:
    return [(flaw.position, flaw.kind) for flaw in verify(links, kept or []).flaws]


@pytest.mark.slow
@given(CHAINS)
def test_a_chain_that_was_left_alone_is_sound_and_holds_with_every_anchor(links: list[Link]):
    verdict = verify(links, anchors(links, *range(1, len(links) + 1)))
    assert verdict.sound
    assert (verdict.entries, verdict.anchors) == (len(links), len(links))
    assert verdict.head == Head(len(links), links[-1].hash)


@given(CHAINS.flatmap(lambda links: st.tuples(st.just(links), tampered(links))))
def test_whatever_is_done_to_a_chain_whose_head_is_anchored_is_found(case: tuple[list[Link], list[Link]]):
    links, after = case
    assert verify(after, anchors(links, len(links))).sound == (after == links)


@pytest.mark.slow
@given(CHAINS, st.data())
def test_a_changed_field_is_found_at_its_position(links: list[Link], data: st.DataObject):
    i = data.draw(st.integers(0, len(links) - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(Entry)]))
    value = getattr(data.draw(ENTRIES), name)
    changed = replace(links[i], entry=replace(links[i].entry, **{name: value}))
    expected = [] if changed == links[i] else [(i + 1, "changed")]
    assert found([*links[:i], changed, *links[i + 1 :]]) == expected


@pytest.mark.slow
@given(CHAINS, st.data())
def test_a_row_that_was_changed_with_its_hash_is_found_by_the_next(links: list[Link], data: st.DataObject):
    i = data.draw(st.integers(0, len(links) - 1))
    forged = rehashed(links[i], entry=replace(links[i].entry, actor="somebody else entirely"))
    after = [*links[:i], forged, *links[i + 1 :]]
    assert found(after) == ([(i + 2, "detached")] if i + 1 < len(links) else [])
    assert (i + 1, "rewritten") in found(after, anchors(links, i + 1))


@pytest.mark.slow
@given(CHAINS, st.data())
def test_a_removed_row_is_missing_at_its_position(links: list[Link], data: st.DataObject):
    i = data.draw(st.integers(0, len(links) - 1))
    after = [*links[:i], *links[i + 1 :]]
    assert found(after) == ([(i + 1, "missing")] if i + 1 < len(links) else [])
    assert found(after, anchors(links, i + 1))[-1] == (i + 1, "missing" if i + 1 < len(links) else "cut")


@pytest.mark.slow
@given(CHAINS, st.data())
def test_an_end_that_was_cut_off_is_found_by_any_anchor_in_it(links: list[Link], data: st.DataObject):
    left = data.draw(st.integers(0, len(links) - 1))
    at = data.draw(st.integers(left + 1, len(links)))
    assert found(links[:left]) == []
    assert found(links[:left], anchors(links, at)) == [(at, "cut")]


@pytest.mark.slow
@given(CHAINS, ENTRIES, st.data())
def test_a_chain_that_was_written_anew_from_a_row_on_is_found_by_any_later_anchor(
    links: list[Link], other: Entry, data: st.DataObject
):
    i = data.draw(st.integers(0, len(links) - 1))
    at = data.draw(st.integers(i + 1, len(links)))
    entries = [link.entry for link in links]
    anew = chain([*entries[:i], other, *entries[i + 1 :]])
    assert found(anew) == []
    assert found(anew, anchors(links, at)) == ([] if anew == links else [(at, "rewritten")])


def test_two_rows_that_changed_places_are_both_found():
    links = of_length(6)
    swapped = [links[0], links[3], links[2], links[1], *links[4:]]
    assert [position for position, _ in found(swapped)] == [2, 3, 2]
    contents = [*links]
    contents[1], contents[3] = replace(links[1], entry=links[3].entry), replace(links[3], entry=links[1].entry)
    assert found(contents) == [(2, "changed"), (4, "changed")]


def test_a_row_in_between_is_found_however_it_is_numbered():
    links = of_length(4)
    between = linked(Head(2, links[1].hash), entry(9, actor="mallory"))
    assert found([*links[:2], between, *links[2:]]) == [(3, "misplaced"), (4, "detached")]
    moved = [rehashed(link, position=link.position + 1) for link in links[2:]]
    assert found([*links[:2], between, *moved]) == [(4, "detached"), (5, "detached")]


@pytest.mark.parametrize("bad", [{"at": None}, {"actor": b"ann"}, {"at": "yesterday"}])
def test_what_is_no_entry_is_told_and_the_rest_is_looked_at(bad: dict[str, Any]):
    links = of_length(4)
    odd = replace(links[1], entry=replace(links[1].entry, **bad))
    spoilt = replace(links[3], entry=replace(links[3].entry, actor="mallory"))
    assert found([links[0], odd, links[2], spoilt]) == [(2, "unreadable"), (4, "changed")]


def test_what_cannot_be_read_is_one_flaw_at_its_place():
    links = of_length(4)
    assert found([links[0], Unreadable(2, "no moment"), *links[2:]]) == [(2, "unreadable")]
    assert found([links[0], Unreadable(None, "line 2"), *links[2:]]) == [(2, "unreadable")]


def test_what_follows_a_known_link_is_looked_at_without_the_rest():
    links = of_length(6)
    known = Head(3, links[2].hash)
    assert verify(links[3:], anchors(links, 1, 3, 6), after=known).sound
    assert not verify(links[3:], after=Head(3, GENESIS)).sound
    assert not verify(links[3:], anchors(links, 3), after=replace(known, hash="0" * 63 + "1")).sound


def test_the_moment_is_kept_whatever_zone_it_is_told_in():
    link = of_length(1)[0]
    abroad = link.entry.at.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert verify([replace(link, entry=replace(link.entry, at=abroad))]).sound


@pytest.mark.slow
def test_a_chain_that_is_wrong_everywhere_is_counted_in_flat_memory():
    def endless(count: int) -> Any:
        for n in range(1, count + 1):
            yield Link(n, "f" * 64, "e" * 64, entry(n))

    verify(endless(50))
    tracemalloc.start()
    verdict = verify(endless(5000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(verdict.flaws) == MOST
    assert len(verdict.flaws) + verdict.more == 2 * 5000
    assert peak < 300_000
