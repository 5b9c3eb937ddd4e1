"""The secrets of a deployment: made once, kept in one file of mode 0600, completed where a newer release wants more."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from oracle.deployment.places import write_document
from oracle.errors import UnreadableFile


@dataclass(frozen=True, slots=True, repr=False)
class Passwords:
    """What the parts prove themselves with. Letters, digits, `-` and `_` only: they stand in addresses."""

    label: str
    """Marks the processes of this deployment in their environment; no secret."""
    postgresql: str
    """Superuser of the database server: makes roles and databases, backs up."""
    mlflow: str
    """Owner of MLflow's two databases."""
    keeper: str
    """Owner of our store: makes and upgrades its tables, and grants."""
    governor: str
    """Our store as the MLflow server and admins see it: decides."""
    app: str
    """Our store as serving and workers see it: reads what was decided."""
    bucket_key: str
    bucket_secret: str
    """Key pair of the S3 server; the MLflow server alone has it."""
    ray: str
    """Token of the cluster."""
    pseudonyms: str
    """Key under which users are hashed."""
    admin: str
    approver: str
    scientist: str
    serving: str
    """The first people, and the account with which serving and workers read the registry."""

    def __repr__(self) -> str:
        """Return the kind only: a traceback that shows locals must not show these."""
        return "Passwords(...)"


def kept(file: Path, draw: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> Passwords:
    """Return the secrets in the file, which is made, or completed, where one is missing.

    Raises:
        UnreadableFile: the file is there and is not one of ours.
    """
    names = [field.name for field in fields(Passwords)]
    try:
        found = json.loads(file.read_text("utf-8")) if file.exists() else {}
        known = {name: str(found[name]) for name in names if name in found}
    except (OSError, ValueError, TypeError) as error:
        raise UnreadableFile(
            "the secrets of the deployment cannot be read", value=file, next_step="restore the file from a backup"
        ) from error
    whole = {name: known.get(name) or draw() for name in names}
    if whole != found:
        write_document(file, whole)
    return Passwords(**whole)


def artifact_key() -> bytes:
    """Return a new key to seal artifacts with."""
    return secrets.token_bytes(32)


def random_hex(count: int) -> str:
    """Return so many random bytes as hexadecimal digits."""
    return secrets.token_hex(count)
