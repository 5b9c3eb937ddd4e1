"""Real races served card by card: serving sees what training sees, to the bit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from oracle.features.ledger import KNOWN_AFTER
from oracle.features.races import from_frame
from oracle.features.state import State
from oracle.store import embedded
from oracle.watching import live
from tests.features.conftest import FEW, _real
from tests.watching import invented
from tests.watching.served import serve

pytestmark = pytest.mark.realdata
ALL = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("layout", FEW)
def test_real_cards_are_served_with_the_features_of_the_walk(layout: str, real_data: Path, tmp_path: Path) -> None:
    table = _real(real_data, layout, FEW[layout])
    frame = table.sort_values(["off", "race_id"], kind="stable", ignore_index=True)
    first = frame["date"].drop_duplicates().iloc[-1]
    state = State()
    state.walk(from_frame(frame[frame["date"] < first]))
    model, store = invented.model().with_state(state), embedded(tmp_path)
    later, soon = frame[frame["date"] >= first], dt.timedelta(seconds=KNOWN_AFTER)
    serve(model, store, later, before=dt.timedelta(0), after=soon)  # at the moment that training takes
    found = live.window(store, model, "1", frame["off"].max().to_pydatetime() + dt.timedelta(days=1), since=ALL)
    skew = found.skew
    assert found.with_result == found.races == skew.compared == skew.equal > 3
    store.close()
