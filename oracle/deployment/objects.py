"""The S3 server: rclone over a folder under home, with a key pair and TLS.

It cannot encrypt what it keeps: artifacts are sealed by the MLflow server before they come here.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from oracle.artifacts import keyring
from oracle.deployment import certificate
from oracle.deployment.part import GENTLY, Site
from oracle.deployment.passwords import artifact_key
from oracle.deployment.processes import Command
from oracle.errors import MissingExtra

BUCKET = "artifacts"


def program() -> Path:
    """Return rclone: beside this Python, or on the path.

    Raises:
        MissingExtra: it is not installed.
    """
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise MissingExtra(
            "rclone is not installed: it is the S3 server of this profile",
            next_step="install it: pip install 'equine-oracle[local-prod]'",
        )
    return Path(found)


class Objects:
    """The S3 server."""

    name, title = "s3", "S3 (rclone)"
    ports: Sequence[str] = ("s3",)
    seconds = 30.0
    signals = GENTLY

    def __init__(self, site: Site, now: dt.datetime) -> None:
        self._site, self._now = site, now
        self._program = program()

    @property
    def certificate(self) -> Path:
        """What a client has to trust."""
        return self._site.places.secrets / "s3.crt"

    @property
    def keys(self) -> Path:
        """Keys under which the MLflow server seals artifacts before they come here."""
        return self._site.places.secrets / "artifact.keys"

    @property
    def _key(self) -> Path:
        return self._site.places.secrets / "s3.key"

    def prepare(self) -> None:
        """Make certificate and bucket."""
        certificate.kept(self.certificate, self._key, self._now)
        (self._site.places.objects / BUCKET).mkdir(exist_ok=True)
        if not self.keys.exists():
            keyring.add(self.keys, artifact_key())

    def command(self) -> Command:
        """Return how the server is started; the key pair goes by the environment."""
        words = [str(self._program), "serve", "s3", str(self._site.places.objects), "--no-cleanup"]
        words += ["--addr", f"127.0.0.1:{self._site.port('s3')}", "--min-tls-version", "tls1.2"]
        words += ["--cert", str(self.certificate), "--key", str(self._key)]
        pair = f'"{self._site.passwords.bucket_key},{self._site.passwords.bucket_secret}"'
        return Command(words, {"RCLONE_AUTH_KEY": pair, "RCLONE_CONFIG": os.devnull}, self._site.places.home)

    def lacking(self) -> str | None:
        """Return None once it shows its certificate."""
        try:
            trusted = ssl.create_default_context(cafile=str(self.certificate))
            with (
                socket.create_connection(("127.0.0.1", self._site.port("s3")), timeout=5) as plain,
                trusted.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                return None
        except OSError as error:
            return str(error)

    def furnish(self) -> None:
        """Leave it as it is: the bucket is a folder."""

    def clear(self) -> None:
        """Leave the data where it is."""

    @property
    def access(self) -> dict[str, str]:
        """Environment of a client that may read and write; the MLflow server's alone."""
        return {
            "AWS_ACCESS_KEY_ID": self._site.passwords.bucket_key,
            "AWS_SECRET_ACCESS_KEY": self._site.passwords.bucket_secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # rclone knows no body in chunks with a trailer
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
            "AWS_CA_BUNDLE": str(self.certificate),
            "MLFLOW_S3_ENDPOINT_URL": self._site.bucket,
            "ORACLE_ARTIFACTS__KEY_FILE": str(self.keys),
        }
