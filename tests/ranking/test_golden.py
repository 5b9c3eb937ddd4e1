from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from oracle.ranking import market, metrics
from oracle.ranking.outcome import ANY_RESULT, gains, placed, winners
from oracle.ranking.plackett_luce import place
from oracle.ranking.races import offsets_of

HERE = Path(__file__).parent
RACES = json.loads((HERE / "golden.json").read_text())["races"]
OFFSETS = offsets_of([len(race["score"]) for race in RACES])


def column(name):
    return np.array([np.nan if value is None else value for race in RACES for value in race[name]])


def expected(name):
    return np.array([np.nan if race["expected"] is None else race["expected"][name] for race in RACES])


POSITION, SCORE, PROB = column("position"), column("score"), column("prob")
WON = winners(POSITION, OFFSETS, ANY_RESULT)
GAIN = gains(POSITION, OFFSETS, ANY_RESULT)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("ndcg_at_3", lambda: metrics.ndcg(SCORE, GAIN, OFFSETS, 3)),
        ("ndcg_at_5", lambda: metrics.ndcg(SCORE, GAIN, OFFSETS, 5)),
        ("mrr", lambda: metrics.mrr(SCORE, WON, OFFSETS)),
        ("map", lambda: metrics.average_precision(SCORE, placed(POSITION, OFFSETS, ANY_RESULT), OFFSETS)),
        ("top1", lambda: metrics.top1(SCORE, WON, OFFSETS)),
        ("log_loss", lambda: metrics.log_loss(PROB, WON, OFFSETS)),
        ("brier", lambda: metrics.brier(PROB, WON, OFFSETS)),
    ],
)
def test_every_race_has_the_number_that_was_worked_out_the_slow_way(name, ours):
    assert ours() == pytest.approx(expected(name), abs=1e-12, nan_ok=True)
    assert np.isnan(ours()).sum() >= 2


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_places_are_those_of_every_permutation(m):
    golden = np.array([value for race in RACES for value in race["placed"][m - 1]])
    assert place(PROB, OFFSETS, m) == pytest.approx(golden, abs=1e-12)


@pytest.mark.parametrize("method", ["multiplicative", "power", "shin"])
def test_market_probabilities_are_those_found_by_bisection(method):
    golden = np.array([value for race in RACES for value in race["market"][method]])
    assert getattr(market, method)(column("odds"), OFFSETS) == pytest.approx(golden, abs=1e-10)
    books = [race["market"]["overround"] for race in RACES]
    assert market.overround(column("odds"), OFFSETS) == pytest.approx(books, abs=1e-12)


def test_the_script_still_makes_these_numbers(tmp_path):
    made = runpy.run_path(str(HERE / "golden.py"))
    made["main"].__globals__["GOLDEN"] = tmp_path / "golden.json"
    made["main"]()
    again = json.loads((tmp_path / "golden.json").read_text())["races"]
    assert [race["odds"] for race in again] == [race["odds"] for race in RACES]
    for race, kept in zip(again, RACES, strict=True):
        if kept["expected"] is not None:
            assert race["expected"]["map"] == pytest.approx(kept["expected"]["map"], abs=1e-15)
