"""The first people of a deployment: an admin, an approver, a scientist, and the account that serving reads with.

Each gets a generated password in a file of its own, mode 0600, which a shell can source. Who holds a role already is
left alone: what somebody changed stays changed.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from oracle import store as stores
from oracle.deployment.part import Site
from oracle.deployment.passwords import random_hex
from oracle.deployment.places import write_private
from oracle.errors import Unavailable
from oracle.governance.roles import Actor
from oracle.serving.issue import Issuer

ADMIN, SCIENTIST, SERVING = "admin", "scientist", "serving"
FIRST: Mapping[str, tuple[str, ...]] = {
    ADMIN: ("admin",),
    "approver": ("approver",),
    SCIENTIST: ("scientist",),
    SERVING: ("viewer",),
}
"""Person: roles."""
APPLICATION, TOKEN, TOKEN_DAYS = "first application", "endpoint.token", 90.0
"""Name of the first token of the served API, the file it is left in, and the days it is good for."""


def settle(site: Site) -> None:
    """Make the accounts that are missing, the experiment, and each person's file where it is missing.

    Raises:
        Unavailable: the server refuses.
    """
    there = {str(grant["name"]) for grant in _ask(site, ADMIN, "GET", "/api/2.0/oracle/people")}
    for name, roles in FIRST.items():
        if name not in there:
            wish = {"name": name, "roles": roles, "password": _password(site, name)}
            _ask(site, ADMIN, "POST", "/api/2.0/oracle/people", wish)
    for name in FIRST:
        file = site.places.people / f"{name}.env"
        if name != SERVING and not file.exists():
            write_private(file, as_person(site, name))
    _experiment(site)


def let_in(site: Site, now: dt.datetime) -> None:
    """Make a token that opens the served API to a first application, where there is no file of one.

    Raises:
        Unavailable: the store does not answer.
    """
    file = site.places.people / TOKEN
    if file.exists():
        return
    kept = stores.open(site.governed)
    try:
        issuer = Issuer(kept, Actor(ADMIN, frozenset({"admin"})), now, random_hex)
        for old in issuer.everything():
            if old.token.name == APPLICATION and old.state in ("good", "rotated"):
                issuer.revoke(old.token.token_id)  # its secret is lost
        made = issuer.create(APPLICATION, ("predict", "results", "events"), days=TOKEN_DAYS)
    finally:
        kept.close()
    write_private(file, made.text + "\n")


def as_person(site: Site, name: str) -> str:
    """Return the lines that make a shell act as somebody; an admin's shell reaches our store as its owner."""
    store = site.governed_store if name == ADMIN else site.store
    values = {
        "MLFLOW_TRACKING_USERNAME": name,
        "MLFLOW_TRACKING_PASSWORD": _password(site, name),
        "ORACLE_GOVERNANCE__ACTOR": name,
        "ORACLE_STORE__URI": store,
    }
    return _exports(values)


def environment(site: Site) -> str:
    """Return the file a person sources to talk to the deployment, as the scientist."""
    values = {
        "ORACLE_HOME": str(site.places.home),
        "ORACLE_TRACKING__URI": site.tracking,
        "ORACLE_SERVING__PSEUDONYM_KEY": site.passwords.pseudonyms,
        "ORACLE_SERVING__PORT": str(site.port("app")),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(site.places.secrets / "ray.token"),
        "RAY_DASHBOARD_ADDRESS": site.dashboard,
    }
    head = "# To talk to the deployment, source this file; then, to be somebody else, people/NAME.env.\n"
    return head + _exports(values) + as_person(site, SCIENTIST)


def _exports(values: Mapping[str, str]) -> str:
    return "".join(f"export {name}='{value}'\n" for name, value in values.items())


def _password(site: Site, name: str) -> str:
    return str(getattr(site.passwords, name))


def _experiment(site: Site) -> None:
    """Make the experiment of our runs, as a scientist: serving looks for it, and may write nothing."""
    name = site.tree.tracking.experiment
    asked = f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={urllib.parse.quote(name)}"
    if _ask(site, SCIENTIST, "GET", asked, missing=404) is None:
        _ask(site, SCIENTIST, "POST", "/api/2.0/mlflow/experiments/create", {"name": name})


def _ask(site: Site, who: str, method: str, path: str, document: Any = None, missing: int | None = None) -> Any:
    pair = base64.b64encode(f"{who}:{_password(site, who)}".encode()).decode()
    request = urllib.request.Request(
        site.tracking + path,
        None if document is None else json.dumps(document).encode(),
        {"content-type": "application/json", "authorization": f"Basic {pair}"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as told:
            return json.load(told)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(500).decode(errors="replace")
        if error.code == missing:
            return None
        raise Unavailable(
            f"the MLflow server refused {method} {path.partition('?')[0]}: {error.code} {said}",
            value=who,
            next_step="its password in secrets/passwords.json is no longer the one in use"
            if error.code == 401
            else "see logs/mlflow.log",
        ) from error
