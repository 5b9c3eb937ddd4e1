"""`oracle audit`: what the trail says, whether it holds, and how it is kept elsewhere."""

from __future__ import annotations

import csv
import datetime as dt
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oracle.cli import output
from oracle.cli.app import app
from oracle.cli.output import run
from oracle.governance.audit import Entry
from oracle.governance.verification import Anchor
from oracle.store import embedded
from oracle.store.anchors import Kept, keep, kept
from tests.governance.chains import entry


@pytest.fixture(autouse=True)
def _output_stays_where_pytest_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output._Result, "claim", classmethod(lambda _: None))


@pytest.fixture
def home(oracle_home: Path) -> Path:
    """A home whose trail has five entries."""
    add(oracle_home, *(entry(n, outcome="refused" if n == 4 else "allowed", reason=f"why {n}") for n in range(1, 6)))
    return oracle_home


def add(home: Path, *entries: Entry) -> None:
    store = embedded(home)
    for one in entries:
        store.audit.append(one)
    store.close()


def tampered(home: Path, statement: str) -> None:
    with sqlite3.connect(home / "oracle.db") as database:
        for name in ("no_update", "no_delete", "chained"):
            database.execute(f"DROP TRIGGER IF EXISTS audit_log_{name}")
        database.execute(statement)


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Any:
    """Run `oracle audit ...` and return its exit code with its document."""

    def called(*words: str) -> tuple[int, dict[str, Any]]:
        capfd.readouterr()
        code = run(app, ["audit", *words, "--json"])
        return code, json.loads(capfd.readouterr().out)

    return called


def test_the_log_shows_what_was_asked_for(home: Path, call: Any, capfd: pytest.CaptureFixture[str]):
    code, document = call("log", "--refused")
    assert (code, [e["position"] for e in document["entries"]]) == (0, [4])
    code, document = call("log", "--actor", "ann", "--since", "2026-05-03", "--until", "2026-05-04", "--last", "2")
    assert [e["reason"] for e in document["entries"]] == ["why 4", "why 5"]
    assert call("log", "--since", "tomorrow")[0] == 2
    add(home, entry(6, actor="eve\x1b[2J\nroot", before='{"alias":2}', after='{"alias":3}'))
    assert run(app, ["audit", "log"]) == 0
    told = capfd.readouterr().out
    assert "eve\\x1b[2J\\nroot: promote equine-oracle/3" in told
    assert 'before  {"alias":2}' in told


def test_a_trail_that_holds_and_one_that_does_not(home: Path, call: Any, capfd: pytest.CaptureFixture[str]):
    code, document = call("verify")
    assert (code, document["sound"], document["entries"], document["head"]["position"]) == (0, True, 5, 5)
    tampered(home, "UPDATE audit_log SET actor = 'bea' WHERE position = 2")
    code, document = call("verify")
    assert (code, document["sound"]) == (10, False)
    assert [(flaw["position"], flaw["kind"]) for flaw in document["flaws"]] == [(2, "changed")]
    assert run(app, ["audit", "verify"]) == 10
    assert "2 is not what was written there" in capfd.readouterr().out


@pytest.mark.slow
def test_a_file_is_verified_where_there_is_no_database(home: Path, call: Any, tmp_path: Path):
    out, table = tmp_path / "trail.jsonl", tmp_path / "trail.csv"
    code, document = call("export", "--out", str(out), "--csv", str(table))
    assert (code, document["entries"], document["head"]["position"]) == (0, 5, 5)
    (home / "oracle.db").unlink()
    assert call("verify", "--file", str(out))[0] == 0
    assert not (home / "oracle.db").exists()
    with table.open(newline="", encoding="utf-8") as stream:
        assert [row["reason"] for row in csv.DictReader(stream)] == [f"why {n}" for n in range(1, 6)]
    out.write_bytes(out.read_bytes().replace(b"why 3", b"why 9"))
    code, document = call("verify", "--file", str(out))
    assert (code, document["flaws"][0]["position"], document["flaws"][0]["kind"]) == (10, 3, "changed")
    assert call("verify", "--file", str(tmp_path / "none"))[0] == 2
    assert call("export", "--out", str(tmp_path / "none" / "trail"))[0] == 2
    assert sorted(p.name for p in tmp_path.glob("*trail*")) == ["trail.csv", "trail.jsonl"]


def test_an_end_that_is_cut_off_is_found_by_the_anchor_in_a_file(home: Path, call: Any, tmp_path: Path):
    anchors = str(tmp_path / "anchors.jsonl")
    assert call("anchor", "--to", anchors)[1]["new"] == 5
    add(home, entry(6), entry(7))
    code, document = call("anchor", "--to", anchors)
    assert (code, document["new"], document["anchor"]["position"]) == (0, 2, 7)
    assert call("anchor", "--to", anchors)[1]["kept"] is None
    assert len(Path(anchors).read_text().splitlines()) == 2
    code, document = call("verify", "--anchor", anchors)
    assert (code, document["anchors"]) == (0, 2)
    tampered(home, "DELETE FROM audit_log WHERE position = 7")
    assert call("verify")[0] == 0
    code, document = call("verify", "--anchor", anchors)
    assert (code, document["flaws"][0]["kind"]) == (10, "cut")
    assert call("anchor", "--to", anchors)[0] == 10
    assert len(Path(anchors).read_text().splitlines()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("position", [2, 5, 6])
def test_nothing_is_anchored_that_does_not_hold_with_the_last_anchor(
    home: Path, call: Any, tmp_path: Path, position: int
):
    anchors = str(tmp_path / "anchors.jsonl")
    call("anchor", "--to", anchors)
    add(home, entry(6), entry(7))
    tampered(home, f"UPDATE audit_log SET actor = 'bea' WHERE position = {position}")
    assert call("anchor", "--to", anchors)[0] == (10 if position >= 5 else 0)  # what was anchored is not read again
    assert call("verify", "--anchor", anchors)[0] == 10


def test_a_chain_that_was_written_anew_is_found_by_the_anchor(home: Path, call: Any, tmp_path: Path):
    anchors = str(tmp_path / "anchors.jsonl")
    call("anchor", "--to", anchors)
    for file in home.glob("oracle.db*"):
        file.unlink()
    add(home, *(entry(n, actor="mallory") for n in range(1, 9)))
    assert call("verify")[0] == 0
    code, document = call("verify", "--anchor", anchors)
    assert (code, [(f["position"], f["kind"]) for f in document["flaws"]]) == (10, [(5, "rewritten")])
    assert call("anchor", "--to", anchors)[0] == 10


@pytest.mark.slow
def test_a_line_that_is_no_anchor_is_an_alarm(home: Path, call: Any, tmp_path: Path):
    anchors = tmp_path / "anchors.jsonl"
    call("anchor", "--to", str(anchors))
    anchors.write_bytes(anchors.read_bytes() + b'{"position":5')
    code, document = call("verify", "--anchor", str(anchors))
    assert (code, document["unreadable_anchors"]) == (10, [f"{anchors}, line 2"])
    assert call("anchor", "--to", str(anchors))[0] == 10


@pytest.mark.slow
def test_an_empty_trail_is_sound_and_has_nothing_to_anchor(oracle_home: Path, call: Any, tmp_path: Path):
    assert call("verify")[1]["head"]["position"] == 0
    assert call("anchor", "--to", str(tmp_path / "anchors"))[1]["kept"] is None
    assert not (tmp_path / "anchors").exists()


def test_an_anchor_without_a_place_is_a_line_to_hand_on(home: Path, capfd: pytest.CaptureFixture[str]):
    assert run(app, ["audit", "anchor"]) == 0
    position, digest = capfd.readouterr().out.split()
    assert (position, len(digest)) == ("5", 64)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket that locks its objects, in a simulated S3."""
    import boto3
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "MLFLOW_S3_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="audit", ObjectLockEnabledForBucket=True)
        client.create_bucket(Bucket="open")
        yield client


@pytest.mark.slow
def test_anchors_in_a_bucket_are_locked_and_read_in_every_version(home: Path, call: Any, bucket: Any):
    code, document = call("anchor", "--to", "s3://audit/trail", "--retain", "30")
    assert code == 0, document
    key = document["kept"].removeprefix("s3://audit/")
    assert key == f"trail/000000000005-{document['anchor']['hash'][:16]}.json"
    told = bucket.head_object(Bucket="audit", Key=key)
    assert told["ObjectLockMode"] == "COMPLIANCE"
    assert 29 <= (told["ObjectLockRetainUntilDate"] - dt.datetime.now(dt.UTC)).days <= 30
    assert call("verify", "--anchor", "s3://audit/trail")[1]["anchors"] == 1
    bucket.delete_object(Bucket="audit", Key=key)  # leaves a marker: the anchor is hidden from a browser
    assert not bucket.list_objects_v2(Bucket="audit").get("Contents")
    bucket.put_object(Bucket="audit", Key=key, Body=b'{"position":5,"hash":"forged","at":null}')
    tampered(home, "DELETE FROM audit_log WHERE position = 5")
    code, document = call("verify", "--anchor", "s3://audit/trail")
    assert (code, document["anchors"]) == (10, 2)
    version = bucket.list_object_versions(Bucket="audit", Prefix=key)["Versions"][-1]["VersionId"]
    with pytest.raises(bucket.exceptions.ClientError, match="AccessDenied"):
        bucket.delete_object(Bucket="audit", Key=key, VersionId=version)


@pytest.mark.slow
def test_an_anchor_that_is_kept_already_is_not_put_again(bucket: Any):
    one, until = Anchor(5, "ab" * 32), dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    assert keep("s3://audit/a", one, until=until) == keep("s3://audit/a", one, until=until)
    assert len(bucket.list_object_versions(Bucket="audit", Prefix="a/")["Versions"]) == 1
    assert kept("s3://audit/a") == Kept((one,), ())


@pytest.mark.slow
def test_a_bucket_that_locks_nothing_is_refused_unless_that_is_meant(
    home: Path, call: Any, bucket: Any, monkeypatch: pytest.MonkeyPatch
):
    assert call("anchor", "--to", "s3://nowhere/a")[0] == 1
    assert call("anchor", "--to", "s3:///a")[0] == 2
    assert call("anchor", "--to", "s3://open/a", "--retain", "0")[0] == 0
    assert call("verify", "--anchor", "s3://open/a")[1]["anchors"] == 1

    def refuses(**_: Any) -> None:  # as Amazon's does; the simulated one takes any lock
        said = {"Error": {"Code": "InvalidRequest", "Message": "Bucket is missing Object Lock Configuration"}}
        raise bucket.exceptions.ClientError(said, "PutObject")

    monkeypatch.setattr(bucket, "put_object", refuses)
    monkeypatch.setattr("oracle.store.anchors._client", lambda: bucket)
    code, document = call("anchor", "--to", "s3://open/b")
    assert (code, "object lock" in document["error"]["next_step"]) == (2, True)
