"""Ways round the governance, tried by raw HTTP: each is refused, stands in the audit trail, and changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.tracking_server.conftest import Governed
from tests.tracking_server.people import FOLDER
from tests.tracking_server.running import MODEL, PASSWORDS

pytestmark = pytest.mark.services

V2, V3, AJAX2, AJAX3, OURS = (
    "api/2.0/mlflow",
    "api/3.0/mlflow",
    "ajax-api/2.0/mlflow",
    "ajax-api/3.0/mlflow",
    "api/2.0/oracle",
)
ALIAS, TAG, FILES = "registered-models/alias", "model-versions/set-tag", "api/2.0/mlflow-artifacts/artifacts"


@dataclass(frozen=True)
class Attack:
    """A request, who sends it, and the answers that are no."""

    name: str
    who: str | None
    method: str
    path: str
    body: Any = None
    more: dict[str, Any] = field(default_factory=dict)
    status: tuple[int, ...] = (403,)


def _aliases(g: Governed) -> Iterator[Attack]:
    moves = {"name": MODEL, "alias": "production", "version": g.fresh.number}
    for who, root in itertools.product(("vera", "sam", "ann", "root", "pat"), (V2, AJAX2)):
        yield Attack(f"{who} moves production by {root}", who, "POST", f"{root}/{ALIAS}", moves)
    yield Attack("moves production as nobody", None, "POST", f"{V2}/{ALIAS}", moves, status=(401,))
    yield Attack("moves production with a wrong password", "eve", "POST", f"{V2}/{ALIAS}", moves, status=(401,))
    yield Attack("moves production by an API version that is none", "root", "POST", f"{V3}/{ALIAS}", moves)
    yield Attack("deletes production", "root", "DELETE", f"{V2}/{ALIAS}", {"name": MODEL, "alias": "production"})
    yield Attack("points staging at it", "sam", "POST", f"{V2}/{ALIAS}", {**moves, "alias": "staging"})
    yield Attack("a look-alike of production", "sam", "POST", f"{V2}/{ALIAS}", {**moves, "alias": "Production"})
    yield Attack("moves a semver alias", "sam", "POST", f"{V2}/{ALIAS}", {**moves, "alias": "v1-0-0"})
    yield Attack("deletes a semver alias", "sam", "DELETE", f"{V2}/{ALIAS}", {"name": MODEL, "alias": "v1-0-1"})
    yield Attack("a look-alike of the name", "sam", "POST", f"{V2}/{ALIAS}", {**moves, "name": "Equine_Oracle"})


def _tricks(g: Governed) -> Iterator[Attack]:
    moves = {"name": MODEL, "alias": "production", "version": g.fresh.number}
    text = f'{{"name": "{MODEL}", "alias": "mine", "alias": "production", "version": "{g.fresh.number}"}}'
    raw = {"content": text.encode(), "headers": {"content-type": "application/json"}}
    bad = (400, 403, 404)
    yield Attack("a trailing slash", "root", "POST", f"{V2}/{ALIAS}/", moves, status=bad)
    yield Attack("a doubled slash", "root", "POST", f"/{V2}//{ALIAS}", moves, status=bad)
    yield Attack("an encoded slash", "root", "POST", f"{V2}/registered-models%2Falias", moves, status=bad)
    yield Attack("a path twice encoded", "root", "POST", f"{V2}/registered-models%252Falias", moves, status=bad)
    yield Attack("dots in the path", "root", "POST", f"{V2}/runs/%2e%2e/{ALIAS}", moves, status=bad)
    yield Attack("capitals in the path", "root", "POST", f"{V2}/Registered-Models/alias", moves, status=bad)
    yield Attack("a name twice in the body", "root", "POST", f"{V2}/{ALIAS}", more=raw, status=(400,))
    form = {"data": moves}
    yield Attack("a form for a body", "root", "POST", f"{V2}/{ALIAS}", more=form, status=(400,))
    text_plain = {"content": b"{}", "headers": {"content-type": "text/plain"}}
    yield Attack("a body of another type", "root", "POST", f"{V2}/{ALIAS}", more=text_plain, status=(400,))
    yield Attack("values in the query", "root", "DELETE", f"{V2}/registered-models/delete?name={MODEL}", status=(400,))
    override = {"headers": {"x-http-method-override": "DELETE"}}
    yield Attack(
        "a method in a header", "root", "GET", f"{V2}/registered-models/get?name={MODEL}", more=override, status=(400,)
    )
    forged = {"headers": {"x-forwarded-user": "ann", "x-remote-user": "ann", "x-forwarded-for": "10.0.0.1"}}
    yield Attack("a forged user in a header", "sam", "POST", f"{V2}/{ALIAS}", moves, forged)
    yield Attack("a forged host", "sam", "POST", f"{V2}/{ALIAS}", moves, {"headers": {"host": "evil.example"}})
    yield Attack("an unknown route", "root", "POST", f"{V2}/registered-models/overthrow", moves)
    yield Attack("an unknown method", "root", "PATCH", f"{V2}/{ALIAS}", moves)


def _versions(g: Governed) -> Iterator[Attack]:
    for number, who in ((g.production.number, "root"), (g.staged.number, "sam"), (g.archived.number, "pat")):
        wanted = {"name": MODEL, "version": number}
        yield Attack(f"{who} deletes version {number}", who, "DELETE", f"{V2}/model-versions/delete", wanted)
        tag = {**wanted, "key": "package_sha256", "value": "f" * 64}
        yield Attack(f"{who} gives version {number} another digest", who, "POST", f"{V2}/{TAG}", tag)
        update = {**wanted, "description": "mine"}
        yield Attack(f"{who} describes version {number}", who, "PATCH", f"{V2}/model-versions/update", update)
    fresh = {"name": MODEL, "version": g.fresh.number}
    for key, value in (("lifecycle", "production"), ("Lifecycle", "staging"), ("lifecycle_reason", "approved by ann")):
        yield Attack(f"sets {key}", "sam", "POST", f"{AJAX2}/{TAG}", {**fresh, "key": key, "value": value})
    yield Attack("takes a number away", "sam", "DELETE", f"{V2}/model-versions/delete-tag", {**fresh, "key": "semver"})
    for stage in ("Production", "Staging", "Archived"):
        move = {**fresh, "stage": stage, "archive_existing_versions": True}
        yield Attack(f"transition to {stage}", "root", "POST", f"{V2}/model-versions/transition-stage", move)
    for who in ("root", "sam"):
        yield Attack(
            f"{who} renames the model", who, "POST", f"{V2}/registered-models/rename", {"name": MODEL, "new_name": "x"}
        )
        yield Attack(f"{who} deletes the model", who, "DELETE", f"{V2}/registered-models/delete", {"name": MODEL})
    born = {
        "name": MODEL,
        "run_id": g.fresh.run_id,
        "model_id": g.fresh.model_id,
        "source": f"models:/{g.fresh.model_id}",
    }
    for key, value in (("lifecycle", "production"), ("semver", "v9.9.9")):
        tags = {**born, "tags": [{"key": key, "value": value}]}
        yield Attack(f"a version born with {key}", "sam", "POST", f"{V2}/model-versions/create", tags)
    swapped = {**born, "source": "file:///etc"}
    yield Attack("a version of another source", "sam", "POST", f"{V2}/model-versions/create", swapped)


def _runs(g: Governed) -> Iterator[Attack]:
    run, model, where = g.production.run_id, g.production.model_id, g.production.experiment_id
    metric = {"key": "test.model.ndcg_at_3", "value": 0.99, "timestamp": 3, "step": 1}
    yield Attack(
        "better metrics afterwards", "sam", "POST", f"{V2}/runs/log-batch", {"run_id": run, "metrics": [metric]}
    )
    yield Attack("one better metric", "sam", "POST", f"{V2}/runs/log-metric", {"run_uuid": run, **metric})
    yield Attack(
        "a parameter afterwards", "sam", "POST", f"{V2}/runs/log-parameter", {"run_id": run, "key": "a", "value": "b"}
    )
    yield Attack("a tag of the run", "root", "POST", f"{V2}/runs/set-tag", {"run_id": run, "key": "a", "value": "b"})
    yield Attack("deletes the run", "sam", "POST", f"{V2}/runs/delete", {"run_id": run})
    yield Attack("restores the run", "sam", "POST", f"{V2}/runs/restore", {"run_id": run})
    yield Attack("opens the run again", "sam", "POST", f"{V2}/runs/update", {"run_id": run, "status": "RUNNING"})
    mine = {"run_id": g.fresh.run_id, "metrics": [{**metric, "model_id": model}]}
    yield Attack("metrics of its model by another run", "sam", "POST", f"{V2}/runs/log-batch", mine)
    yield Attack("deletes the experiment", "sam", "POST", f"{V2}/experiments/delete", {"experiment_id": where})
    renamed = {"experiment_id": where, "new_name": "x"}
    yield Attack("renames the experiment", "root", "POST", f"{V2}/experiments/update", renamed)
    elsewhere = {"name": "x", "artifact_location": f"mlflow-artifacts:/{where}/models/{model}/artifacts"}
    yield Attack("an experiment in the model's place", "sam", "POST", f"{V2}/experiments/create", elsewhere)
    file = {"content": b"another model"}
    package = f"{where}/models/{model}/artifacts/{FOLDER}/model.txt"
    yield Attack("writes over the package", "sam", "PUT", f"{FILES}/{package}", more=file)
    yield Attack("writes over it as admin", "root", "PUT", f"ajax-{FILES}/{package}", more=file)
    yield Attack("writes a file of the run", "sam", "PUT", f"{FILES}/{where}/{run}/artifacts/a.txt", more=file)
    yield Attack("deletes the package", "sam", "DELETE", f"{FILES}/{package}")
    yield Attack("deletes all models", "sam", "DELETE", f"{FILES}/{where}/models")
    up = f"{FILES}/{where}/{g.fresh.run_id}/artifacts/%2e%2e/%2e%2e/models/{model}/artifacts/{FOLDER}/model.txt"
    yield Attack("writes over it by dots", "sam", "PUT", up, more=file, status=(400, 403))
    parts = f"api/2.0/mlflow-artifacts/mpu/create/{package}"
    yield Attack("writes over it in parts", "sam", "POST", parts, {"path": package, "num_parts": 1})
    upload = f"{AJAX2}/upload-artifact?run_uuid={run}&path=a.txt"
    yield Attack("uploads to the run", "sam", "POST", upload, more=file)
    signed = {"run_id": run, "path": "a.txt"}
    yield Attack("a signed address for uploads", "sam", "POST", f"{V2}/artifacts/presigned-upload-url", signed)
    yield Attack("deletes the logged model", "sam", "DELETE", f"{V2}/logged-models/{model}")
    tags = {"model_id": model, "tags": [{"key": "a", "value": "b"}]}
    yield Attack("tags of the logged model", "sam", "PATCH", f"{V2}/logged-models/{model}/tags", tags)
    yield Attack("a viewer logs", "vera", "POST", f"{V2}/runs/create", {"experiment_id": where})
    yield Attack("an approver logs", "ann", "POST", f"{V2}/runs/create", {"experiment_id": where})


def _approvals(g: Governed) -> Iterator[Attack]:
    def word(**wish: Any) -> dict[str, Any]:
        return {"reason": "because", **wish}

    yield Attack("approves as nobody", None, "POST", f"{OURS}/approve", word(request_id=g.waiting), status=(401,))
    for who in ("vera", "sam", "sue", "root"):
        yield Attack(f"{who} approves", who, "POST", f"{OURS}/approve", word(request_id=g.waiting))
    yield Attack("approves one's own request", "pat", "POST", f"{OURS}/approve", word(request_id=g.pats))
    yield Attack("carries out what nobody approved", "sam", "POST", f"{OURS}/promote", {"request_id": g.waiting})
    yield Attack("carries out twice", "ann", "POST", f"{OURS}/promote", {"request_id": g.used})
    yield Attack("approves twice", "abe", "POST", f"{OURS}/approve", word(request_id=g.used))
    yield Attack(
        "approves what nobody asked for", "ann", "POST", f"{OURS}/approve", word(request_id="x"), status=(400,)
    )
    forged = word(request_id=g.waiting, actor="ann", approver="ann")
    yield Attack("a forged approver in the body", "ann", "POST", f"{OURS}/approve", forged, status=(400,))
    yield Attack(
        "a request for what is rolled back", "sam", "POST", f"{OURS}/request", word(version=int(g.archived.number))
    )
    late = word(version=int(g.fresh.number), expected=int(g.archived.number))
    yield Attack("evidence against another version", "sue", "POST", f"{OURS}/request", late)
    yield Attack("a scientist rolls back", "sam", "POST", f"{OURS}/rollback", word(version=int(g.archived.number)))
    yield Attack(
        "rolls back to what never served", "ann", "POST", f"{OURS}/rollback", word(version=int(g.fresh.number))
    )
    yield Attack("a viewer stages", "vera", "POST", f"{OURS}/stage", word(version=int(g.fresh.number)))
    yield Attack("withdraws somebody else's request", "sue", "POST", f"{OURS}/withdraw", word(request_id=g.waiting))
    yield Attack("an unknown verb", "root", "POST", f"{OURS}/force", word(version=1), status=(404,))
    yield Attack("a version that is a text", "sam", "POST", f"{OURS}/stage", word(version="1"), status=(400,))


def _people(g: Governed) -> Iterator[Attack]:
    me = {"name": "sam", "roles": ["scientist", "approver", "admin"]}
    for who in ("vera", "sam", "ann"):
        yield Attack(f"{who} makes an approver of sam", who, "POST", f"{OURS}/people", me)
    yield Attack("the last admin goes", "root", "POST", f"{OURS}/people", {"name": "root", "roles": ["viewer"]})
    invented = {"name": "policy", "roles": ["approver"], "password": "x" * 12}
    yield Attack("a person called policy", "root", "POST", f"{OURS}/people", invented, status=(400,))
    short = {"name": "bob", "roles": ["viewer"], "password": "short"}
    yield Attack("a short password", "root", "POST", f"{OURS}/people", short, status=(400,))
    user = {"username": "mallory", "password": "m" * 12}
    for root in (V2, AJAX2):
        yield Attack(f"sam makes a user by {root}", "sam", "POST", f"{root}/users/create", user)
    yield Attack(
        "sam becomes MLflow's admin", "sam", "PATCH", f"{V2}/users/update-admin", {"username": "sam", "is_admin": True}
    )
    stolen = {"username": "ann", "password": "s" * 12}
    yield Attack("sam gives ann a password", "sam", "PATCH", f"{V2}/users/update-password", stolen)
    yield Attack("sam deletes ann", "sam", "DELETE", f"{V2}/users/delete", {"username": "ann"})
    grant = {"username": "sam", "resource_type": "registered_model", "resource_id": MODEL, "permission": "MANAGE"}
    yield Attack("sam grants himself", "sam", "POST", f"{V3}/users/permissions/grant", grant)
    yield Attack("sam makes a role", "sam", "POST", f"{AJAX3}/roles/create", {"name": "king", "workspace": "default"})
    yield Attack("sam takes a role", "sam", "POST", f"{V3}/roles/assign", {"username": "sam", "role_id": 1})
    own = {"username": "sam", "password": "n" * 12}
    yield Attack(
        "a new password without the old one", "sam", "PATCH", f"{V2}/users/update-password", own, status=(400,)
    )


def _elsewhere(g: Governed) -> Iterator[Attack]:
    hook = {"name": "x", "url": "https://example.org", "events": [{"entity": "MODEL_VERSION", "action": "CREATED"}]}
    yield Attack("a webhook", "root", "POST", f"{V2}/webhooks", hook)
    mutation = {"query": 'mutation { testMutation(inputString: "x") { output } }'}
    yield Attack("a GraphQL mutation", "root", "POST", "graphql", mutation)
    yield Attack("a GraphQL mutation by GET", "sam", "GET", "graphql", mutation)
    yield Attack("a job", "root", "POST", "ajax-api/3.0/jobs/", {"job_name": "x", "params": {}}, status=(400,))
    yield Attack("the assistant", "sam", "POST", f"{AJAX3}/assistant/message", {"message": "rm"})
    yield Attack("the gateway", "sam", "POST", "gateway/proxy/x/y", {})
    yield Attack("the gateway's proxy by GET", "sam", "GET", f"{AJAX2}/gateway-proxy?gateway_path=x")
    yield Attack("a trace", "sam", "POST", "v1/traces", {})
    yield Attack("a secret", "root", "POST", f"{V3}/gateway/secrets/create", {"secret_name": "x"})
    yield Attack("a scorer", "sam", "POST", f"{V3}/scorers/register", {"name": "x"})
    yield Attack("an MCP server", "sam", "POST", f"{V3}/mcp-servers", {"name": "x"})


FAMILIES: tuple[Callable[[Governed], Iterator[Attack]], ...] = (
    _aliases,
    _tricks,
    _versions,
    _runs,
    _approvals,
    _people,
    _elsewhere,
)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__.lstrip("_"))
def test_every_way_round_is_refused_and_told(
    family: Callable[[Governed], Iterator[Attack]], governed: Governed
) -> None:
    served = governed.served
    before, failures = served.world(), []
    for attack in family(governed):
        position = served.position
        answer = served.call(attack.who, attack.method, attack.path, attack.body, **attack.more)
        told = served.entries(position)
        who = attack.who if attack.who in PASSWORDS else "(unauthenticated)" + (f" {attack.who}" if attack.who else "")
        if answer.status_code not in attack.status:
            failures.append(f"{attack.name}: {answer.status_code} {answer.text[:200]}")
        elif not any(entry.actor == who and entry.outcome in ("refused", "failed") for entry in told):
            failures.append(f"{attack.name}: not in the audit: {told}")
        elif any(e.address != "127.0.0.1" for e in told) or any(p in str(e) for e in told for p in PASSWORDS.values()):
            failures.append(f"{attack.name}: the entry lies, or holds a password: {told}")
    assert not failures, "\n".join(failures)
    assert served.world() == before
    assert served.unbroken()


def test_the_suite_is_as_large_as_it_has_to_be(governed: Governed) -> None:
    attacks = [attack for family in FAMILIES for attack in family(governed)]
    assert len({attack.name for attack in attacks}) == len(attacks) >= 100
