"""The gateway: cards answered, answers kept, and what it does without a model."""

from __future__ import annotations

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from oracle.errors import NoSuchModel, OracleError, Unavailable, UntrustedPackage
from oracle.race import RaceCard
from oracle.serving.gateway import Gateway
from oracle.serving.health import health_of
from oracle.serving.messages import EXAMPLE, CardMessage, ModelMessage
from oracle.serving.slot import LOOK_AGAIN
from oracle.serving.version import ModelsMessage, Served, Target
from oracle.store import Store, embedded
from tests.serving.conftest import World, as_body

NOON = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)


class Shelf:
    """A source whose versions are put there by the test; it counts how often it is asked."""

    def __init__(self, **versions: object) -> None:
        self.versions, self.asked = versions, 0

    def load(self, target: Target, *, in_force: Served | None) -> Served:
        self.asked += 1
        found = self.versions.get(target.version or "production")
        if found is None:
            raise NoSuchModel("no such version", value=target.version)
        if isinstance(found, OracleError):
            raise found
        message = ModelMessage(name="m", version=target.version or "production")
        return in_force if in_force and in_force.message == message else Served(found, message)

    def listing(self) -> ModelsMessage:
        return ModelsMessage(name="m", versions=(), serving=None)


class Clock:
    def __init__(self) -> None:
        self.moment = NOON

    def __call__(self) -> dt.datetime:
        return self.moment


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return embedded(tmp_path)


@pytest.fixture(scope="module")
def model(standing: Gateway) -> object:
    return standing.slot.held().model


def test_a_real_card_is_priced_and_its_probabilities_sum_to_one(standing: Gateway, world: World):
    told = standing.predict(world.body)
    assert abs(sum(r.win for r in told.runners) - 1) < 1e-9
    assert abs(sum(r.place for r in told.runners) - told.places) < 1e-9
    assert sorted(r.rank for r in told.runners if r.rank) == list(range(1, len(world.card.runners) + 1))
    assert (told.ensemble, told.race_id, told.notes) == ("market", "tomorrow-1", ())
    for asked, runner in zip(world.card.runners, told.runners, strict=True):
        assert (runner.horse, runner.horse_id, runner.known) == (asked.horse, asked.horse_id, True)
        assert runner.fair_odds == pytest.approx(1 / runner.win)
        assert runner.edge == pytest.approx(runner.win * asked.odds - 1)


def test_a_card_without_odds_is_answered_by_form_and_says_so(standing: Gateway, world: World):
    card = json.loads(world.body)
    for runner in card["runners"]:
        runner["odds"] = None
    told = standing.predict(json.dumps(card).encode())
    assert told.ensemble == "form"
    assert "form ensemble" in told.notes[0]
    assert all(runner.edge is None for runner in told.runners)


@pytest.mark.parametrize("runners", [2, 3, 14, 40])
def test_any_field_from_two_to_forty_unknown_horses_is_answered(standing: Gateway, runners: int):
    card = {"course": "Nowhere", "off": "2031-01-01T12:00Z", "runners": [{"horse": f"X{i}"} for i in range(runners)]}
    told = standing.predict(json.dumps(card).encode())
    assert abs(sum(r.win for r in told.runners) - 1) < 1e-9
    assert not any(r.known for r in told.runners)
    assert any("never ran" in note for note in told.notes)


def test_a_withdrawn_runner_has_no_chance_and_the_others_share_it(standing: Gateway, world: World):
    card = json.loads(world.body)
    card["runners"][0]["withdrawn"] = True
    told = standing.predict(json.dumps(card).encode())
    gone = told.runners[0]
    assert (gone.withdrawn, gone.rank, gone.win, gone.place, gone.fair_odds, gone.edge) == (
        True,
        None,
        0,
        0,
        None,
        None,
    )
    assert abs(sum(r.win for r in told.runners) - 1) < 1e-9


def test_an_answer_can_be_read_again_byte_by_byte(standing: Gateway, world: World):
    told = standing.predict(world.body)
    assert standing.prediction(told.prediction_id) == told.model_dump_json()
    assert standing.prediction("none") is None


def test_the_card_is_kept_so_that_it_can_be_asked_again(world: World, model: object, store: Store):
    gateway = Gateway(Shelf(production=model), store, Target(), now=lambda: NOON, new_id=lambda: "p1")
    gateway.predict(world.body)
    kept = store.predictions.get("p1")
    assert kept is not None
    assert (kept.at, kept.race_id, kept.model_name, kept.model_version) == (NOON, "tomorrow-1", "m", "production")
    assert CardMessage.model_validate_json(kept.card).as_card() == world.card


def test_threads_get_the_answers_to_their_own_cards(standing: Gateway, world: World):
    bodies = [as_body(world.card, race_id=f"race-{i}") for i in range(16)]
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(standing.predict, bodies))
    assert [each.race_id for each in told] == [f"race-{i}" for i in range(16)]
    assert len({each.prediction_id for each in told}) == 16
    assert len({tuple(r.win for r in each.runners) for each in told}) == 1


def test_without_a_model_it_stands_says_why_and_looks_again_after_a_while(model: object, store: Store):
    shelf, clock = Shelf(), Clock()
    gateway = Gateway(shelf, store, Target(), now=clock)
    for _ in range(3):
        with pytest.raises(NoSuchModel):
            gateway.predict(json.dumps(EXAMPLE).encode())
    assert (shelf.asked, health_of(gateway).status, gateway.model) == (1, "degraded", None)
    shelf.versions["production"] = model
    clock.moment += LOOK_AGAIN
    assert gateway.predict(json.dumps(EXAMPLE).encode()).model.version == "production"
    assert (health_of(gateway).status, health_of(gateway).loaded_at) == ("ok", clock.moment)


def test_another_version_is_followed_and_a_bad_one_leaves_the_last_good_in_force(model: object, store: Store):
    spoilt = UntrustedPackage("a hash does not match")
    gateway = Gateway(Shelf(production=model, v2=model, v3=spoilt), store, Target())
    gateway.reconfigure({"version": "v2"})
    assert (gateway.model and gateway.model.version, health_of(gateway).status) == ("v2", "ok")
    for wanted in ({"version": "v3"}, {"version": "none"}, {"verzion": "v2"}, ["v2"], {"version": "a b"}, None):
        gateway.reconfigure(wanted)
        health = health_of(gateway)
        assert (health.model and health.model.version, health.status) == ("v2", "degraded")
        assert "keeping version v2" in health.reasons[0]
    gateway.reconfigure({"revision": 2, "version": None})
    assert (gateway.model and gateway.model.version, health_of(gateway).status) == ("production", "ok")


def test_an_answer_that_cannot_be_kept_is_not_given(world: World, model: object, tmp_path: Path):
    store = embedded(tmp_path / "home")
    gateway = Gateway(Shelf(production=model), store, Target())
    store.close()
    for file in (tmp_path / "home").iterdir():
        file.unlink()
    (tmp_path / "home").rmdir()
    with pytest.raises(Unavailable):
        gateway.predict(world.body)
    assert health_of(gateway).status == "degraded"


def test_the_registered_version_is_named_in_every_answer(standing: Gateway, world: World):
    assert standing.predict(world.body).model == ModelMessage(name="equine-oracle", version="1", semver="v1.0.0")
    listed = standing.source.listing().versions
    assert [(each.version, each.aliases[0]) for each in listed] == [("1", "production")]


def test_what_the_model_says_is_what_the_gateway_tells(standing: Gateway, model: object, world: World):
    card: RaceCard = world.card
    [said] = model.predict([card])
    told = standing.predict(world.body)
    assert [(r.rank, r.score, r.win, r.place) for r in told.runners] == [
        (r.rank, r.score, r.win, r.place) for r in said.runners
    ]
