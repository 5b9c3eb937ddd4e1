"""The app `oracle-auth` of MLflow's server: its own basic authentication, our guard before it, our routes within.

`mlflow server --app-name oracle-auth` calls `create_app` once in every worker. It refuses to start where the guard
would stand beside an open door: another way of authenticating, workspaces, artifacts that are not served.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import uuid
from typing import TYPE_CHECKING, Any

from oracle import store as stores
from oracle.errors import BadSetting
from oracle.governance.audit import Entry
from oracle.governance.roles import Actor
from oracle.registry.authority import policy_of
from oracle.settings import Settings, load
from oracle.store import Store
from oracle.store.people import Grant
from oracle.tracking.connection import Tracking, load_mlflow
from oracle.tracking_server.acts import Acts
from oracle.tracking_server.door import GuardedASGI, GuardedWSGI
from oracle.tracking_server.gate import AUDITED, Gate
from oracle.tracking_server.identity import Identity, claimed, put_in_force
from oracle.tracking_server.standing import Standing
from oracle.tracking_server.users import MlflowUsers

if TYPE_CHECKING:
    from flask import Response

AUTHORIZE = "oracle.tracking_server.identity:authorize"
BACKEND, REGISTRY = "_MLFLOW_SERVER_FILE_STORE", "_MLFLOW_SERVER_REGISTRY_STORE"
"""Where `mlflow server` leaves the addresses of its databases for its workers."""
ENDPOINT = "oracle"
PREFIX, SERVED = "_MLFLOW_STATIC_PREFIX", "_MLFLOW_SERVER_SERVE_ARTIFACTS"

_log = logging.getLogger(__name__)


def create_app(app: Any = None) -> Any:
    """Return MLflow's server behind the guard.

    Args:
        app: The Flask application of MLflow; its own by default.

    Raises:
        BadSetting: it would not be guarded: says what to change.
        Unavailable: our store does not answer.
    """
    load_mlflow()
    import mlflow.server
    from mlflow.server import auth

    flask = mlflow.server.app if app is None else app
    settings = load()
    _refuse_open_doors(os.environ, auth.auth_config)
    kept = stores.open(settings)
    identity, prefix, tracking = Identity(auth.store), os.environ.get(PREFIX, "").rstrip("/"), _tracking(settings)
    put_in_force(identity)
    acts = Acts(settings, tracking, kept, MlflowUsers(auth.store), policy_of(settings), _new_id)
    _add_routes(flask, prefix, acts, kept, identity)
    inner = auth.create_app(flask)
    _first_admin(kept, str(auth.auth_config.admin_username))
    standing = Standing(tracking.client, tracking.model_name, tracking.alias, settings.tracking.experiment)
    gate = Gate(kept, standing, identity, now=_now, new_id=_new_id, prefix=prefix)
    if settings.governance.approval != "four eyes":
        _log.warning("governance.approval is %r: gates alone may approve", settings.governance.approval)
    if inner is flask:
        flask.wsgi_app = GuardedWSGI(flask.wsgi_app, gate)
        return flask
    return GuardedASGI(inner, gate)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _new_id() -> str:
    return uuid.uuid4().hex


def _refuse_open_doors(environment: Any, config: Any) -> None:
    if config.authorization_function != AUTHORIZE:
        raise BadSetting(
            "MLflow would authenticate in another way than the guard",
            value=config.authorization_function,
            allowed=AUTHORIZE,
            next_step="name it as authorization_function in the file of MLFLOW_AUTH_CONFIG_PATH",
        )
    if environment.get("MLFLOW_ENABLE_WORKSPACES", "").lower() in ("1", "true"):
        raise BadSetting("the guard knows no workspaces", value="MLFLOW_ENABLE_WORKSPACES", next_step="unset it")
    if environment.get(SERVED, "").lower() != "true":
        raise BadSetting(
            "clients would reach the artifacts without the server",
            value="--no-serve-artifacts",
            allowed="--serve-artifacts, with --artifacts-destination",
        )
    if not environment.get(BACKEND):
        raise BadSetting("the server has no database", next_step="set MLFLOW_BACKEND_STORE_URI")


def _tracking(settings: Settings) -> Tracking:
    """Return the server's own way to its databases: past HTTP, and so past the guard."""
    from mlflow.tracking import MlflowClient

    backend = os.environ[BACKEND]
    client = MlflowClient(tracking_uri=backend, registry_uri=os.environ.get(REGISTRY) or backend)
    return Tracking(client, backend, "", settings.tracking.model_name, settings.tracking.alias)


def _first_admin(kept: Store, name: str) -> None:
    """Let the admin that MLflow was set up with be ours, where nobody was ever granted anything."""
    if kept.people.anybody():
        return
    grant = Grant(grant_id="first admin", at=_now(), name=name, roles="admin", actor="set-up")
    entry = Entry(
        entry_id="first admin",
        at=grant.at,
        actor="set-up",
        action="people",
        target=f"people/{name}",
        outcome="allowed",
        reason="the admin that the server was set up with",
        after=json.dumps({"roles": ["admin"]}),
    )
    kept.people.grant(grant, entry)


def _add_routes(flask: Any, prefix: str, acts: Acts, kept: Store, identity: Identity) -> None:
    """Let Flask answer our routes, behind MLflow's checks of host and origin.

    They are answered before MLflow's authentication, which refuses what it has no permission for; so they prove by
    themselves who asks.
    """
    from flask import make_response, request
    from mlflow.server.auth import make_basic_auth_response

    def answered() -> Response | None:
        if request.endpoint != ENDPOINT:
            return None
        claim = claimed(request.headers.get("Authorization"))
        if claim is None or not identity.proves(claim):
            return make_basic_auth_response()
        actor = Actor(claim[0], kept.people.roles(claim[0]), request.remote_addr)
        verb = str((request.view_args or {})["verb"])
        if request.method == "POST":
            said = acts.act(verb, request.get_data(), actor, _now())
        else:
            said = acts.tell(verb, request.args.to_dict(), actor, _now())
        answer = make_response(json.dumps(said.document), said.status)
        answer.headers["content-type"] = "application/json"
        if said.audited:
            answer.headers[AUDITED] = "yes"
        return answer

    flask.add_url_rule(f"{prefix}/api/2.0/oracle/<path:verb>", ENDPOINT, answered, methods=["GET", "POST"])
    flask.before_request(answered)
