"""A governed MLflow server of one's own, and people who talk to it by raw HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from oracle.governance.audit import GENESIS, Entry, digest
from oracle.settings import Settings
from oracle.store import Store
from oracle.tracking_server.launch import launch, without_ours

ROOT, MODEL = "root", "equine-oracle"
PASSWORDS = {name: f"{name}-" + "x" * 12 for name in ("root", "vera", "sam", "sue", "ann", "abe", "pat")}
ROLES = {
    "vera": ["viewer"],
    "sam": ["scientist"],
    "sue": ["scientist"],
    "ann": ["approver"],
    "abe": ["approver"],
    "pat": ["scientist", "approver"],
}
READY_SECONDS = 120


def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True)
class Served:
    """A server that runs, and its store as only the server's owner sees it."""

    url: str
    store: Store
    home: Path
    started: float
    """Seconds from the command to the first answer."""

    def call(self, who: str | None, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """Return the answer to a request of somebody; None for nobody."""
        given: dict[str, Any] = {"auth": (who, PASSWORDS.get(who, "wrong-password"))} if who else {}
        if body is not None:
            given["json"] = body
        with httpx.Client(timeout=60) as client:
            return client.request(method, f"{self.url}/{path.lstrip('/')}", **{**given, **more})

    def done(self, who: str, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Return the document of an answer that has to be yes."""
        answer = self.call(who, method, path, body, **more)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def entries(self, after: int = 0) -> list[Entry]:
        """Return the entries of the audit trail behind a position."""
        return [link.entry for link in self.store.audit.links(after, 10_000)]

    @property
    def position(self) -> int:
        return self.store.audit.head().position

    def unbroken(self) -> bool:
        """Return whether every link of the trail follows on the one before."""
        last = GENESIS
        for number, link in enumerate(self.store.audit.links(0, 1_000_000), 1):
            if (link.position, link.previous, link.hash) != (number, last, digest(number, last, link.entry)):
                return False
            last = link.hash
        return True

    def world(self) -> dict[str, Any]:
        """Return all that no attack may change: aliases, versions and their tags, accounts, roles, promotions."""
        model = self.done(ROOT, "GET", f"api/2.0/mlflow/registered-models/get?name={MODEL}")["registered_model"]
        found = self.done(ROOT, "GET", f"api/2.0/mlflow/model-versions/search?filter=name='{MODEL}'")["model_versions"]
        kept = ("version", "tags", "source", "run_id", "current_stage", "description")
        versions = {v["version"]: {name: v.get(name) for name in kept} for v in found}
        runs = {v["run_id"]: self.done(ROOT, "GET", f"api/2.0/mlflow/runs/get?run_id={v['run_id']}") for v in found}
        users = self.done(ROOT, "GET", "api/2.0/mlflow/users/list")["users"]
        return {
            "model": {name: model.get(name) for name in ("name", "aliases", "tags", "description")},
            "versions": versions,
            "runs": runs,
            "users": [(user["username"], user["is_admin"]) for user in users],
            "roles": {name: grant.roles for name, grant in self.store.people.all().items()},
            "files": {str(f): f.read_bytes() for f in (self.home / "artifacts").rglob("*") if f.is_file()},
            "promotions": self.store.promotions.all(MODEL),
        }


def settings(home: Path, **tracking: str) -> Settings:
    store = {"uri": f"sqlite:///{home / 'oracle.db'}"}
    return Settings(home=home, governance={"approval": "four eyes"}, store=store, tracking=tracking)


@contextmanager
def serving(home: Path, app: str = "oracle-auth", *more: str) -> Iterator[Served]:
    """Run a server in a home that holds an empty MLflow database, and end it by its id.

    Args:
        home: Where it keeps everything.
        app: Which app of MLflow.
        more: Lines of the configuration of another app than ours.
    """
    told = settings(home)
    start = launch(
        told,
        home / "server",
        backend=f"sqlite:///{home / 'mlflow.db'}",
        users=f"sqlite:///{home / 'users.db'}",
        artifacts=str(home / "artifacts"),
        admin=(ROOT, PASSWORDS[ROOT]),
        port=free_port(),
    )
    if app != "oracle-auth":  # MLflow's own way of proving who asks
        ini = Path(start.environment["MLFLOW_AUTH_CONFIG_PATH"])
        kept = [line for line in ini.read_text().splitlines() if "oracle." not in line]
        ini.write_text("\n".join([*kept, *more]))
    command = [app if word == "oracle-auth" else word for word in start.command]
    env = {**without_ours(os.environ), **start.environment, "MLFLOW_LOGGING_LEVEL": "ERROR"}
    assert not any(PASSWORDS[ROOT] in word or "sqlite" in word for word in command)
    began = time.perf_counter()
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=env, cwd=home, stdout=log, stderr=log, start_new_session=True)
        try:
            _until_ready(start.address, process, home / "server.log")
            with closing(Store(f"sqlite:///{home / 'oracle.db'}")) as store:
                yield Served(start.address, store, home, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(30)


def _until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + READY_SECONDS
    while time.monotonic() < limit:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            if httpx.get(f"{address}/health", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)  # the port is not open yet; the limit is above
    raise AssertionError(log.read_text()[-4000:])
