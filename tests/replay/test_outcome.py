"""What was served beside the alternatives: one number for each race, however many asked for it."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import numpy as np
import orjson
import pytest

from oracle.features.matrix import RaceMatrix
from oracle.replay import pictures, report
from oracle.replay.outcome import Outcome, compared, outcome, periods
from oracle.replay.timeline import Event
from oracle.settings import EvaluationPolicy
from oracle.store import Prediction

POLICY = EvaluationPolicy(resamples=100)
RUNNERS, RACES = 6, 40
OFF = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)


def matrix() -> RaceMatrix:
    rows = RUNNERS * RACES
    return RaceMatrix(
        values=np.zeros((rows, 1), dtype=np.float32),
        names=("nothing",),
        offsets=np.arange(RACES + 1, dtype=np.int64) * RUNNERS,
        off=np.arange(RACES) * 86_400.0 + OFF.timestamp(),
        day=np.arange(RACES, dtype=np.int64) + 18_262,
        position=np.tile(np.arange(1.0, RUNNERS + 1), RACES),
        market=np.tile(np.arange(RUNNERS, 0.0, -1) / 21.0, RACES),
        odds=np.full(rows, 5.0),
        race_id=np.array([f"r{n}" for n in range(RACES)], dtype=object),
        meeting=np.array([f"m{n // 2}" for n in range(RACES)], dtype=object),
    )


class Backwards:
    """Ranks every race the wrong way round."""

    def priced(self, races: RaceMatrix) -> tuple[Any, Any, Any]:
        score = races.position
        return score, np.full(len(score), 1.0 / RUNNERS), np.zeros(len(races), dtype=bool)


def answer(race: str, scores: list[float], nth: int = 0) -> Prediction:
    said = [{"withdrawn": False, "score": s, "win": 1.0 / len(scores)} for s in scores]
    return Prediction(
        prediction_id=f"{race}-{nth}",
        at=OFF,
        race_key=race,
        course="Meadow Park",
        off=OFF,
        unit="u",
        model_name="m",
        model_version=str(nth + 1),
        card_key="c",
        card="{}",
        answer=orjson.dumps({"runners": [*said, {"withdrawn": True, "score": None, "win": 0.0}]}).decode(),
    )


RIGHT, WRONG = [6.0, 5, 4, 3, 2, 1], [1.0, 2, 3, 4, 5, 6]


@pytest.fixture
def found() -> Outcome:
    answers = [answer(f"r{n}", RIGHT) for n in range(RACES - 1)]
    return outcome(matrix(), matrix(), [*answers, answer("r0", WRONG, 1)], cast("Any", Backwards()), POLICY)


def test_a_race_that_two_users_asked_for_counts_with_the_mean_of_their_answers(found: Outcome):
    assert found.served.ndcg[1] == 1.0
    assert found.frozen.ndcg[1] < found.served.ndcg[0] == (1.0 + found.frozen.ndcg[1]) / 2


def test_a_race_that_nobody_answered_is_left_out(found: Outcome):
    assert np.isnan(found.served.ndcg[-1])
    assert periods(found)[-1]["races"] == RACES - 1


def test_the_difference_has_an_interval_by_meeting(found: Outcome):
    told = compared(found, POLICY, seed=1)["ndcg_at_3"]
    assert 0 < told["low"] <= told["mean"] <= told["high"]
    assert told["meetings"] == RACES / 2


def test_an_answer_of_another_field_is_not_taken_for_this_race():
    short = outcome(matrix(), matrix(), [answer("r0", [1.0, 2.0])], cast("Any", Backwards()), POLICY)
    assert np.isnan(short.served.ndcg).all()


def test_the_picture_and_the_page_show_what_happened(found: Outcome):
    events = [
        Event(OFF, "alarm", "concept (draw)"),
        Event(OFF, "retraining", "concept"),
        Event(OFF, "test", "2 against 1", OFF + dt.timedelta(days=20)),
        Event(OFF + dt.timedelta(days=20), "promoted", "<version 2>"),
    ]
    drawn = pictures.picture(found, events)
    assert drawn.startswith("<svg")
    told = {
        "first_date": "2020-01-01",
        "last_date": "2020-02-09",
        "periods": periods(found),
        "ahead": compared(found, POLICY, seed=1),
        "leak": {"races": 39, "equal": 39},
        "played": {"looks": 3},
        "events": [event.as_dict() for event in events],
        "seconds": {"total": 1.0},
        "retrainings": [],
        "promotions": 1,
        "alarms": 1,
        "checks": 3,
        "peak_memory_mb": 1.0,
        "trouble": [],
    }
    page = report.page(told, drawn)
    assert "&lt;version 2&gt;" in page
    assert "<version 2>" not in page
    assert "39 of 39 races" in report.text(told)
