"""The four real folders are read nearly without a word of complaint."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from oracle.data.sources import SOURCES
from oracle.race import COLUMNS, GOINGS, RaceType, Status, Surface

pytestmark = pytest.mark.realdata
FOLDERS = {"hkjc": 98_083, "hkjc-2014": 19_996, "netkeiba": 72_078, "racingpost-ie": 83_834}


@pytest.fixture(scope="module")
def real(real_data: Path) -> dict[str, pd.DataFrame]:
    found = {}
    for folder in FOLDERS:
        batches = list(SOURCES[folder.removesuffix("-ie")].read([real_data / folder]))
        rows = pd.concat([b.rows for b in batches], ignore_index=True)
        found[folder] = rows.assign(reason=pd.concat([b.reason for b in batches], ignore_index=True))
    return found


@pytest.mark.parametrize(("folder", "rows"), FOLDERS.items())
def test_every_row_is_read_and_nearly_none_has_a_reason(folder: str, rows: int, real: dict[str, pd.DataFrame]) -> None:
    table = real[folder]
    assert len(table) == rows
    assert table["reason"].notna().mean() < 0.001
    for column in (c for c in COLUMNS if c.required):
        assert table[column.name].notna().all(), column.name


@pytest.mark.parametrize("folder", FOLDERS)
def test_only_the_canonical_words_are_used(folder: str, real: dict[str, pd.DataFrame]) -> None:
    table = real[folder]
    assert set(table["status"]) <= {str(s) for s in Status}
    assert set(table["race_type"]) <= {str(t) for t in RaceType}
    assert set(table["surface"].dropna()) <= {str(s) for s in Surface}
    assert set(table["going"].dropna()) <= set(GOINGS)


def test_the_half_year_that_stands_in_both_hong_kong_layouts_agrees(real: dict[str, pd.DataFrame]) -> None:
    daily = real["hkjc"].drop_duplicates(["race_id", "horse_id"])
    both = daily.merge(real["hkjc-2014"], on=["race_id", "horse_id"], suffixes=("", "_joined"))
    assert len(both) > 6_000
    for name in ("status", "position", "time_s", "beaten_lengths", "weight_kg", "distance_m", "going", "track", "off"):
        same = both[name].eq(both[f"{name}_joined"]) | (both[name].isna() & both[f"{name}_joined"].isna())
        assert same.all(), name
