"""Playing: what is posted when, what is not posted again, and what the files of a replay promise."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from oracle.errors import BadInput, OracleError
from oracle.progress import silent
from oracle.replay import calendar, leak, record
from oracle.replay.calendar import Moment
from oracle.replay.play import Clockwork, Done, Played, play
from oracle.replay.record import Terms
from oracle.replay.told import Race

NOON = dt.datetime(2020, 3, 4, 12, tzinfo=dt.UTC)
TERMS = Terms("data", "f" * 8, "2020-03-04", "2020-03-05", odds=False, asks=2, every_days=7.0, cooldown_days=90.0)


def races(count: int = 2) -> list[Race]:
    offs = [NOON + dt.timedelta(minutes=30 * n) for n in range(count)]
    return [Race(f"r{n}", off, "2020-03-04", b"card", b"result") for n, off in enumerate(offs)]


class Server:
    """Takes everything, or refuses results."""

    def __init__(self, refuses: bool = False) -> None:
        self.posted: list[tuple[str, dt.datetime, dict[str, str]]] = []
        self._refuses = refuses

    def post(self, path: str, body: bytes, now: dt.datetime, **headers: str) -> dict[str, Any]:
        self.posted.append((path.rpartition("/")[2], now, headers))
        if self._refuses and body == b"result":
            raise OracleError("none of them could be accepted")
        return {"races": [{"refused": [{"reason": "odd: 3"}]}]}


def played(server: Server, told: list[Race], done: Done | None = None, looks: Any = ()) -> Played:
    return play(
        told,
        calendar.moments([race.off for race in told], looks),
        server,
        lambda moment: server.posted.append(("look", moment.at, {})),
        Clockwork(),
        asks=2,
        done=done or Done(),
        pause=lambda _: None,
        progress=silent,
    )


def test_every_card_is_asked_for_by_several_users_before_its_result_is_told():
    server = Server()
    found = played(server, races())
    assert [what for what, _, _ in server.posted] == ["predict", "predict", "results"] * 2
    assert (found.cards, found.results, dict(found.refused)) == (2, 2, {"odd": 2})
    users = [headers["X_User_Id"] for what, _, headers in server.posted if what == "predict"]
    assert len(set(users)) == 4


def test_a_request_has_the_same_name_each_time_it_is_sent():
    first, second = Server(), Server()
    played(first, races())
    played(second, races())
    assert first.posted == second.posted
    assert len({h["X_Request_Id"] for _, _, h in first.posted if h}) == 4


def test_what_was_played_before_is_not_played_again():
    server, look = Server(), NOON + dt.timedelta(minutes=20)
    found = played(server, races(), Done(frozenset({"r0"}), frozenset({look.isoformat()})), [look])
    assert [what for what, _, _ in server.posted] == ["predict", "predict", "results"]
    assert (found.looks, found.results) == (0, 1)


def test_a_result_that_is_refused_is_counted_and_does_not_end_the_replay():
    found = played(Server(refuses=True), races())
    assert (found.results, dict(found.refused)) == (0, {"none of them could be accepted": 2})


def test_a_home_holds_one_replay_and_goes_on_with_it_only_when_told_to(tmp_path: Path):
    home = tmp_path / "home"
    there = record.opened(home, TERMS, resume=False)
    there.looks.append("2020-03-11")
    there.write()
    with pytest.raises(BadInput, match="already"):
        record.opened(home, TERMS, resume=False)
    assert record.opened(home, TERMS, resume=True).looks == ["2020-03-11"]
    other = Terms("data", "f" * 8, "2020-03-04", "2020-03-09", odds=False, asks=2, every_days=7.0, cooldown_days=90.0)
    with pytest.raises(BadInput, match="last"):
        record.opened(home, other, resume=True)


def test_a_home_that_holds_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(BadInput, match="new folder"):
        record.opened(tmp_path, TERMS, resume=True)


class Stored:
    model_version, form = "1", 3

    def __init__(self, race: str, features: str) -> None:
        self.race_key, self.features = race, features


def test_one_answer_with_other_features_makes_a_leak_of_its_race():
    trained = {"r0": "a", "r1": "b", "r2": "c"}
    found = leak.check(trained, [Stored("r0", "a"), Stored("r1", "b")], [Stored("r1", "x"), Stored("before", "y")])
    assert (found.races, found.equal, found.different, found.checked, found.unserved) == (2, 1, 1, 3, 1)
    assert found.examples[0]["race_id"] == "r1"


def test_moments_are_values_in_the_order_of_time():
    first = Moment(NOON, calendar.What.RESULT, 5)
    assert first < Moment(NOON, calendar.What.LOOK) < Moment(NOON, calendar.What.CARD, 0)
