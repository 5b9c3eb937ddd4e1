"""How the governed server is started: a command without secrets, and an environment that holds them.

Command lines are read by everybody on a machine, and stay in histories; so addresses with passwords, MLflow's secret
key and the first admin's password go through the environment of that one process.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from oracle.errors import BadSetting
from oracle.settings import Settings

APP = "oracle-auth"
_INI = """[mlflow]
default_permission = MANAGE
database_uri = {users}
authorization_function = oracle.tracking_server.identity:authorize
grant_default_workspace_access = false
"""
# What a user may do is said by our store; a permission of MLflow's own would only be a second, weaker answer.


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start."""

    command: list[str]
    environment: dict[str, str]
    """Beside the caller's own; holds secrets."""
    address: str


def launch(
    settings: Settings,
    folder: Path,
    *,
    backend: str,
    users: str,
    artifacts: str,
    admin: tuple[str, str],
    port: int,
    host: str = "127.0.0.1",
    workers: int = 1,
) -> Launch:
    """Return how to start the server, and leave its configuration in a folder that only its owner reads.

    Args:
        settings: Ours: store, model and rules.
        folder: Where the configuration and MLflow's secret key are kept.
        backend: MLflow's database.
        users: Database of MLflow's users; its own tables, and so another database than the backend on PostgreSQL.
        artifacts: Where the server keeps artifacts, such as `s3://bucket/path`.
        admin: Name and password of the first admin; the password matters only the first time.
        port: Port to listen on.
        host: Address to listen on.
        workers: Processes.

    Raises:
        BadSetting: the password is too short for MLflow.
    """
    if len(admin[1]) < 12:
        raise BadSetting("the first admin's password is too short", allowed="12 characters or more")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ini = folder / "oracle-auth.ini"
    _private(ini, _INI.format(users=users.replace("%", "%%")))
    options = ["--host", host, "--port", str(port), "--workers", str(workers), "--app-name", APP]
    command = [sys.executable, "-m", "mlflow", "server", *options, "--serve-artifacts", "--uvicorn-opts"]
    environment = {
        "MLFLOW_BACKEND_STORE_URI": backend,
        "MLFLOW_ARTIFACTS_DESTINATION": artifacts,
        "MLFLOW_AUTH_CONFIG_PATH": str(ini),
        "MLFLOW_AUTH_ADMIN_USERNAME": admin[0],
        "MLFLOW_AUTH_ADMIN_PASSWORD": admin[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": _secret_key(folder / "flask.key"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "ORACLE_HOME": str(settings.root),
        "ORACLE_TRACKING__MODEL_NAME": settings.tracking.model_name,
        "ORACLE_TRACKING__ALIAS": settings.tracking.alias,
        "ORACLE_TRACKING__EXPERIMENT": settings.tracking.experiment,
        "ORACLE_GOVERNANCE__APPROVAL": settings.governance.approval,
        "ORACLE_GOVERNANCE__EXPIRE_HOURS": str(settings.governance.expire_hours),
    }
    if settings.store.uri is not None:
        environment["ORACLE_STORE__URI"] = settings.store.uri.get_secret_value()
    # an address that a client may choose by a header is no address for an audit trail
    return Launch([*command, "--no-proxy-headers"], environment, f"http://{host}:{port}")


def without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the credentials of a client, which a server must not carry."""
    return {k: v for k, v in environment.items() if k not in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")}


def _secret_key(file: Path) -> str:
    """Return the key by which MLflow signs its forms: the same for every worker and every start."""
    if not file.exists():
        _private(file, secrets.token_urlsafe(32))
    return file.read_text("utf-8")


def _private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.chmod(0o600)
    file.write_text(text, "utf-8")
