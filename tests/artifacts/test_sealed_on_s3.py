"""A real model, sealed in a real S3 server with signatures and TLS: registered, scored, rotated, attacked."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep
from typing import Any
from urllib.error import HTTPError

import pytest

from oracle.artifacts import keyring, protection, sweep
from oracle.artifacts.envelope import MAGIC
from oracle.artifacts.place import place
from oracle.artifacts.sweep import store
from oracle.data.dataset import Dataset
from oracle.ensemble.race_model import RaceModel
from oracle.errors import Unavailable, Unopened
from oracle.progress import silent
from oracle.ranking.report import Difference
from oracle.registry import mlmodel, pyfunc
from oracle.registry.compare import compare
from oracle.registry.content import content_digest
from oracle.registry.lifecycle import download
from oracle.registry.versions import ModelVersion, resolve
from oracle.retraining import comparing
from oracle.settings import Settings
from oracle.tracking.connection import Tracking, connect
from oracle.training import train
from tests.artifacts.s3 import rclone
from tests.serving.small_model import _one_core, history, next_card
from tests.tracking.stores import fresh_home

pytestmark = pytest.mark.services
URI = "sealed+s3://races/models"
MARKERS = (b"tree_sizes", b"num_leaves", b"feature_names", b"manifest", b"python_function", b"reliability", b"Booster")
"""Words that stand in the files of any model."""


@dataclass(frozen=True)
class World:
    settings: Settings
    tracking: Tracking
    version: ModelVersion
    raw: Path
    """The bucket as it lies on the disk of the server."""
    environment: dict[str, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("s3")
    with rclone(folder) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        home = fresh_home(tmp_path_factory)
        patch.setenv("ORACLE_HOME", str(home))
        keyring.add(home / keyring.FILE, os.urandom(32))
        settings = Settings(home=home, artifacts={"uri": URI})
        Dataset(home / "races").append(history())
        with _one_core():
            train(str(home / "races"), settings)
        tracking = connect(settings)
        yield World(settings, tracking, resolve(tracking), folder / "s3" / "races", environment)


def raw(world: World) -> dict[str, bytes]:
    return {f.relative_to(world.raw).as_posix(): f.read_bytes() for f in world.raw.rglob("*") if f.is_file()}


def check(world: World) -> sweep.Checked:
    return sweep.check(store(place(URI)), keyring.of(world.settings), whole=True)


def test_a_model_comes_back_from_the_bucket_to_the_bit_and_answers_the_same(world: World, tmp_path: Path) -> None:
    import mlflow.pyfunc

    package = download(world.tracking, world.version, tmp_path)
    assert content_digest(package) == world.version.digest  # taken of the package before it was sealed
    card = next_card(history())
    ours = RaceModel.load(package).predict([card])
    loaded = mlflow.pyfunc.load_model(
        f"{world.tracking.client.get_model_version_download_uri(world.version.name, '1')}"
    )
    theirs = loaded.predict(pyfunc.rows_of([card]).dropna(axis="columns", how="all"))
    assert [float(p) for p in theirs["win"]] == [float(r.win) for r in ours[0].runners]


def test_the_disk_of_the_store_holds_no_word_of_what_was_put_there(world: World) -> None:
    files = raw(world)
    assert len(files) > 20
    assert not [name for name, content in files.items() if not content.startswith(MAGIC)]
    assert not [(name, m) for name, content in files.items() for m in MARKERS if m in content]
    found = check(world)
    assert (found.alarm, found.states) == (False, {"sealed": len(files)})


def test_two_files_exchanged_on_that_disk_are_refused(world: World, tmp_path: Path) -> None:
    package = [f for f in world.raw.rglob("*") if f.is_file() and "package" in f.parts]
    one, two = package[0], package[1]
    kept = one.read_bytes()
    try:
        shutil.copyfile(two, one)
        with pytest.raises(Unopened, match="another place"):
            download(world.tracking, world.version, tmp_path)
    finally:
        one.write_bytes(kept)


def test_without_the_key_nothing_is_read_and_the_key_that_is_missing_is_named(world: World, tmp_path: Path) -> None:
    (file,) = [f for f in world.settings.root.iterdir() if f.name == keyring.FILE]
    key_id = keyring.of(world.settings).sealing.id
    hidden = file.rename(file.with_name("hidden"))
    try:
        with pytest.raises(Unopened, match=key_id):
            download(world.tracking, world.version, tmp_path)
    finally:
        hidden.rename(file)


def test_after_a_rotation_the_new_key_is_enough(world: World, tmp_path: Path) -> None:
    """Of the package alone, which is what serving reads; the code beside it is ten times as many files."""
    source = world.tracking.client.get_model_version_download_uri(world.version.name, str(world.version.number))
    package, old = store(place(f"{source}/{mlmodel.PACKAGE}")), keyring.of(world.settings)
    new = keyring.add(world.settings.root / keyring.FILE, os.urandom(32))
    done = sweep.rotate(package, keyring.of(world.settings))
    assert (set(done.acts), done.trouble) == ({"rewrapped"}, {})
    assert set(sweep.check(package, keyring.of(world.settings), whole=True).keys) == {new.id}
    assert set(sweep.check(package, old).states) == {"key missing"}
    assert content_digest(download(world.tracking, world.version, tmp_path)) == world.version.digest


def test_a_server_that_takes_bucket_settings_for_something_else_is_told_nothing(world: World) -> None:
    """This one answers questions for bucket settings with the list of its objects."""
    before = raw(world)
    found = {each.name: each.outcome for each in protection.protect("races", protection.Wanted(object_lock=True))}
    assert set(found.values()) == {"not implemented"}
    assert raw(world) == before


def test_wrong_credentials_are_said_and_not_shown(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-wrong-one")
    with pytest.raises(Unavailable) as error:
        store(place(URI))
    assert "the-wrong-one" not in str(error.value)


def test_a_version_measured_against_itself_differs_in_nothing(world: World) -> None:
    """On the races of the dataset that it did not learn from; both are opened from the sealed store."""
    one = comparing.load(world.settings, world.tracking, world.version)
    evidence = comparing.measure(world.settings, str(world.settings.root / "races"), one.model, one.model, silent)
    found = compare(one.side, one.side, evidence, world.settings.evaluation, 7)
    assert evidence.first_date > one.side.trained_through
    assert evidence.excluded > 0
    assert {pool.pool for pool in found.pools} == {"market", "form"}
    for pool in found.pools:
        assert pool.races > 0
        assert pool.ece[0] == pool.ece[1]
        for each in pool.paired:
            assert isinstance(each.difference, Difference)
            assert (each.difference.low, each.difference.high) == (0.0, 0.0)
    assert all(row.a > 0 for row in found.latency)
    assert found.importance


def asked(address: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    kind = {"Content-Type": "application/json"} if method == "POST" else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, kind, method=method), timeout=30) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


@pytest.fixture(scope="module")
def server(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow's server in front of the bucket: it holds the keys, its clients hold none."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = fresh_home(tmp_path_factory)
    words = ["server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--serve-artifacts", "--workers", "1"]
    words += ["--artifacts-destination", "sealed+s3://races/proxied", "--host", "127.0.0.1", "--port", str(port)]
    own = {
        **{k: v for k, v in os.environ.items() if not k.startswith("ORACLE_")},
        **world.environment,
        "ORACLE_ARTIFACTS__KEY_FILE": str(world.settings.root / keyring.FILE),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("mlflow")), *words],
            stdout=log,
            stderr=log,
            env=own,
            start_new_session=True,
        )
    try:
        began, address = perf_counter(), f"http://127.0.0.1:{port}"
        while perf_counter() - began < 90:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                if asked(f"{address}/health")[0] == 200:
                    break
            except OSError:
                sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def written(world: World, count: int) -> dict[str, bytes]:
    """Return what lies on the disk for the server, once it is there: the store answers a moment before."""
    began, found = perf_counter(), dict[str, bytes]()
    while perf_counter() - began < 10 and len(found) < count:
        found = {name: content for name, content in raw(world).items() if name.startswith("proxied/") and content}
        sleep(0.05)
    return found


def test_behind_a_server_every_way_in_seals_and_every_way_round_is_refused(server: str, world: World) -> None:
    text = b"not to be read by anybody " * 100
    files = f"{server}/api/2.0/mlflow-artifacts"
    made = asked(f"{server}/api/2.0/mlflow/experiments/create", "POST", b'{"name": "proxied"}')[1]
    run = json.loads(asked(f"{server}/api/2.0/mlflow/runs/create", "POST", made)[1])["run"]["info"]
    below = f"{run['experiment_id']}/{run['run_id']}/artifacts"
    assert asked(f"{files}/artifacts/{below}/a.txt", "PUT", text)[0] == 200
    upload = f"{server}/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run['run_id']}&path=b.txt"
    assert asked(upload, "POST", text)[0] == 200
    kept = written(world, 2)
    assert {name.rpartition("/")[2] for name in kept} == {"a.txt", "b.txt"}
    assert all(content.startswith(MAGIC) and text[:10] not in content for content in kept.values())

    assert asked(f"{files}/artifacts/{below}/a.txt") == (200, text)
    assert asked(f"{server}/get-artifact?run_id={run['run_id']}&path=b.txt") == (200, text)
    listed = json.loads(asked(f"{files}/artifacts?path={below}")[1])["files"]
    assert {(f["path"], f["file_size"]) for f in listed} == {("a.txt", len(text)), ("b.txt", len(text))}

    around: list[tuple[str, str, Any]] = [
        (f"{files}/mpu/create/{below}", "POST", {"path": "c.txt", "num_parts": 2}),
        (f"{files}/presigned/{below}/a.txt", "GET", None),
        (f"{server}/api/2.0/mlflow/artifacts/presigned-upload-url", "POST", {"run_id": run["run_id"], "path": "c.txt"}),
        (
            f"{server}/api/2.0/mlflow/artifacts/presigned-download-url",
            "POST",
            {"run_id": run["run_id"], "path": "a.txt"},
        ),
        (f"{files}/artifacts/..%2f..%2fmodels", "GET", None),
    ]
    for address, method, document in around:
        status, answer = asked(address, method, None if document is None else json.dumps(document).encode())
        assert status >= 400, (address, answer)
        assert b"https://127" not in answer

    assert asked(f"{files}/artifacts/{below}/a.txt", "DELETE")[0] == 200
    assert asked(f"{files}/artifacts/{below}/a.txt")[0] >= 400
    assert [f["path"] for f in json.loads(asked(f"{files}/artifacts?path={below}")[1])["files"]] == ["b.txt"]


def test_a_server_reads_no_store_that_a_client_names(server: str, world: World) -> None:
    """The server holds the key of everything: a client that names the models as its own experiment would read them."""
    for number, location in enumerate((URI, "sealed+file:///etc", "sealed+s3://races/proxied/../models")):
        body = json.dumps({"name": f"theirs {number}", "artifact_location": location}).encode()
        status, answer = asked(f"{server}/api/2.0/mlflow/experiments/create", "POST", body)
        if status != 200:
            continue
        made = json.dumps({"experiment_id": json.loads(answer)["experiment_id"]}).encode()
        run = json.loads(asked(f"{server}/api/2.0/mlflow/runs/create", "POST", made)[1])["run"]["info"]["run_id"]
        assert asked(f"{server}/api/2.0/mlflow/artifacts/list?run_id={run}")[0] >= 400
        assert asked(f"{server}/get-artifact?run_id={run}&path=x")[0] >= 400
