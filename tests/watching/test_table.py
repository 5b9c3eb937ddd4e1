"""Drift tables of a history, and the folders they are written to."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from oracle.data.cards import card_of
from oracle.data.dataset import Dataset
from oracle.drift.columns import Role, layout
from oracle.drift.counting import race_starts
from oracle.ensemble.race_model import FEATURE_SET
from oracle.errors import BadInput, NotEnoughData
from oracle.features import registry
from oracle.features.matrix import RaceMatrix
from oracle.race import COLUMNS, Known
from oracle.watching import folder, table
from tests.watching import invented


@pytest.fixture(scope="module")
def whole() -> pa.Table:
    return of_all(invented.walked())


def of_all(matrix: RaceMatrix, *, odds: bool = True) -> pa.Table:
    every = np.ones(len(matrix), dtype=np.bool_)
    return table.of_history(invented.results(), matrix, every, invented.model(), version="1", odds=odds)


def test_every_feature_and_every_column_of_the_result_is_there_once(whole: pa.Table) -> None:
    names = whole.column_names
    assert len(set(names)) == len(names)
    assert {table.feature_column(name) for name in registry.names(FEATURE_SET)} <= set(names)
    assert {c.name for c in COLUMNS if c.known is Known.RESULT} <= set(names)


def test_columns_are_what_their_names_say_to_a_drift_check(whole: pa.Table) -> None:
    role = {c.name: c.role for c in layout(whole.schema).columns}
    for name in registry.names(FEATURE_SET):
        assert role[table.feature_column(name)] is Role.DATA, name
    assert {role[n] for n in table.PREDICTION} == {Role.PREDICTION}
    assert {role[n] for n in table.MARKET} == {Role.MARKET}
    assert {role[n] for n in ("position", "time_s", "status")} == {Role.OUTCOME}
    assert {role[n] for n in ("race_id", "meeting", "course", "horse", "ensemble", "model_version")} == {Role.IDENTITY}


def test_the_rows_of_a_race_stand_together_in_the_order_of_the_offs(whole: pa.Table) -> None:
    races = whole["race_id"].take(pa.array(race_starts(whole["race_id"])[:-1])).to_pylist()
    assert races == invented.walked().race_id.tolist()
    assert len(set(races)) == len(races)


def test_there_is_no_prediction_of_a_race_that_the_model_was_fitted_on(whole: pa.Table) -> None:
    through = pa.scalar(pd.Timestamp(invented.model().about.trained_through).date())
    fitted = pc.less_equal(whole["date"], through)
    assert 0 < pc.sum(fitted).as_py() < whole.num_rows
    for name in (*table.PREDICTION, "ensemble"):
        assert pc.is_null(whole[name]).equals(fitted), name


def test_predictions_are_what_the_model_says_of_the_card() -> None:
    model, (known, later) = invented.model(), invented.split()
    first = later["race_id"].iloc[0]
    matrix = invented.walked()
    mine = table.of_history(invented.results(), matrix, matrix.race_id == first, model, version="1")
    (said,) = model.predict([card_of(later, first)])
    for name in table.PREDICTION:
        assert mine[name].to_pylist() == [getattr(r, name) for r in said.runners], name
    assert set(mine["ensemble"].to_pylist()) == {said.ensemble} == {"market"}
    assert first not in set(known["race_id"])


def test_without_odds_the_form_answers_and_the_market_is_still_there_to_judge_by(whole: pa.Table) -> None:
    blind = of_all(invented.walked(), odds=False)
    assert set(pc.unique(blind["ensemble"].drop_null()).to_pylist()) == {"form"}
    assert pc.all(pc.is_nan(blind["market_log"])).as_py()
    for name in ("market", "odds", "feature_market", "position"):
        assert blind[name].equals(whole[name]) or blind[name].to_pandas().equals(whole[name].to_pandas()), name


def test_dates_without_a_race_are_refused() -> None:
    with pytest.raises(NotEnoughData, match="no race lies between"):
        table.between(invented.walked(), pd.Timestamp("1999-01-01").date(), pd.Timestamp("1999-12-31").date())


def test_row_groups_end_where_a_race_ends(whole: pa.Table, tmp_path: Path) -> None:
    pieces = list(folder.whole_races(whole, rows=40))
    assert len(pieces) > 3
    assert pa.concat_tables(pieces)["horse"].equals(whole["horse"])
    assert all(a["race_id"][-1].as_py() != b["race_id"][0].as_py() for a, b in pairwise(pieces))
    done = folder.write(tmp_path / "out", [("2015-01", whole)], {"model_version": "1"})
    assert (done.rows, done.races) == (whole.num_rows, len(invented.walked()))
    file = pq.ParquetFile(tmp_path / "out" / "month=2015-01" / "part-0.parquet")
    assert file.schema_arrow.metadata[b"model_version"] == b"1"
    assert file.schema_arrow.names == whole.column_names


def test_a_folder_is_written_whole_or_not_at_all(whole: pa.Table, tmp_path: Path) -> None:
    def broken() -> object:
        yield "2015-01", whole.slice(0, 20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.write(tmp_path / "out", broken(), {})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "taken").write_text("x")
    for taken in (tmp_path, tmp_path / "taken"):
        with pytest.raises(BadInput, match="not empty"):
            folder.write(taken, [], {})


def test_the_command_writes_what_a_dataset_holds(oracle_home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from oracle.cli.features import features

    data, out = oracle_home / "races", oracle_home / "tables"
    Dataset(data).append(invented.split()[1])
    features(str(data), out, json=True)
    assert '"model_version":null' in capfd.readouterr().out
    back = pq.read_table(out, partitioning=None)
    assert back.num_rows == len(invented.split()[1].query("status != 'withdrawn'"))
    assert "score" not in back.column_names
    with pytest.raises(BadInput, match="not a date"):
        features(str(data), oracle_home / "other", since="yesterday")
    with pytest.raises(BadInput, match="not empty"):
        features(str(data), out)
