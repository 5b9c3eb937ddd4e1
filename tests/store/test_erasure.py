"""A user is taken out of the store whole, others stay as they are, and the audit trail tells of it without a name."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from oracle.cli.app import app
from oracle.experiment.assignment import pseudonym
from oracle.governance.audit import GENESIS, digest
from oracle.serving.wiring import key_of
from oracle.store import Store, embedded
from oracle.store.erasure import Erased, erase
from tests.store.rows import event, prediction

SECRET = "ab" * 32
ANNA, BEN = (pseudonym(name, key_of(SECRET.encode())) for name in ("anna", "ben"))


def fill(store: Store, count: int = 30) -> None:
    """Write predictions of Anna, of Ben and of nobody, in and out of an experiment, each with an event."""
    who = (ANNA, BEN, None)
    rows = [
        prediction(
            i,
            user=who[i % 3],
            unit=who[i % 3] or "r1",
            experiment="t1" if i % 2 else None,
            request_id=f"q{i}",
        )
        for i in range(count)
    ]
    store.predictions.add(rows)
    store.events.add([event(i, prediction_id=f"p{i}") for i in range(count)])


def test_what_can_be_tied_to_a_user_goes_and_everything_else_stays(tmp_path: Path) -> None:
    store = embedded(tmp_path)
    fill(store)
    before = {p.prediction_id: p for p in store.predictions.between()}
    names = iter(["erased-1", "erased-2"])
    assert erase(store, {ANNA}, lambda: next(names)) == Erased(10, 10, ("t1",))
    assert erase(store, {ANNA}, lambda: next(names)) == Erased()
    for after in store.predictions.between():
        was = before[after.prediction_id]
        if was.user != ANNA:
            assert after == was
            continue
        assert (after.user, after.request_id, after.card, after.answer) == (None, None, was.card, was.answer)
        assert after.unit == ("erased-1" if was.experiment else was.race_key)
        assert store.events.of_prediction(after.prediction_id) == []
    assert store.events.count() == 20
    files = b"".join(f.read_bytes() for f in tmp_path.glob("oracle.db*"))
    assert ANNA.encode() not in files
    assert BEN.encode() in files
    store.close()


def test_an_erasure_that_stops_half_way_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.store.erasure.AT_ONCE", 7)
    store = embedded(tmp_path)
    fill(store)
    calls = 0

    def stopping(items, what, total=None):
        nonlocal calls
        for calls, each in enumerate(items):
            if calls == 2:
                raise KeyboardInterrupt
            yield each

    with pytest.raises(KeyboardInterrupt):
        erase(store, {ANNA}, lambda: "erased-1", progress=stopping)
    left = sum(p.user == ANNA for p in store.predictions.between())
    assert 0 < left < 10
    assert erase(store, {ANNA}, lambda: "erased-2").predictions == left
    store.close()


def test_the_command_finds_the_user_under_every_key_and_the_audit_does_not_name_them(
    oracle_home: Path, tmp_path: Path
) -> None:
    run = CliRunner().invoke
    old = tmp_path / "old.key"
    old.write_text("cd" * 32)
    earlier = pseudonym("anna", key_of(old.read_bytes()))
    refused = run(app, ["privacy", "erase", "anna"])
    assert "the key" in str(refused.exception)
    (oracle_home / "pseudonym.key").write_text(SECRET)
    store = embedded(oracle_home)
    fill(store)
    store.predictions.add([prediction(99, user=earlier, unit=earlier)])
    done = run(app, ["privacy", "erase", "anna", "--key-file", str(old), "--reason", "asked by anna@example.com"])
    assert done.exit_code == 0, done.output
    assert run(app, ["privacy", "erase", "-"], input="anna\n").exit_code == 0
    assert run(app, ["privacy", "erase", "  "]).exception is not None
    assert all(p.user not in (ANNA, earlier) for p in store.predictions.between())
    links = store.audit.links()
    assert [(link.entry.action, link.entry.outcome, link.entry.reason) for link in links] == [
        ("erase", "allowed", "asked by [email]"),
        ("erase", "allowed", "asked to"),
    ]
    assert orjson.loads(links[0].entry.after or "")["predictions"] == 11
    assert b"anna" not in b"".join(f.read_bytes() for f in oracle_home.glob("oracle.db*"))
    previous = GENESIS
    for link in links:
        assert (link.previous, link.hash) == (previous, digest(link.position, previous, link.entry))
        previous = link.hash
    store.close()


def test_only_an_admin_erases_where_roles_were_granted_and_the_refusal_is_told(
    oracle_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oracle.store import Grant
    from tests.store.test_governed import entry

    (oracle_home / "pseudonym.key").write_text(SECRET)
    store = embedded(oracle_home)
    fill(store)
    store.people.grant(Grant(grant_id="g1", at=entry(1).at, name="vic", roles="viewer", actor="root"), entry(1))
    monkeypatch.setenv("ORACLE_GOVERNANCE__ACTOR", "vic")
    refused = CliRunner().invoke(app, ["privacy", "erase", "anna"])
    assert getattr(refused.exception, "exit_code", None) == 3
    assert sum(p.user == ANNA for p in store.predictions.between()) == 10
    assert store.audit.latest(1)[0].entry.outcome == "refused"
    store.close()


def test_a_scan_counts_by_place_and_never_shows_what_it_found(
    oracle_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = CliRunner().invoke
    embedded(oracle_home).close()
    assert run(app, ["privacy", "scan"]).exit_code == 0
    with sqlite3.connect(oracle_home / "oracle.db") as database:  # as an older release might have left it
        database.execute("INSERT INTO events VALUES ('jo@example.com', 'p1', 'view', NULL, '2026-01-01', '2026-01-01')")
    log = tmp_path / "app.log"
    log.write_text('said "+852 2345 6789"\nnothing here 12/1 20260503-HV-01\n' + "1 234 567 8901 " * 30 + "\n")
    artifacts = oracle_home / "artifacts" / "1"
    artifacts.mkdir(parents=True)
    (artifacts / "model.bin").write_bytes(b"\0\1\2 jo.doe@example.com \0 a@b.cd")
    capfd.readouterr()
    assert run(app, ["privacy", "scan", "--logs", str(log), "--json"]).exit_code == 10
    told = capfd.readouterr().out
    line = orjson.loads(told)
    assert {(each["place"].rsplit("/", 1)[-1], each["kind"], each["count"]) for each in line["found"]} == {
        ("events.event_id", "email", 1),
        ("app.log", "phone", 1),
        ("model.bin", "email", 1),
    }
    assert "example.com" not in told
    assert "2345" not in told
