"""The one door to MLflow: an explicit address, a database made once, and failures that name the address.

Nothing here touches MLflow's global state: every call goes through a client that was handed its address, so that two
trackings can live in one process. MLflow is imported on first use, because it takes seconds and reads the environment
while it is being imported.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from oracle.artifacts import keyring
from oracle.errors import BadSetting, OracleError, Refused, Unavailable
from oracle.settings import Settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PROBE_SECONDS = 5.0
"""How long a server may take to say that it is there; MLflow's own client would retry for minutes."""

CALLERS_FAULT = frozenset(
    {"RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE"}
)
"""Error codes by which MLflow says that the call was wrong; with any other, the server could not do it."""


OF_S3 = ("boto3", "botocore", "s3transfer")
"""Whose errors say that an artifact store of S3's kind could not do it; MLflow lets them through as they are."""

SWITCHES: Mapping[str, str] = MappingProxyType(
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
)
"""Settings that MLflow reads from the environment only; those that a user has set stay."""


@dataclass(frozen=True, slots=True)
class Tracking:
    """An open connection: the client, its address, and where runs and models of this house are kept."""

    client: MlflowClient
    uri: str
    experiment_id: str
    model_name: str
    alias: str
    """The alias that serving follows."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what MLflow and its libraries warn of among themselves; a reader can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def shown(uri: str) -> str:
    """Return the address as it may be printed: without user and password.

    >>> shown("http://me:secret@tracking:5000/team")
    'http://tracking:5000/team'
    """
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


@contextmanager
def reaching(uri: str) -> Iterator[None]:
    """Turn the failures of a call into ours.

    Raises:
        Unavailable: the tracking server or database did not answer, or could not do it.
        OracleError: it answered that the call itself was wrong.
        Refused: it answered that the user may not do it.
        BadSetting: it does not know the user.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        if ours := _ours(error):
            raise ours from error
        if error.error_code in CALLERS_FAULT:
            raise OracleError(f"MLflow refused: {error.message}", value=shown(uri)) from error
        if error.error_code == "PERMISSION_DENIED":
            raise Refused(f"the MLflow server refuses: {error.message}", value=shown(uri)) from error
        if error.error_code == "UNAUTHENTICATED":
            raise BadSetting(
                "the MLflow server does not know you",
                value=shown(uri),
                next_step="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            ) from error
        raise _unavailable(uri, error) from error
    except (OSError, SQLAlchemyError) as error:
        raise _unavailable(uri, error) from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in OF_S3:
            raise _unavailable(uri, error) from error
        raise


def _ours(error: BaseException) -> OracleError | None:
    """Return the error of ours at the root of one of MLflow's: of the artifact repository that seals and opens."""
    cause = error.__cause__
    return cause if cause is None or isinstance(cause, OracleError) else _ours(cause)


def _unavailable(uri: str, error: object) -> Unavailable:
    reason = str(error).strip().split("\n", 1)[0]
    if "out-of-date database schema" in reason:
        step = f"take a backup, then run: mlflow db upgrade {shown(uri)}"
    elif type(error).__module__.partition(".")[0] in OF_S3:
        step = "bring the artifact store back, or mend MLFLOW_S3_ENDPOINT_URL and its keys; then the same command again"
    elif uri.startswith("http"):
        step = "start the tracking server, or mend tracking.uri (ORACLE_TRACKING__URI)"
    else:
        step = "check that the folder is writable and has space, or choose another with ORACLE_HOME"
    return Unavailable(f"the tracking store did not answer: {reason}", value=shown(uri), next_step=step)


def load_mlflow() -> None:
    """Import MLflow without its telemetry, its log lines and its warnings. Idempotent."""
    for switch, value in SWITCHES.items():
        os.environ.setdefault(switch, value)
    with quiet():
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - its mappers warn when they are first configured
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def connect(settings: Settings) -> Tracking:
    """Open the tracking store, making database, schema and experiment where they are missing.

    The schema is made under a lock beside the database file: two processes that both find it empty would otherwise
    race through the migrations and break it.

    Raises:
        Unavailable: nothing answers at the address, or the file cannot be used.
        BadSetting: the address is one that MLflow no longer keeps, or the experiment was deleted.
    """
    uri = settings.tracking_uri
    _check_address(uri)
    load_mlflow()
    keyring.announce(uri, settings)
    from oracle.tracking.client import MaskingClient

    with _alone(uri), quiet(), reaching(uri):
        client = MaskingClient(tracking_uri=uri, registry_uri=uri)
        experiment = _experiment(client, settings.tracking.experiment, _artifacts(settings, uri))
    return Tracking(client, uri, experiment, settings.tracking.model_name, settings.tracking.alias)


def _artifacts(settings: Settings, uri: str) -> str | None:
    """Return where a new experiment keeps its files: as the settings say, our own folder, or the server's choice."""
    return None if uri.startswith("http") else settings.artifacts.uri or (settings.root / "artifacts").as_uri()


def artifact_locations(tracking: Tracking) -> list[str]:
    """Return where experiments keep their files, those that were deleted too: their files are still there."""
    from mlflow.entities import ViewType

    found, token = [], None
    while True:
        with reaching(tracking.uri):
            page = tracking.client.search_experiments(ViewType.ALL, page_token=token)
        found += [str(each.artifact_location) for each in page]
        token = page.token
        if not token:
            return list(dict.fromkeys(found))


def _experiment(client: MlflowClient, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another process made it in between; if not, the next line has nothing to return
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise BadSetting(
            "the MLflow experiment was deleted",
            value=name,
            next_step=f"mlflow experiments restore --experiment-id {found.experiment_id}, or name another "
            "with ORACLE_TRACKING__EXPERIMENT",
        )
    return str(found.experiment_id)


def _check_address(uri: str) -> None:
    scheme = uri.partition(":")[0]
    if scheme in ("http", "https"):
        _probe(uri)
    elif "://" not in uri or scheme == "file":
        raise BadSetting(
            "MLflow keeps no runs in plain folders any more",
            value=uri,
            allowed="sqlite:///PATH, postgresql://..., http(s)://...",
            next_step="unset tracking.uri (ORACLE_TRACKING__URI) to use a SQLite file under home",
        )


def _probe(uri: str) -> None:
    try:
        with urllib.request.urlopen(shown(uri).rstrip("/") + "/health", timeout=PROBE_SECONDS):
            return
    except urllib.error.HTTPError as error:
        error.close()  # it answered: behind a gateway /health may be closed, and MLflow's own call will tell
    except (OSError, ValueError) as error:
        raise _unavailable(uri, getattr(error, "reason", error)) from error


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Hold the lock beside a SQLite file, once it is known to be one; other stores lock for themselves."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    path = Path(uri.removeprefix("sqlite:///"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (path.parent / f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with closing(sqlite3.connect(path)) as file:
                file.execute("PRAGMA schema_version")
            yield
    except (OSError, sqlite3.Error) as error:
        raise _unavailable(uri, error) from error
