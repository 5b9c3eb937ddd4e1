"""What people do on a governed server in the allowed way: log a run, register a version, ask for it and approve it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from oracle.registry import mlmodel
from tests.tracking_server.running import MODEL, PASSWORDS, ROLES, ROOT, Served

API = "api/2.0/mlflow"


@dataclass(frozen=True)
class Registered:
    """A version and what it was made of."""

    number: str
    run_id: str
    model_id: str
    experiment_id: str


def welcome(served: Served) -> None:
    """Let the admin make everybody's account."""
    for name, roles in ROLES.items():
        served.done(ROOT, "POST", "api/2.0/oracle/people", {"name": name, "roles": roles, "password": PASSWORDS[name]})


def experiment(served: Served, who: str, name: str = "oracle") -> str:
    found = served.call(who, "GET", f"{API}/experiments/get-by-name?experiment_name={name}")
    if found.status_code == 200:
        return str(found.json()["experiment"]["experiment_id"])
    return str(served.done(who, "POST", f"{API}/experiments/create", {"name": name})["experiment_id"])


def trained(served: Served, who: str, ndcg: float) -> tuple[str, str, str]:
    """Log a run with a logged model and its file; return the ids of run, model and experiment."""
    where = experiment(served, who)
    run = served.done(who, "POST", f"{API}/runs/create", {"experiment_id": where, "start_time": 1})
    run_id = run["run"]["info"]["run_id"]
    metrics = [{"key": "test.model.ndcg_at_3", "value": ndcg, "timestamp": 1, "step": 0}]
    served.done(who, "POST", f"{API}/runs/log-batch", {"run_id": run_id, "metrics": metrics})
    logged = served.done(
        who, "POST", f"{API}/logged-models", {"experiment_id": where, "name": MODEL, "source_run_id": run_id}
    )
    model_id = logged["model"]["info"]["model_id"]
    place = f"api/2.0/mlflow-artifacts/artifacts/{where}/models/{model_id}/artifacts/{FOLDER}/model.txt"
    assert served.call(who, "PUT", place, content=PACKAGE).status_code == 200
    served.done(who, "PATCH", f"{API}/logged-models/{model_id}", {"model_id": model_id, "status": 2})
    served.done(who, "POST", f"{API}/runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 2})
    return run_id, model_id, where


PACKAGE, FOLDER = b"a small model", mlmodel.PACKAGE


def _digest() -> str:
    """Return the digest of the package, as `content_digest` takes it."""
    name = b"model.txt"
    return hashlib.sha256(len(name).to_bytes(8, "little") + name + hashlib.sha256(PACKAGE).digest()).hexdigest()


FACTS = {
    "families": ["gbdt"],
    "aggregation": "log_pool",
    "hyperparameters": "0",
    "features": "form@1",
    "data": "d",
    "code": "c",
}


def registered(served: Served, who: str, semver: str, ndcg: float = 0.5) -> Registered:
    """Register what a training made, as `oracle train` does, and return the version."""
    run_id, model_id, where = trained(served, who, ndcg)
    served.call(who, "POST", f"{API}/registered-models/create", {"name": MODEL})
    tags = {"facts": json.dumps(FACTS), "package_sha256": _digest(), "test.model.ndcg_at_3": repr(ndcg)}
    born = {
        "name": MODEL,
        "run_id": run_id,
        "model_id": model_id,
        "source": f"mlflow-artifacts:/{where}/models/{model_id}/artifacts",
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    number = served.done(who, "POST", f"{API}/model-versions/create", born)["model_version"]["version"]
    tag = {"name": MODEL, "version": number, "key": "semver", "value": semver}
    served.done(who, "POST", f"{API}/model-versions/set-tag", tag)
    alias = {"name": MODEL, "version": number, "alias": semver.replace(".", "-")}
    served.done(who, "POST", f"{API}/registered-models/alias", alias)
    served.done(who, "POST", f"{API}/registered-models/alias", {**alias, "alias": "candidate"})
    return Registered(number, run_id, model_id, where)


def ours(served: Served, who: str, verb: str, **wish: Any) -> Any:
    """Return what our route did."""
    return served.done(who, "POST", f"api/2.0/oracle/{verb}", wish)["done"]


def asked(served: Served, who: str, version: str) -> str:
    """Ask for a promotion; return the id of the request."""
    return str(ours(served, who, "request", version=int(version), reason="it is better")["request"]["request_id"])


def promoted(served: Served, version: str, *, by: str = "sam", approver: str = "ann") -> str:
    """Bring a version into service in the allowed way; return the id of the request."""
    request = asked(served, by, version)
    ours(served, approver, "approve", request_id=request, reason="the evidence is good")
    ours(served, approver, "promote", request_id=request)
    return request
