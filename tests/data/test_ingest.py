"""From raw batches to the dataset: every row accounted for, whatever comes, in whatever order."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.data.dataset import Dataset
from oracle.data.ingest import ingest
from oracle.data.sources import SOURCES
from oracle.data.spool import Spool
from oracle.progress import silent

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Told:
    """A source that tells what it was given."""

    batches: tuple
    name: str = "told"

    def read(self, paths, progress=silent):
        yield from self.batches


def take(dataset, *batches):
    report = ingest([Path("anywhere")], Told(batches), dataset, NOW)
    assert report.rows_accepted + report.rows_duplicate + report.rows_quarantined == report.rows_read
    assert sum(report.reasons.values()) == report.rows_quarantined
    return report


def refused(report):
    return [orjson.loads(line) for line in Path(report.quarantine).read_bytes().splitlines()]


@pytest.fixture
def dataset(tmp_path):
    return Dataset(tmp_path / "d")


def test_accepted_rows_stand_in_the_dataset(race, batch, dataset):
    report = take(dataset, batch(race("r1"), race("r2", "2020-05-06")))
    assert (report.rows_read, report.rows_accepted, report.races, report.races_new) == (12, 12, 2, 2)
    assert (report.first_date, report.last_date) == (dt.date(2020, 3, 4), dt.date(2020, 5, 6))
    assert report.quarantine is None
    assert len(dataset.read()) == 12


def test_the_same_input_again_adds_nothing_but_the_same_quarantine(race, batch, dataset, tmp_path):
    bad = race("r2")
    bad.loc[4, "weight_kg"] = 3.0
    first = take(dataset, batch(race("r1"), bad))
    before = dataset.fingerprint()
    second = take(dataset, batch(race("r1"), bad))
    assert (second.rows_accepted, second.rows_duplicate, second.rows_quarantined) == (0, 11, 1)
    assert second.races == 2
    assert dataset.fingerprint() == before
    assert second.quarantine == first.quarantine
    assert len(list((tmp_path / "d/_quarantine").iterdir())) == 1


def test_a_refused_row_is_kept_with_its_file_line_reason_and_raw_text(race, batch, dataset):
    bad = race()
    bad.loc[3, "odds"] = 0.5
    report = take(dataset, batch(bad, file="march.csv"))
    assert refused(report) == [
        {
            "file": "march.csv",
            "line": 5,
            "reason": "odds_below_one: odds=0.5",
            "raw": {"race_id": "r1", "horse": "Horse 4", "position": "4"},
        }
    ]


def test_rows_without_a_date_or_a_race_are_kept_too(race, batch, dataset):
    lost = race()
    lost.loc[2, "date"] = pd.NaT
    lost.loc[3, "race_id"] = None
    report = take(dataset, batch(lost, reasons={4: "unknown_position: 'XX'"}))
    assert report.rows_read == 6
    assert report.reasons["unknown_position"] == 1
    assert report.reasons["missing_race"] == 1
    assert report.reasons["missing_value"] == 1


def test_a_later_file_with_a_corrected_result_replaces_the_race(race, batch, dataset):
    corrected = race(position=[2, 1, 3, 4, 5, 6])
    assert take(dataset, batch(race())).races_new == 1
    report = take(dataset, batch(corrected))
    assert (report.rows_accepted, report.races_new, report.races_replaced) == (6, 0, 1)
    assert dataset.read()["position"].tolist() == [2, 1, 3, 4, 5, 6]


def test_two_files_at_once_do_what_they_would_do_one_after_the_other(race, batch, tmp_path):
    old, new = batch(race(), file="a.csv"), batch(race(position=[2, 1, 3, 4, 5, 6]), file="b.csv")
    together, apart = Dataset(tmp_path / "together"), Dataset(tmp_path / "apart")
    report = take(together, old, new)
    take(apart, old)
    take(apart, new)
    assert (report.rows_accepted, report.races, report.races_replaced) == (12, 1, 1)
    assert together.fingerprint() == apart.fingerprint()


def test_a_race_cut_over_two_files_is_one_race(race, batch, dataset):
    whole = race()
    report = take(dataset, batch(whole.iloc[:2], file="part-0.parquet"), batch(whole.iloc[2:], file="part-1.parquet"))
    assert (report.rows_accepted, report.races) == (6, 1)
    assert dataset.read()["field_size"].eq(6).all()


def test_a_race_cut_over_two_batches_of_a_file_is_one_race(race, batch, dataset):
    whole = race()
    assert take(dataset, batch(whole.iloc[:2]), batch(whole.iloc[2:])).rows_accepted == 6


def test_a_slip_in_one_date_does_not_split_a_race_in_two(race, batch, dataset):
    slip = race()
    slip.loc[0, ["date", "off"]] = [pd.Timestamp("2020-07-04"), pd.Timestamp("2020-07-04 12:00", tz="UTC")]
    report = take(dataset, batch(slip, race("r2", "2020-07-04")))
    assert report.reasons == {"race_columns_disagree": 6}
    assert report.races == 1


@settings(max_examples=4)
@given(cuts=st.sets(st.integers(1, 29)), rows_per_run=st.integers(1, 40))
def test_however_the_rows_are_cut_the_spool_gives_them_all_back(race, batch, tmp_path_factory, cuts, rows_per_run):
    rows = pd.concat([race(f"r{i}", f"2020-0{1 + i}-10") for i in range(5)], ignore_index=True)
    spool = Spool(tmp_path_factory.mktemp("spool"))
    bounds = [0, *sorted(cuts), 30]
    for low, high in itertools.pairwise(bounds):
        spool.add(batch(rows.iloc[low:high].reset_index(drop=True)))
    back = [spool.load(run) for run in spool.runs(rows_per_run)]
    pd.testing.assert_frame_equal(pd.concat([part.batch.rows for part in back], ignore_index=True), rows)
    raw = [spool.raw(int(o), np.array([a])) for part in back for o, a in zip(part.origin, part.at, strict=True)]
    assert [next(one)["horse"] for one in raw] == rows["horse"].tolist()


def test_input_in_which_no_row_makes_sense_is_told_and_makes_no_dataset(race, batch, dataset):
    report = take(dataset, batch(race(position=[2, 3, 4, 5, 6, 7])))
    assert report.learnt_nothing
    assert report.quarantine is not None
    assert not dataset.exists()


def test_an_error_while_reading_leaves_the_dataset_as_it_was(race, batch, dataset):
    def broken():
        yield batch(race("r2"))
        raise RuntimeError

    take(dataset, batch(race()))
    before = dataset.fingerprint()
    with pytest.raises(RuntimeError):
        ingest([], Told(broken()), dataset, NOW)
    assert dataset.fingerprint() == before


FOLDERS = {"hkjc": "hkjc", "hkjc-2014": "hkjc-2014", "netkeiba": "netkeiba", "racingpost": "racingpost-ie"}


@pytest.mark.realdata
@pytest.mark.parametrize("name", FOLDERS)
def test_real_races_are_accounted_for_and_nearly_all_accepted(real_data, dataset, name):
    paths = [real_data / FOLDERS[name]]
    report = ingest(paths, SOURCES[name], dataset, NOW)
    assert report.rows_accepted + report.rows_duplicate + report.rows_quarantined == report.rows_read
    assert report.rows_quarantined < 0.01 * report.rows_read
    again = ingest(paths, SOURCES[name], dataset, NOW)
    assert (again.rows_accepted, again.rows_quarantined) == (0, report.rows_quarantined)
    assert dataset.summary().races == report.races
