"""A race of the runner table becomes the card it was before it was run."""

import dataclasses

import pytest

from oracle.data.cards import card_of, cards_of
from oracle.data.simulate import simulate
from oracle.errors import BadInput
from oracle.race import Status


@pytest.fixture(scope="module")
def runners():
    return next(iter(simulate(120, seed=5))).runners


def test_a_card_holds_what_was_known_and_nothing_of_the_result(runners):
    race_id = runners["race_id"].iloc[0]
    rows = runners[runners["race_id"] == race_id]
    card = card_of(runners, race_id)
    assert (card.race_id, card.course, card.distance_m) == (race_id, rows["course"].iloc[0], rows["distance_m"].iloc[0])
    assert card.off.isoformat() == rows["off"].iloc[0].isoformat()
    assert [r.horse_id for r in card.runners] == rows["horse_id"].tolist()
    assert [r.draw for r in card.runners] == rows["draw"].tolist()
    assert not {"position", "status", "time_s"} & set(dataclasses.asdict(card.runners[0]))


def test_every_race_has_its_card_in_order_and_withdrawn_runners_say_so(runners):
    cards = list(cards_of(runners))
    assert [c.race_id for c in cards] == runners["race_id"].drop_duplicates().tolist()
    said = [r.withdrawn for c in cards for r in c.runners]
    assert said == runners["status"].eq(Status.WITHDRAWN).tolist()
    assert any(said)


def test_missing_values_are_none_and_the_others_plain(runners):
    values = [v for c in cards_of(runners) for r in c.runners for v in dataclasses.asdict(r).values()]
    assert {type(v) for v in values} <= {str, int, float, bool, type(None)}
    assert not any(v != v for v in values)


def test_the_changed_result_of_a_race_leaves_its_card_alone(runners):
    race_id = runners["race_id"].iloc[0]
    other = runners.assign(position=runners["position"].max(), time_s=1.0, beaten_lengths=9.0)
    assert card_of(other, race_id) == card_of(runners, race_id)


def test_a_race_that_is_not_there_is_bad_input(runners):
    with pytest.raises(BadInput, match="no such race"):
        card_of(runners, "nowhere")
