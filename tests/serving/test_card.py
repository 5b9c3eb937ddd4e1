"""What a race card may look like, and how a malformed one is refused."""

from __future__ import annotations

import datetime as dt
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.data.cards import cards_of, message
from oracle.data.dataset import Dataset
from oracle.data.ingest import ingest
from oracle.data.sources import SOURCES
from oracle.errors import BadCard
from oracle.race import COLUMNS, GOINGS, RaceCard, RaceType, Runner, Sex, Surface
from oracle.serving.body import MAX_PROBLEMS, MalformedCard, Problem, read_card
from oracle.serving.messages import EXAMPLE, MAX_RUNNERS, CardMessage, RunnerMessage
from tests.serving import hostile
from tests.serving.hostile import changed, changed_runner

NAMES = st.text(string.ascii_letters + " 'éü馬場-", min_size=1, max_size=40).filter(str.strip)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def read(card: dict[str, Any]) -> CardMessage:
    return read_card(json.dumps(card).encode())


def problems_of(card: dict[str, Any]) -> tuple[Problem, ...]:
    try:
        read(card)
    except MalformedCard as error:
        return error.problems
    return ()


def refused(card: dict[str, Any]) -> MalformedCard:
    with pytest.raises(MalformedCard) as caught:
        read(card)
    return caught.value


def test_every_hostile_body_is_refused_with_a_reason_and_nothing_else_happens():
    bodies = hostile.every()
    assert len(bodies) >= 200
    for each in bodies:
        if each.headers == {"content-type": "application/json"}:
            with pytest.raises(BadCard) as caught:
                read_card(each.body)
            assert caught.value.exit_code == 2, each.name
            assert len(str(caught.value)) < 1500, each.name
            json.dumps(caught.value.as_dict()).encode("utf-8")


def test_no_field_is_forgotten_by_the_hostile_cards():
    assert not hostile.NOT_TESTED


@given(st.binary(max_size=200) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_the_bytes_are_the_answer_is_a_card_or_a_reason(body: bytes):
    with pytest.raises(MalformedCard):
        read_card(body)


@given(st.data())
def test_one_field_replaced_by_anything_gives_a_card_or_names_a_field_of_it(data: st.DataObject):
    value = data.draw(JSON_VALUES)
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(CardMessage.model_fields)))
        card, path = changed(**{name: value}), name
    else:
        name = data.draw(st.sampled_from(sorted(RunnerMessage.model_fields)))
        card, path = changed_runner(**{name: value}), f"runners[1].{name}"
    for problem in problems_of(card):
        assert problem.kind == "NotFinite" or (problem.field or "").startswith(path)


@given(
    horses=st.lists(NAMES, min_size=2, max_size=MAX_RUNNERS, unique_by=lambda name: name.strip().casefold()),
    course=NAMES,
    off=st.datetimes(dt.datetime(1950, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)),
    weight=st.none() | st.floats(30, 100),
    odds=st.none() | st.floats(1, 10_000),
    draw=st.none() | st.integers(1, 60),
    going=st.none() | st.sampled_from(sorted(GOINGS)),
)
def test_a_sensible_card_becomes_the_value_that_the_rooms_below_speak_in(
    horses: list[str], course: str, off: dt.datetime, weight: Any, odds: Any, draw: Any, going: Any
):
    runners = [{"horse": horse, "weight_kg": weight, "odds": odds, "draw": draw} for horse in horses]
    card = read({"course": course, "off": off.isoformat(), "going": going, "runners": runners}).as_card()
    expected = tuple(Runner(horse.strip(), weight_kg=weight, odds=odds, draw=draw) for horse in horses)
    assert card == RaceCard(course=course.strip(), off=off, going=going, runners=expected)


def test_names_are_those_of_the_canonical_table():
    ours = {*CardMessage.model_fields, *RunnerMessage.model_fields} - {"runners", "withdrawn"}
    assert ours <= {column.name for column in COLUMNS}


def test_a_card_holds_every_field_that_the_value_has():
    assert set(CardMessage.model_fields) == set(RaceCard.__dataclass_fields__)
    assert set(RunnerMessage.model_fields) == set(Runner.__dataclass_fields__)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Good to Firm", "good_to_firm"),
        ("good-to-soft", "good_to_soft"),
        (" HEAVY ", "heavy"),
        ("Wet  Slow", "wet_slow"),
    ],
)
def test_words_are_taken_in_any_case_with_blanks_or_hyphens(written: str, meant: str):
    assert read(changed(going=written)).going == meant


@pytest.mark.parametrize(
    ("name", "allowed"), [("going", GOINGS), ("surface", Surface), ("race_type", RaceType), ("sex", Sex)]
)
def test_an_unknown_word_is_answered_with_all_known_ones(name: str, allowed: Any):
    card = changed_runner(sex="male") if name == "sex" else changed(**{name: "swampy"})
    assert refused(card).allowed == ", ".join(allowed)


@pytest.mark.parametrize("field", ["jockey", "trainer_id", "draw", "weight_kg", "age", "sex", "odds", "withdrawn"])
def test_null_means_not_known(field: str):
    runner = read(changed_runner(**{field: None})).as_card().runners[1]
    assert getattr(runner, field) == getattr(Runner("x"), field)


def test_ids_and_classes_may_be_numbers_and_whole_numbers_may_end_in_zero():
    card = read(
        changed(race_class=4, distance_m=1200.0) | {"runners": [{"horse": "A", "horse_id": 17}, {"horse": "B"}]}
    )
    assert (card.race_class, card.distance_m, card.runners[0].horse_id) == ("4", 1200, "17")


def test_two_horses_of_one_name_run_when_their_ids_differ():
    runners = [{"horse": "Twin", "horse_id": "a"}, {"horse": "Twin", "horse_id": "b"}]
    assert len(read(changed(runners=runners)).runners) == 2


def test_a_file_saved_with_a_byte_order_mark_is_read():
    assert read_card(b"\xef\xbb\xbf" + json.dumps(EXAMPLE).encode()) == read(EXAMPLE)


def test_a_misspelt_field_is_named_with_the_one_that_was_meant():
    error = refused(changed_runner(wieght_kg=57))
    assert error.field == "runners[1].wieght_kg"
    assert "did you mean weight_kg?" in error.what


def test_every_problem_is_listed_up_to_a_limit():
    some = changed(course="", distance_m="far", runners=[{"horse": "A", "draw": 99}, {"horse": "B", "odds": 0.9}])
    fields = {problem.field for problem in refused(some).problems}
    assert fields == {"course", "distance_m", "runners[0].draw", "runners[1].odds"}
    assert len(refused(changed(runners=[{}] * 40)).problems) == MAX_PROBLEMS


def test_a_time_without_a_zone_is_refused_because_the_order_of_races_would_be_a_guess():
    error = refused(changed(off="2025-06-01T15:35:00"))
    assert (error.field, error.problems[0].kind) == ("off", "NoTimeZone")
    assert "time zone" in str(error.allowed)


def test_an_offending_value_is_never_echoed_whole():
    assert all(len(p.value or "") < 100 for p in refused(changed(course="x" * 100_000)).problems)


@pytest.mark.realdata
@pytest.mark.parametrize(("layout", "folder"), [("hkjc-2014", "hkjc-2014"), ("netkeiba", "netkeiba")])
def test_every_real_race_is_a_card_and_comes_through_unchanged(
    layout: str, folder: str, real_data: Path, tmp_path: Path
):
    now = dt.datetime.now(dt.UTC)
    ingest([real_data / folder], SOURCES[layout], Dataset(tmp_path / "d"), now)
    for card in cards_of(Dataset(tmp_path / "d").read()):
        assert read(message(card)).as_card() == card
