"""What is remembered of a deployment: ports, secrets, what was started; and one command works on it at a time."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import socket
from pathlib import Path

import pytest

from oracle.deployment import ledger, passwords, ports
from oracle.deployment.certificate import kept as certificate
from oracle.deployment.places import Places, write_private
from oracle.deployment.processes import Started, birth
from oracle.errors import BadInput, Refused, UnreadableFile

NOON = dt.datetime(2026, 5, 3, 12, tzinfo=dt.UTC)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "home")
    found.make()
    return found


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_what_was_started_is_read_again_by_another_command(places: Places):
    alive = Started(os.getpid(), birth(os.getpid()) or "")
    with ledger.held(places) as book:
        book.enter("s3", alive, "abc", NOON)
        book.enter("mlflow", Started(alive.pid, "another boot:7"), "def", NOON)
    again = ledger.read(places.ledger)
    assert (again.running("s3"), again.digest("s3"), again.begun("s3")) == (True, "abc", alive)
    assert not again.running("mlflow")
    assert (again.running("ray"), again.digest("ray"), again.begun("ray")) == (False, None, None)
    again.strike("s3")
    assert list(ledger.read(places.ledger).started) == ["mlflow"]
    assert mode(places.ledger) == 0o600


def test_two_commands_do_not_work_on_one_deployment_at_once(places: Places):
    with ledger.held(places), pytest.raises(Refused, match="another `oracle up` or `oracle down`"), ledger.held(places):
        pass
    with ledger.held(places):
        pass


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"ports": {}}', '{"ports": 1, "fixed": 1, "folders": 1, "started": 1}']
)
def test_a_ledger_that_is_damaged_is_named_and_says_what_to_do(places: Places, text: str):
    places.ledger.write_text(text)
    with pytest.raises(UnreadableFile, match=r"prod\.json.*by hand"):
        ledger.read(places.ledger)


def test_secrets_are_made_once_differ_and_are_nobody_elses_to_read(places: Places):
    file = places.secrets / "passwords.json"
    first = passwords.kept(file)
    assert passwords.kept(file) == first
    values = [getattr(first, name) for name in passwords.Passwords.__slots__]
    assert len(set(values)) == len(values)
    assert min(map(len, values)) >= 32
    assert (mode(file), mode(places.secrets), mode(places.people), mode(places.logs)) == (0o600, 0o700, 0o700, 0o700)
    assert not any(value in f"{first!r} {first}" for value in values)


def test_secrets_of_an_earlier_release_are_kept_and_completed(places: Places):
    file = places.secrets / "passwords.json"
    write_private(file, '{"label": "old", "mlflow": "kept"}')
    count = itertools.count()
    found = passwords.kept(file, lambda: f"drawn-{next(count)}")
    assert (found.label, found.mlflow, found.governor.startswith("drawn-")) == ("old", "kept", True)
    file.write_text("[")
    with pytest.raises(UnreadableFile):
        passwords.kept(file)


def test_ports_are_remembered_and_differ_between_deployments(places: Places):
    book = ledger.read(places.ledger)
    ports.assign(book, "one", {})
    kept = dict(book.ports)
    assert set(kept) == set(ports.NAMES)
    assert len(set(kept.values())) == len(kept)
    ports.assign(book, "one", {})
    assert book.ports == kept == ledger.read(places.ledger).ports
    other = ledger.Ledger(places.home / "other.json")
    ports.assign(other, "two", {})
    assert not set(other.ports.values()) & set(kept.values())


def test_a_taken_port_moves_unless_somebody_asked_for_it(places: Places):
    book = ledger.read(places.ledger)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports.assign(book, "one", {"app": port})
        with pytest.raises(BadInput, match="--port app="):
            ports.claim(book, "one", "app", patience=0.1)
        book.ports["s3"] = port
        ports.claim(book, "one", "s3", patience=0.1)
        assert book.ports["s3"] != port
    ports.claim(book, "one", "app")
    assert book.ports["app"] == port


@pytest.mark.parametrize("wanted", [{"ap": 8000}, {"app": 0}, {"app": 70_000}, {"app": 8000, "mlflow": 8000}])
def test_impossible_ports_are_refused(places: Places, wanted: dict[str, int]):
    with pytest.raises(BadInput):
        ports.assign(ledger.read(places.ledger), "one", wanted)


def test_a_private_file_is_whole_and_private_even_where_an_open_one_was(places: Places):
    file = places.home / "prod.env"
    file.write_text("old")
    file.chmod(0o666)
    write_private(file, "new")
    assert (file.read_text(), mode(file)) == ("new", 0o600)
    assert [entry.name for entry in places.home.glob(".*")] == []


def test_the_certificate_is_made_once(places: Places):
    files = places.secrets / "s3.crt", places.secrets / "s3.key"
    certificate(*files, NOON)
    first = [file.read_bytes() for file in files]
    certificate(*files, NOON)
    assert [file.read_bytes() for file in files] == first
    assert [mode(file) for file in files] == [0o600, 0o600]
