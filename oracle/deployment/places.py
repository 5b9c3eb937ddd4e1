"""Where everything of a deployment lies under its home, and files that only their owner reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class Places:
    """The home of a deployment, absolute."""

    home: Path

    @property
    def ledger(self) -> Path:
        """What was started, on which ports."""
        return self.home / "prod.json"

    @property
    def lock(self) -> Path:
        """Held while somebody starts or stops."""
        return self.home / "prod.lock"

    @property
    def environment(self) -> Path:
        """What a person sources to talk to the deployment."""
        return self.home / "prod.env"

    @property
    def logs(self) -> Path:
        """One file for each part."""
        return self.home / "logs"

    @property
    def secrets(self) -> Path:
        """Passwords and keys of the parts; nobody's but the operator's."""
        return self.home / "secrets"

    @property
    def people(self) -> Path:
        """A file for each of the first users, with the password it was given."""
        return self.home / "people"

    @property
    def objects(self) -> Path:
        """The S3 server's data."""
        return self.home / "s3"

    @property
    def database(self) -> Path:
        """PostgreSQL's data, where its user may reach it."""
        return self.home / "postgresql"

    def make(self) -> None:
        """Make the home and its private folders where they are missing."""
        self.home.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.secrets, self.people, self.objects):
            folder.mkdir(exist_ok=True)
            folder.chmod(PRIVATE_FOLDER)


def write_private(file: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only from the first byte on."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "w", encoding="utf-8") as out:  # noqa: PTH123
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)


def write_document(file: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document as `write_private` does."""
    write_private(file, json.dumps(document, indent=1) + "\n")
