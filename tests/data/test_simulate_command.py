"""`oracle simulate` writes a dataset with the truth beside it."""

import datetime as dt
import subprocess
import sys

import numpy as np
import orjson
import pandas as pd
import pytest

from oracle.cli.simulate import _shock as shock_of
from oracle.data.dataset import Dataset
from oracle.data.simulate import Shock
from oracle.errors import BadInput


def oracle(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from oracle.cli.app import main; main()", *map(str, arguments)],
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("simulated") / "world"


def test_it_writes_a_dataset_and_the_truth_and_reports_both_in_one_document(out):
    done = oracle("simulate", "--races", 300, "--seed", 11, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    told = orjson.loads(done.stdout)
    rows = Dataset(out).read()
    assert (told["races"], told["rows"]) == (300, len(rows))
    assert told["fingerprint"] == Dataset(out).fingerprint()
    truth = pd.read_parquet(told["truth"])
    assert set(truth["race_id"]) == set(rows["race_id"])
    np.testing.assert_allclose(truth.groupby("race_id")["true_win_probability"].sum(), 1.0, atol=1e-12)
    assert len(pd.read_parquet(out)) == len(rows)


@pytest.mark.slow
def test_it_will_not_mix_two_worlds(out):
    if not out.exists():
        assert oracle("simulate", "--races", 20, "--out", out).returncode == 0
    again = oracle("simulate", "--races", 20, "--seed", 8, "--out", out, "--json")
    assert again.returncode == 2
    assert orjson.loads(again.stdout)["error"]["next_step"]


def test_a_drift_is_a_kind_a_date_and_a_size():
    assert shock_of("draw:2016-01-01") == Shock("draw_effect", dt.date(2016, 1, 1), -1.0)
    assert shock_of("market_noise:2016-01-01:2") == Shock("market_noise", dt.date(2016, 1, 1), 2.0)
    for wrong in ("draw", "draw:soon", "draw:2016-01-01:much", "gravity:2016-01-01"):
        with pytest.raises(BadInput):
            shock_of(wrong)
