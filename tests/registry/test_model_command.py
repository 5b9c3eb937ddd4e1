import datetime as dt
import json
from contextlib import closing
from pathlib import Path

import pytest

from oracle import store
from oracle.cli.model import list as command
from oracle.registry import authority
from oracle.registry.lifecycle import register
from oracle.registry.versioning import ModelFacts
from oracle.settings import Settings
from oracle.tracking.connection import connect
from oracle.tracking.runs import run
from tests.registry.cards import CARD
from tests.tracking.stores import fresh_home

NOON = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)


@pytest.fixture
def home(oracle_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (fresh_home(tmp_path_factory) / "mlflow.db").rename(oracle_home / "mlflow.db")
    return oracle_home


def test_the_list_is_one_document_newest_first_and_says_which_is_in_service(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "weights").write_text("1")
    tracking = connect(Settings(home=home))
    with run(tracking, "a training") as recorder:
        recorder.metrics({"test.model.ndcg_at_3": 0.51234})
        for data in ("d1", "d2"):
            facts = ModelFacts(("logit",), "pool", "h", "form@1", data, "c")
            register(tracking, tmp_path / "package", CARD, facts, recorder.run_id)
    with closing(store.embedded(home)) as kept:
        authority.of(Settings(home=home), tracking, kept, NOON).first(1)
    command.listed(json=True)
    printed = capfd.readouterr()
    assert printed.err == ""
    document = json.loads(printed.out)
    assert [(v["version"], v["semver"], v["aliases"][0]) for v in document["versions"]] == [
        (2, "v1.0.1", "candidate"),
        (1, "v1.0.0", "production"),
    ]
    assert document["versions"][0]["metrics"] == {"test.model.ndcg_at_3": 0.51234}
    assert [v["stage"] for v in document["versions"]] == ["unstaged", "production"]
    assert document["trouble"] is None
    assert document["versions"][0]["run_id"] == recorder.run_id
    lines = command.table(document["versions"]).splitlines()
    told = [["2", "v1.0.1", "unstaged", "candidate"], ["1", "v1.0.0", "production", "production"]]
    assert [line.split()[:4] for line in lines[1:]] == told
    assert "0.5123" in lines[1]
    tracking.client.set_registered_model_alias(tracking.model_name, tracking.alias, "2")
    command.listed()
    assert "points to version 2, and the record says 1: it was moved outside" in capfd.readouterr().out


def test_an_empty_registry_is_no_mistake_and_names_the_next_step(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command.listed()
    printed = capfd.readouterr()
    assert "oracle train" in printed.out
    assert printed.err == ""
