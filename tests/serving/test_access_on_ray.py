"""The cluster as it is shipped: nobody runs or asks for anything without a token, and no secret lies around."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from oracle.serving.issue import Issuer
from oracle.store import Store, embedded
from tests.serving.clusters import ask, fast_ingress, free_ports, ray_folder, running
from tests.serving.conftest import World
from tests.serving.knocking import ADMIN
from tests.serving.live import REPOSITORY

JSON = {"content-type": "application/json"}
IN_FORCE = 5.0
"""Seconds within which a revocation is in force on every replica."""
PSEUDONYMS = "the key of pseudonyms, marked"


@dataclass(frozen=True)
class Cluster:
    """The head of `cluster.yaml`, on ports of this test's own."""

    port: int
    dashboard: int
    session: int
    home: Path
    """Of the user: ~."""
    store: Path
    logs: tuple[Path, ...]
    document: dict[str, Any]

    @property
    def token(self) -> str:
        return (self.home / ".equine-oracle" / "ray.token").read_text()

    def call(self, method: str, path: str, token: str | None, said: Mapping[str, Any] | None = None) -> int:
        """Return the status of a call to Ray's dashboard."""
        headers = JSON if token is None else JSON | {"authorization": f"Bearer {token}"}
        body = None if said is None else json.dumps(said).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.dashboard}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as told:
                return int(told.status)
        except urllib.error.HTTPError as error:
            return int(error.code)


def until(what: Any, seconds: float = 120.0) -> float:
    """Return the seconds until it is so."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if what():
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("it did not come to be")


def head_command(*options: str) -> str:
    """Return the command with which cluster.yaml starts the head, in the foreground and with other options."""
    [command] = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())["head_start_ray_commands"]
    kept, _, _ = command.partition(" --port=6379")
    return " ".join((kept, *options))


@pytest.fixture(scope="module")
def cluster(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    home, port, head, dashboard, client, agent, metrics = folder / "home", *free_ports(6)
    (home / ".equine-oracle").mkdir(parents=True)
    (home / "equine-oracle").symlink_to(REPOSITORY)
    own = folder / "oracle"
    shutil.copytree(world.home, own)
    (home / ".equine-oracle" / "environment").write_text(
        f"ORACLE_HOME={own}\nORACLE_SERVING__PSEUDONYM_KEY='{PSEUDONYMS}'\nPYTHONPATH={REPOSITORY}\n"
    )
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "serve_config.yaml").read_text())
    document["http_options"]["port"] = port
    document["applications"][0]["args"] = {"home": str(own), "challengers": 0}
    document["applications"][0]["deployments"][0]["num_replicas"] = 2
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORACLE_", "RAY_", "MLFLOW_"))}
    with ray_folder() as rays, fast_ingress() as switches:
        environment = {
            **kept,
            **switches,
            "HOME": str(home),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONWARNINGS": "ignore",
        }
        subprocess.run(["bash", "-c", f". {REPOSITORY}/deploy/serving.sh"], env=environment, check=True, cwd=REPOSITORY)
        options = (
            *("--block", "--disable-usage-stats", "--num-cpus=2", f"--port={head}", f"--dashboard-port={dashboard}"),
            *(f"--ray-client-server-port={client}", "--node-ip-address=127.0.0.1", f"--temp-dir={rays}"),
            *(f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}"),
        )
        log = folder / "log"
        with running(["bash", "-c", head_command(*options)], environment, log) as process:
            found = Cluster(port, dashboard, process.pid, home, own, (log, rays), document)
            until(lambda: found.call("GET", "/api/version", found.token) == 200)
            yield found


def asked(cluster: Cluster, world: World, token: str | None) -> int:
    shown = {} if token is None else {"authorization": f"Bearer {token}"}
    return ask(cluster.port, "POST", "/v1/predict", world.body, JSON | shown).status


@pytest.mark.cluster
def test_nobody_submits_a_job_or_deploys_without_rays_token(cluster: Cluster, tmp_path: Path):
    ran = tmp_path / "ran"
    job = {"entrypoint": f"touch {ran}"}
    doors = [("GET", "/api/version", None), ("POST", "/api/jobs/", job), ("GET", "/api/jobs/", None)]
    doors += [("GET", "/api/serve/applications/", None), ("PUT", "/api/serve/applications/", cluster.document)]
    for method, path, said in doors:
        assert cluster.call(method, path, None, said) == 401, path
        assert cluster.call(method, path, "0" * 64, said) == 403, path
    assert cluster.call("POST", "/api/jobs/", cluster.token, job) == 200
    until(ran.exists)


@pytest.mark.cluster
def test_the_served_api_asks_for_its_own_and_forgets_a_revoked_one_within_seconds(cluster: Cluster, world: World):
    store = embedded(cluster.store)
    made = issuer(store).create("app", ["predict"], per_minute=100_000)
    assert cluster.call("PUT", "/api/serve/applications/", cluster.token, cluster.document) == 200
    until(lambda: asked(cluster, world, made.text) == 200)
    assert asked(cluster, world, None) == asked(cluster, world, cluster.token) == 401
    assert ask(cluster.port, "GET", "/v1/health").json().keys() == {"status", "access"}
    issuer(store).revoke(made.token.token_id)
    answers: list[int] = []

    def over() -> bool:
        answers.append(asked(cluster, world, made.text))
        return len(answers) >= 20 and set(answers[-20:]) == {401}

    began = time.monotonic()
    until(over, 30)
    last = len(answers) - answers[::-1].index(200) if 200 in answers else 0
    assert set(answers[:last]) <= {200, 401}
    assert time.monotonic() - began < IN_FORCE + 20 * 0.2
    assert cluster.call("DELETE", "/api/serve/applications/", cluster.token) == 200
    told: dict[tuple[str | None, str], int] = {}

    def written() -> bool:
        told.clear()
        for link in store.audit.links(most=1000):
            if link.entry.action == "call":
                key = (link.entry.address, link.entry.reason or "")
                told[key] = told.get(key, 0) + json.loads(link.entry.after or "{}")["requests"]
        return told.get(("127.0.0.1", "Unauthorised: revoked"), 0) == answers.count(401)

    until(written, 30)
    assert told["127.0.0.1", "Unauthorised: none"] >= 1
    assert told["127.0.0.1", "Unauthorised: malformed"] == 1
    assert lying_around(cluster, ("gateway",)), "the search sees what is there"
    assert not lying_around(cluster, (made.text, made.text.split("_")[2], cluster.token, PSEUDONYMS))
    store.close()


def issuer(store: Store) -> Issuer:
    return Issuer(store, ADMIN, dt.datetime.now(dt.UTC), secrets.token_hex)


def lying_around(cluster: Cluster, marked: tuple[str, ...]) -> list[str]:
    """Return where a secret can be read: logs, the store, MLflow's database and artifacts, the list of processes."""
    wanted = [secret.encode() for secret in marked]
    files = [file for place in (*cluster.logs, cluster.store) for file in (place, *place.rglob("*")) if file.is_file()]
    found = [str(file) for file in files if any(secret in file.read_bytes() for secret in wanted)]
    listed = subprocess.run(["ps", "-ewwo", "args="], capture_output=True, check=True).stdout
    return found + ["ps" for secret in wanted if secret in listed]
