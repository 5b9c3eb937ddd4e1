"""The live window: what was served, what came of it, and whether serving saw what training would have seen."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from oracle.store import embedded
from oracle.watching import live, table
from tests.watching import invented
from tests.watching.conftest import Work
from tests.watching.served import answered, rows

ALL = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def seen(work: Work) -> live.Live:
    return live.window(work.store, work.model, "1", work.now, since=ALL)


def test_the_window_is_the_table_that_a_walk_over_history_gives(work: Work, seen: live.Live) -> None:
    matrix = invented.walked()
    told = set(work.served["race_id"]) - {work.untold}
    mask = np.isin(matrix.race_id, list(told))
    history = table.of_history(invented.results(), matrix, mask, work.model, version="1")
    served = seen.table.filter(pc.is_in(seen.table["race_id"], pc.unique(history["race_id"])))
    late = served["race_id"].to_pylist().index(work.late)
    mine, theirs = served.to_pandas(), history.to_pandas()
    said = list(table.PREDICTION)  # those after the late result were said without it
    pd.testing.assert_frame_equal(mine[said][:late], theirs[said][:late], check_exact=True)
    pd.testing.assert_frame_equal(mine.drop(columns=said), theirs.drop(columns=said), check_exact=True)


def test_scores_are_those_that_were_served(work: Work, seen: live.Live) -> None:
    last = work.store.predictions.last_of_races("1", ALL, work.now)[-1]
    mine = seen.table.filter(pc.equal(seen.table["race_id"], last.race_key))
    assert [row["score"] for row in rows(last)] == mine["score"].to_pylist()
    assert [row["rank"] for row in rows(last)] == mine["rank"].to_pylist()


def test_a_race_without_a_result_yet_is_there_without_an_outcome(work: Work, seen: live.Live) -> None:
    mine = seen.table.filter(pc.equal(seen.table["race_id"], work.untold))
    assert mine.num_rows
    assert mine["position"].null_count == mine["status"].null_count == mine.num_rows
    assert mine["win"].null_count == 0
    assert (seen.races, seen.with_result) == (work.served["race_id"].nunique(), seen.races - 1)


def test_served_features_are_those_of_the_walk_but_for_what_a_late_result_explains(seen: live.Live) -> None:
    skew = seen.skew
    assert skew.compared == seen.races
    assert skew.behind > 0
    assert (skew.equal, skew.unexplained, skew.verdict) == (skew.compared - skew.behind, 0, "no skew")


def test_features_that_nothing_explains_are_a_finding(work: Work, tmp_path: Path) -> None:
    one = next(work.store.predictions.between())
    other = embedded(tmp_path)
    other.predictions.add([replace(one, features="0" * 16)])
    skew = live.window(other, work.model, "1", work.now, since=ALL).skew
    assert (skew.verdict, skew.unexplained, skew.races) == ("skew", 1, (one.race_key,))
    other.close()


def test_without_fingerprints_nothing_could_be_measured(work: Work, tmp_path: Path) -> None:
    other = embedded(tmp_path)
    other.predictions.add([replace(next(work.store.predictions.between()), features="")])
    assert live.window(other, work.model, "1", work.now, since=ALL).skew.verdict == "could not measure"
    other.close()


def test_nothing_after_now_is_looked_at(work: Work, seen: live.Live) -> None:
    offs = sorted(set(seen.table["off"].to_pylist()))
    now = offs[len(offs) // 2]
    before = live.window(work.store, work.model, "1", now, since=ALL)
    assert before.last == now
    mine = before.table.filter(pa.array([off == now for off in before.table["off"].to_pylist()]))
    assert mine["position"].null_count == mine.num_rows > 0
    assert before.with_result < before.races


def test_a_window_is_cut_by_races_or_by_days(work: Work, seen: live.Live) -> None:
    few = live.window(work.store, work.model, "1", work.now, races=5)
    assert (few.races, few.last) == (5, seen.last)
    assert few.first is not None
    since = live.window(work.store, work.model, "1", work.now, since=few.first)
    assert since.races < 5


def test_the_last_card_before_the_off_counts_with_whoever_started(work: Work, tmp_path: Path) -> None:
    told = work.store.results.known(work.now, ALL)[-1]
    first = next(p for p in work.store.predictions.between() if p.race_key == told.race_key)
    card = live._card(first)
    newcomer = replace(card.runners[0], horse="Gone Home", horse_id="gone", number=99)
    other = embedded(tmp_path)
    for minutes, runners in ((60, card.runners[:-1]), (30, (*card.runners, newcomer))):
        at = card.off - dt.timedelta(minutes=minutes)
        other.predictions.add([answered(work.model, replace(card, runners=runners), 0, "1", at)])
    other.results.add(work.store.results.known(work.now, ALL))
    found = live.window(other, work.model, "1", work.now, since=ALL)
    assert found.table.num_rows == len(card.runners)
    assert "gone" not in found.table["horse_id"].to_pylist()
    assert pc.sum(found.table["win"]).as_py() == pytest.approx(1.0)
    assert (found.races, found.with_result, found.unmatched) == (1, 1, 0)
    other.close()


def test_a_result_with_a_starter_that_was_not_on_the_card_is_left_out(work: Work, tmp_path: Path) -> None:
    told = work.store.results.known(work.now, ALL)[-1]
    first = next(p for p in work.store.predictions.between() if p.race_key == told.race_key)
    card = live._card(first)
    other = embedded(tmp_path)
    at = card.off - dt.timedelta(minutes=60)
    other.predictions.add([answered(work.model, replace(card, runners=card.runners[:-1]), 0, "1", at)])
    other.results.add([told])
    found = live.window(other, work.model, "1", work.now, since=ALL)
    assert (found.races, found.with_result, found.unmatched) == (1, 0, 1)
    assert found.table["position"].null_count == found.table.num_rows
    other.close()


def test_another_version_and_an_empty_store_have_no_races(work: Work) -> None:
    found = live.window(work.store, work.model, "2", work.now)
    assert (found.races, found.table.num_rows, found.skew.verdict) == (0, 0, "could not measure")
