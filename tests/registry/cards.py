"""Invented cards, and the plainest model there is: what a registry needs of a package, without training one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from hypothesis import strategies as st

from oracle.race import CardPrediction, RaceCard, Runner, RunnerPrediction


class Even:
    """Gives every starter the same chance; ranks by the card."""

    def predict(self, cards: Sequence[RaceCard]) -> list[CardPrediction]:
        return [self._answer(card) for card in cards]

    def _answer(self, card: RaceCard) -> CardPrediction:
        starters = [r for r in card.runners if not r.withdrawn]
        win = 1 / max(len(starters), 1)
        return CardPrediction(
            tuple(
                RunnerPrediction(
                    horse=r.horse,
                    number=r.number,
                    rank=None if r.withdrawn else starters.index(r) + 1,
                    score=None if r.withdrawn else 0.0,
                    win=0.0 if r.withdrawn else win,
                    place=0.0 if r.withdrawn else min(1.0, 3 * win),
                    fair_odds=None if r.withdrawn else 1 / win,
                    edge=None if r.odds is None or r.withdrawn else win * r.odds - 1,
                    known=False,
                )
                for r in card.runners
            ),
            "form",
            3,
        )


WORDS = st.text("abcdefghijklmnopqrstuvwxyz 馬é'-", min_size=1, max_size=12)
ZONES = st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=8))])


def runners() -> st.SearchStrategy[Runner]:
    return st.builds(
        Runner,
        horse=WORDS,
        jockey=st.none() | WORDS,
        trainer_id=st.none() | WORDS,
        number=st.none() | st.integers(1, 40),
        draw=st.none() | st.integers(1, 40),
        weight_kg=st.none() | st.floats(40, 80),
        age=st.none() | st.integers(2, 15),
        odds=st.none() | st.floats(1.01, 1000),
        withdrawn=st.booleans(),
    )


def cards(race_id: str) -> st.SearchStrategy[RaceCard]:
    return st.builds(
        RaceCard,
        race_id=st.just(race_id),
        course=WORDS,
        off=st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2030, 1, 1), timezones=ZONES),
        runners=st.lists(runners(), min_size=1, max_size=6, unique_by=lambda r: r.horse).map(tuple),
        distance_m=st.none() | st.integers(1000, 7000),
        going=st.none() | st.just("good"),
        prize=st.none() | st.floats(0, 1e6),
        race_number=st.none() | st.integers(1, 12),
    )


MEETINGS = st.integers(1, 4).flatmap(lambda n: st.tuples(*(cards(f"race {i}") for i in range(n))))

CARD = RaceCard(
    race_id="invented-1",
    course="Invented Park",
    off=dt.datetime(2026, 5, 3, 14, 30, tzinfo=dt.UTC),
    distance_m=1600,
    going="good",
    runners=(
        Runner("First Light", jockey="A. Rider", draw=1, weight_kg=57.0, odds=3.5, number=1),
        Runner("Second Wind", jockey="B. Rider", draw=3, weight_kg=55.5, odds=2.2, number=2),
        Runner("Third Time", draw=2, number=3, withdrawn=True),
    ),
)
