from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.governance.roles import ROLES, Role
from tests.tracking_server.attempts import MODEL, OTHER_MODEL, OTHER_RUN, RUN, STATE, said

NAME = "equine-oracle"
EVERY = tuple(ROLES)


@pytest.mark.parametrize("alias", ["production", "Production", "PRODUCTION", "staging", "Staging"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_nobody_moves_what_serving_follows(alias: str, method: str) -> None:
    body = {"name": NAME, "alias": alias, "version": "2"}
    assert said(method, "mlflow/registered-models/alias", body, roles=EVERY).status == 403


def test_the_alias_that_the_settings_name_is_kept_too() -> None:
    body = {"name": NAME, "alias": "champion", "version": "2"}
    state = replace(STATE, alias="champion")
    assert said("POST", "mlflow/registered-models/alias", body, roles=EVERY, state=state).status == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("mlflow/registered-models/rename", {"name": NAME, "new_name": "other"}),
        ("mlflow/registered-models/rename", {"name": "other", "new_name": NAME}),
        ("mlflow/registered-models/rename", {"name": "other", "new_name": "Equine_Oracle"}),
        ("mlflow/registered-models/create", {"name": "EQUINE-ORACLE"}),
        ("mlflow/registered-models/set-tag", {"name": NAME, "key": "a", "value": "b"}),
        ("mlflow/model-versions/transition-stage", {"name": NAME, "version": "2", "stage": "Production"}),
        ("mlflow/model-versions/transition-stage", {"name": "other", "version": "2", "stage": "Production"}),
        ("mlflow/registered-models/alias", {"name": NAME, "alias": "v1-0-0", "version": "2"}),
        ("mlflow/registered-models/alias", {"name": NAME, "alias": "v9-0-0", "version": "2"}),
        ("mlflow/registered-models/alias", {"name": NAME, "alias": "mine", "version": "1"}),
        ("mlflow/registered-models/alias", {"name": NAME, "alias": "mine", "version": "02"}),
        ("mlflow/registered-models/alias", {"name": NAME, "alias": "mine", "version": " 2"}),
        ("mlflow/registered-models/alias", {"name": NAME, "alias": "mine", "version": "9"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "2", "key": "lifecycle", "value": "production"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "2", "key": "Lifecycle", "value": "production"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "2", "key": "package_sha256", "value": "0"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "2", "key": "facts", "value": "{}"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "2", "key": "semver", "value": "v1.0.2"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "3", "key": "semver", "value": "v9.0.0"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "3", "key": "semver", "value": "v1.0.1"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "3", "key": "SEMVER", "value": "v1.0.2"}),
        ("mlflow/model-versions/set-tag", {"name": NAME, "version": "1", "key": "note", "value": "x"}),
        ("mlflow/runs/set-tag", {"run_id": RUN, "key": "a", "value": "b"}),
        ("mlflow/runs/set-tag", {"run_uuid": RUN, "key": "a", "value": "b"}),
        ("mlflow/runs/log-batch", {"runId": RUN, "metrics": []}),
        ("mlflow/runs/delete", {"run_id": RUN}),
        ("mlflow/runs/update", {"run_id": RUN, "status": "FAILED"}),
        ("mlflow/runs/log-batch", {"run_id": "d" * 32, "metrics": [{"key": "a", "value": 1, "model_id": MODEL}]}),
        ("mlflow/runs/outputs", {"run_id": "d" * 32, "models": [{"model_id": OTHER_MODEL, "step": 0}]}),
        ("mlflow/logged-models/" + MODEL + "/params", {"params": []}),
        ("mlflow/experiments/create", {"name": "x", "artifact_location": "file:///etc"}),
        ("mlflow/experiments/delete", {"experiment_id": "1"}),
        ("mlflow/experiments/update", {"experiment_id": "1", "new_name": "x"}),
    ],
)
def test_what_nobody_may_do_by_mlflows_own_routes(path: str, body: dict[str, object]) -> None:
    verdict = said("POST", path, body, roles=EVERY)
    assert (verdict.status, bool(verdict.reason)) == (403, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("mlflow/registered-models/delete", {"name": NAME}),
        ("mlflow/registered-models/delete-tag", {"name": NAME, "key": "a"}),
        ("mlflow/model-versions/delete", {"name": NAME, "version": "1"}),
        ("mlflow/model-versions/delete", {"name": NAME, "version": "2"}),
        ("mlflow/model-versions/delete-tag", {"name": NAME, "version": "2", "key": "semver"}),
        ("mlflow/model-versions/delete-tag", {"name": NAME, "version": "2", "key": "facts"}),
        ("mlflow/registered-models/alias", {"name": NAME, "alias": "v1-0-1"}),
        ("mlflow/logged-models/" + MODEL, None),
        ("mlflow/logged-models/" + OTHER_MODEL + "/tags/x", None),
        (f"mlflow-artifacts/artifacts/1/{RUN}/artifacts/a.txt", None),
        (f"mlflow-artifacts/artifacts/1/models/{MODEL}/artifacts", None),
        ("mlflow-artifacts/artifacts/1", None),
        (f"mlflow-artifacts/artifacts/1/{OTHER_RUN}", None),
        ("mlflow-artifacts/artifacts/1/models", None),
    ],
)
def test_what_nobody_may_delete(path: str, body: dict[str, object] | None) -> None:
    assert said("DELETE", path, body, roles=EVERY).status == 403


def test_files_of_what_is_registered_are_not_written_over() -> None:
    for place in (f"1/{RUN}/artifacts/a", f"1/models/{OTHER_MODEL}/artifacts/package/model.bin"):
        assert said("PUT", f"mlflow-artifacts/artifacts/{place}", roles=EVERY).status == 403
        assert said("POST", f"mlflow-artifacts/mpu/complete/{place}", {}, roles=EVERY).status == 403


SOURCE = "mlflow-artifacts:/1/models/{}/artifacts"
NEW_MODEL = "m-" + "d" * 32
BORN: dict[str, object] = {"name": NAME, "run_id": "d" * 32, "model_id": NEW_MODEL, "source": SOURCE.format(NEW_MODEL)}


@pytest.mark.parametrize(
    "change",
    [
        {"tags": [{"key": "lifecycle", "value": "production"}]},
        {"tags": [{"key": "ＬＩＦＥＣＹＣＬＥ", "value": "staging"}]},
        {"tags": [{"key": "semver", "value": "v2.0.0"}]},
        {"source": "s3://elsewhere/model"},
        {"source": SOURCE.format(OTHER_MODEL)},
        {"source": f"mlflow-artifacts:/1/{'e' * 32}/artifacts/models/{NEW_MODEL}/artifacts"},
        {"model_id": ""},
        {"run_id": ""},
    ],
)
def test_a_version_is_not_born_with_what_it_has_to_be_given(change: dict[str, object]) -> None:
    assert said("POST", "mlflow/model-versions/create", {**BORN, **change}).status == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "mlflow/model-versions/create", BORN),
        ("POST", "mlflow/registered-models/create", {"name": NAME}),
        ("POST", "mlflow/model-versions/set-tag", {"name": NAME, "version": "3", "key": "semver", "value": "v1.0.2"}),
        ("POST", "mlflow/model-versions/set-tag", {"name": NAME, "version": "3", "key": "note", "value": "mine"}),
        ("POST", "mlflow/registered-models/alias", {"name": NAME, "alias": "candidate", "version": "3"}),
        ("POST", "mlflow/registered-models/alias", {"name": NAME, "alias": "mine", "version": "3"}),
        ("POST", "mlflow/runs/log-batch", {"run_id": OTHER_RUN, "metrics": []}),
        ("POST", "mlflow/runs/create", {"experiment_id": "1"}),
        ("PUT", f"mlflow-artifacts/artifacts/1/{OTHER_RUN}/artifacts/a b/ü.txt", None),
        ("DELETE", "mlflow/model-versions/delete", {"name": NAME, "version": "3"}),
        ("DELETE", "mlflow/registered-models/delete", {"name": "another-model"}),
    ],
)
def test_a_scientist_works_as_before(method: str, path: str, body: dict[str, object] | None) -> None:
    assert said(method, path, body).allowed
    assert said(method, path, body, roles=("viewer", "approver", "admin")).status == 403


def test_a_run_that_is_still_open_may_end() -> None:
    ends = {"run_id": RUN, "status": "FINISHED", "end_time": 1}
    state = replace(STATE, running=frozenset({RUN}))
    assert said("POST", "mlflow/runs/update", ends, state=state).allowed
    assert not said("POST", "mlflow/runs/update", {**ends, "run_name": "x"}, state=state).allowed
    assert not said("POST", "mlflow/runs/update", {**ends, "status": "RUNNING"}, state=state).allowed


@pytest.mark.parametrize("role", ["viewer", "scientist", "approver"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "mlflow/users/create"),
        ("PATCH", "mlflow/users/update-password"),
        ("PATCH", "mlflow/users/update-admin"),
        ("DELETE", "mlflow/users/delete"),
        ("POST", "mlflow/roles/assign"),
        ("POST", "mlflow/users/permissions/grant"),
    ],
)
def test_who_is_who_is_an_admins_to_say(role: Role, method: str, path: str) -> None:
    body = {"username": "bea", "password": "x" * 12, "is_admin": True}
    assert said(method, path, body, roles=(role,)).status == 403
    assert said(method, path, body, roles=("admin",)).allowed


def test_everybody_may_change_their_own_password() -> None:
    assert said("PATCH", "mlflow/users/update-password", {"username": "ann", "password": "x" * 12}, roles=()).allowed


def test_what_is_not_known_is_refused_to_everybody() -> None:
    assert said("POST", "mlflow/registered-models/overthrow", {"name": NAME}, roles=EVERY).status == 403
    assert said("PATCH", "mlflow/registered-models/alias", {"name": NAME}, roles=EVERY).status == 403
