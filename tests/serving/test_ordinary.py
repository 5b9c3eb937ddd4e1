"""The quick reader of cards beside the careful one: the same bodies taken, the same cards made of them."""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.race import GOINGS
from oracle.serving.body import MalformedCard, read_card, read_carefully
from oracle.serving.messages import EXAMPLE, CardMessage, RunnerMessage
from oracle.serving.ordinary import ordinary
from tests.serving import hostile
from tests.serving.hostile import changed, changed_runner

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 12_000)
    | st.integers()
    | st.floats()
    | st.floats(0, 400)
    | st.text(max_size=130)
    | st.text(string.ascii_letters + '" \\\t  é\x7f\x1f\u2028馬', max_size=6)
    | st.sampled_from([*GOINGS, "Good to Firm", "TURF", "turf", "flat", "HURDLE", "mare", "hk", "HK", " IE "])
    | st.lists(st.none() | st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=4), st.none(), max_size=2)
)


def told(card: CardMessage) -> tuple[Any, ...]:
    """Return everything of a card, its unset fields and the types of its values included."""
    parts = (card, *card.runners)
    return (
        [[(name, type(value), value) for name, value in vars(part).items() if name != "runners"] for part in parts],
        [part.model_fields_set for part in parts],
        card.model_dump_json(exclude_unset=True),
        [type(part) for part in parts],
    )


def careful(body: bytes) -> CardMessage | None:
    try:
        return read_carefully(body)
    except MalformedCard:
        return None


def agree(body: bytes) -> None:
    quick = ordinary(body)
    if quick is not None:
        slow = careful(body)
        assert slow is not None, body
        assert quick == slow
        assert told(quick) == told(slow)
        assert quick.as_card() == slow.as_card()
        assert hash(quick) == hash(slow)


def spelled(card: dict[str, Any], ascii: bool = False) -> bytes:
    return json.dumps(card, ensure_ascii=ascii).encode("utf-8", "surrogatepass")


def test_ordinary_cards_are_read_quickly():
    for body in (spelled(EXAMPLE), spelled(changed(course="東京")), spelled(changed(course="東京"), ascii=True)):
        assert ordinary(body) is not None
        agree(body)
    real = spelled(
        changed(going="good", off="2025-06-01T15:35:00Z", race_number=7, prize=80, race_name="O'Brien \\ Son")
    )
    assert ordinary(real) is not None


def test_nothing_hostile_is_taken():
    for each in hostile.every():
        if each.headers == {"content-type": "application/json"}:
            assert ordinary(each.body) is None, each.name


@pytest.mark.parametrize(
    "body",
    [
        spelled(EXAMPLE).replace(b'"number": 1,', b'"number": 1, "number": 1,', 1),
        spelled(EXAMPLE).replace(b'"course"', b'"race_id": "a", "course"', 1),
        spelled(EXAMPLE).replace(b'"odds": 2.9', b'"odds": 2.9, "od\\u0064s": 2.9', 1),
        spelled(EXAMPLE).replace(b'"runners": [', b'"runners": [], "runners": [', 1),
        spelled(EXAMPLE)[:-1] + b', "course": "Sha Tin"}',
    ],
)
def test_a_key_that_stands_twice_is_never_taken(body: bytes):
    assert ordinary(body) is None
    with pytest.raises(MalformedCard, match="stands twice"):
        read_card(body)


@pytest.mark.parametrize("about", [b"\xef\xbb\xbf", b" \n", b"\t\r\n "])
def test_what_stands_around_a_card_does_not_matter(about: bytes):
    assert read_card(about + spelled(EXAMPLE)) == read_card(spelled(EXAMPLE))


@settings(max_examples=600)
@given(st.data())
def test_whatever_one_or_two_fields_hold_both_readers_agree(data: st.DataObject):
    card = changed()
    for _ in range(data.draw(st.integers(1, 2))):
        if data.draw(st.booleans()):
            card[data.draw(st.sampled_from(sorted(CardMessage.model_fields)))] = data.draw(VALUES)
        elif isinstance(card["runners"], list) and len(card["runners"]) > 1 and isinstance(card["runners"][1], dict):
            card["runners"][1][data.draw(st.sampled_from(sorted(RunnerMessage.model_fields)))] = data.draw(VALUES)
    agree(spelled(card, ascii=data.draw(st.booleans())))


@settings(max_examples=600)
@given(st.integers(0, 2**32))
def test_whatever_bytes_are_changed_both_readers_agree(seed: int):
    chance = random.Random(seed)
    body = bytearray(spelled(changed(going="good"), ascii=bool(seed % 2)))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(body))
        if chance.random() < 0.4:
            del body[at : at + chance.randint(1, 4)]
        else:
            body[at : at + chance.randint(0, 1)] = chance.choice(
                [
                    b'"',
                    b"\\",
                    b'\\"',
                    b",",
                    b"{",
                    b"}",
                    b"0",
                    b"e5",
                    b"\xff",
                    b"\\u0041",
                    b"null",
                    b" ",
                    b":",
                    b"\x00",
                    b"-",
                ]
            )
    agree(bytes(body))


@given(
    st.lists(st.fixed_dictionaries({"horse": st.sampled_from(["A", "a", " A", "B", "ß", "SS"])}), max_size=4), st.data()
)
def test_two_runners_with_one_identity_are_left_to_the_careful_reader(
    runners: list[dict[str, Any]], data: st.DataObject
):
    for runner in runners:
        runner |= data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "horse_id": st.sampled_from(["1", 1, 2]),
                    "number": st.integers(1, 3),
                    "withdrawn": st.booleans(),
                },
            )
        )
    body = spelled(changed(runners=runners))
    agree(body)
    assert (careful(body) is None) or read_card(body) == careful(body)


def test_a_changed_runner_is_read_as_before():
    agree(spelled(changed_runner(horse_id=12, odds=5, withdrawn=None, age=3.0)))
    assert ordinary(spelled(changed_runner(horse_id=12, odds=5, withdrawn=None, age=3.0))) is not None
