"""The first people of a deployment: an admin, an approver, a scientist, and the account that serving reads with.

Each gets a generated password in a file of its own, mode 0600, which a shell can source. Who is there already is left
alone: a password that somebody changed stays changed.
"""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

from oracle.deployment.part import Site
from oracle.deployment.places import write_private
from oracle.errors import Unavailable

FIRST = {"admin": "admin", "approver": "approver", "scientist": "scientist"}
"""Person: role."""
SERVING = "serving"


def settle(site: Site) -> None:
    """Make the accounts that are missing, and write each person's file where it is missing.

    Raises:
        Unavailable: the server refuses.
    """
    secrets = {name: str(getattr(site.passwords, name)) for name in (*FIRST, SERVING)}
    for name in (*FIRST, SERVING):
        if name != "admin" and not _exists(site, name):
            _ask(site, "POST", "/api/2.0/mlflow/users/create", {"username": name, "password": secrets[name]})
    for name in FIRST:
        file = site.places.people / f"{name}.env"
        if not file.exists():
            write_private(file, as_person(name, secrets[name]))


def as_person(name: str, password: str) -> str:
    """Return the lines that make a shell act as somebody."""
    return f"export MLFLOW_TRACKING_USERNAME={name}\nexport MLFLOW_TRACKING_PASSWORD={password}\n"


def environment(site: Site) -> str:
    """Return the file a person sources to talk to the deployment, as the scientist."""
    values = {
        "ORACLE_HOME": str(site.places.home),
        "ORACLE_TRACKING__URI": site.tracking,
        "ORACLE_STORE__URI": site.store,
        "ORACLE_SERVING__PSEUDONYM_KEY": site.passwords.pseudonyms,
        "ORACLE_SERVING__PORT": str(site.port("app")),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(site.places.secrets / "ray.token"),
        "RAY_DASHBOARD_ADDRESS": site.dashboard,
    }
    lines = [f"export {name}='{value}'" for name, value in values.items()]
    head = "# To talk to the deployment: source this file, then, to be somebody else, people/NAME.env."
    return "\n".join([head, *lines]) + "\n" + as_person("scientist", site.passwords.scientist)


def _exists(site: Site, name: str) -> bool:
    try:
        _ask(site, "GET", f"/api/2.0/mlflow/users/get?username={name}")
    except Unavailable as error:
        if "RESOURCE_DOES_NOT_EXIST" in str(error):
            return False
        raise
    return True


def _ask(site: Site, method: str, path: str, document: Any = None) -> Any:
    pair = base64.b64encode(f"admin:{site.passwords.admin}".encode()).decode()
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
        raise Unavailable(f"the MLflow server refused {method} {path}: {error.code} {said}") from error
