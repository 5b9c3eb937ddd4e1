"""`oracle predictions`: exported and pruned from the command line, and what is asked in vain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest

from oracle.cli.predictions import export, prune
from oracle.errors import BadInput
from oracle.store import embedded
from tests.store.rows import event, experiment
from tests.store.test_export import answered


def printed(capfd: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capfd.readouterr().out)


def test_answers_are_exported_then_told_then_pruned(oracle_home: Path, tmp_path: Path, capfd: Any):
    store = embedded(oracle_home)
    store.predictions.add([answered(n) for n in range(3)])
    store.events.add([event(1, "p1")])
    export(tmp_path / "out", json=True)
    document = printed(capfd)
    assert (document["predictions"], document["dates"]) == (3, ["2026-05-03"])
    assert ds.dataset(tmp_path / "out" / "predictions").count_rows() == document["rows"] == 15
    prune(0, json=True)
    told = printed(capfd)
    assert (told["predictions"], told["events"], told["deleted"]) == (3, 1, False)
    assert store.predictions.count() == 3, "saying is not doing"
    prune(0, yes=True)
    assert "3 predictions, 0 scorings and 1 events deleted" in capfd.readouterr().out
    assert store.predictions.count() == 0
    store.close()
    export(tmp_path / "none")
    assert "nothing was answered" in capfd.readouterr().out


def test_a_running_experiment_holds_what_it_needs(oracle_home: Path, capfd: Any):
    store = embedded(oracle_home)
    store.predictions.add([answered()])
    store.experiments.start(experiment())
    store.close()
    prune(0, yes=True, json=True)
    told = printed(capfd)
    assert (told["predictions"], told["held_by"]) == (0, "t1")
    prune(0)
    assert "running experiment t1" in capfd.readouterr().out


def test_what_cannot_be_is_refused(oracle_home: Path, tmp_path: Path):
    with pytest.raises(BadInput, match="--since is no date"):
        export(tmp_path / "x", since="yesterday")
    with pytest.raises(BadInput, match="a folder of this machine"):
        export(Path("s3://bucket/x"))
    with pytest.raises(BadInput, match="before the first"):
        export(tmp_path / "x", since="2026-05-04", until="2026-05-03")
    with pytest.raises(BadInput, match="0 days and more"):
        prune(-1)
