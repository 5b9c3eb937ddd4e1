"""The one door to boto3: the objects of a bucket, and what the bucket itself is told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import urlsplit

from oracle.artifacts.envelope import HEADER
from oracle.artifacts.place import Place
from oracle.artifacts.stores import Look
from oracle.errors import BadSetting, Unavailable

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

ENDPOINTS = ("MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
"""Where the address of a store other than Amazon's stands; MLflow's own name first, since its artifacts are meant."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")
GONE = ("NoSuchKey", "404")


def endpoint() -> str | None:
    """Return the address of the store, None for Amazon's."""
    return next((address for name in ENDPOINTS if (address := os.environ.get(name))), None)


def in_the_clear() -> str | None:
    """Return why what travels to the store can be read or changed on the way; None where it cannot."""
    address = urlsplit(endpoint() or "https://")
    if os.environ.get("MLFLOW_S3_IGNORE_TLS", "false").lower() in ("true", "1"):
        return "MLFLOW_S3_IGNORE_TLS is set: anybody on the way can pretend to be the store"
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        return f"the store is reached without TLS: {address.scheme}://{address.hostname}"
    return None


def client() -> Any:
    """Return a client of S3, with the credentials that boto3 finds.

    Patience is short, and what only some servers can (checksums behind a body) is not asked for.
    """
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        read_timeout=60,
        retries={"max_attempts": 3, "mode": "standard"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        max_pool_connections=16,
    )
    verify = False if os.environ.get("MLFLOW_S3_IGNORE_TLS", "false").lower() in ("true", "1") else None
    region = (
        os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ("us-east-1" if endpoint() else None)
    )
    session = boto3.session.Session()  # the one that boto3 shares keeps the credentials it first saw
    return session.client("s3", endpoint_url=endpoint(), config=config, verify=verify, region_name=region)


@contextmanager
def reaching(bucket: str) -> Iterator[None]:
    """Turn the failures of a call into ours; an answer that says no is left to the caller.

    Raises:
        Unavailable: the store does not answer, or there is no such bucket.
        BadSetting: there are no credentials.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except NoCredentialsError as error:
        raise BadSetting(
            "there are no credentials for the artifact store",
            value=bucket,
            next_step="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
        ) from error
    except BotoCoreError as error:
        raise Unavailable(f"the artifact store did not answer: {error}", value=bucket) from error
    except ClientError as error:
        raise Unavailable(
            f"the artifact store refused: {error.response['Error'].get('Message')}", value=bucket
        ) from error


def code(error: ClientError) -> str:
    """Return the word by which the store says no."""
    return str(error.response.get("Error", {}).get("Code", ""))


class BucketStore:
    """The objects below a prefix."""

    together = 8

    def __init__(self, place: Place) -> None:
        self.place, self._bucket = place, str(place.bucket)
        self._client = client()
        with reaching(self._bucket):
            self._client.head_bucket(Bucket=self._bucket)

    def _key(self, path: str) -> str:
        return f"{self.place.path}/{path}" if self.place.path else path

    def paths(self) -> Iterator[str]:
        """Return the paths of all objects, the markers of folders left out."""
        prefix = f"{self.place.path}/" if self.place.path else ""
        with reaching(self._bucket):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                for each in page.get("Contents", ()):
                    if not (each["Key"].endswith("/") and each["Size"] == 0):
                        yield each["Key"].removeprefix(prefix)

    def look(self, path: str) -> Look | None:
        """Return what an object looks like, by one question: its first bytes and how the store encrypts it."""
        from botocore.exceptions import ClientError

        asked = {"Bucket": self._bucket, "Key": self._key(path)}
        with reaching(self._bucket):
            try:
                got = self._client.get_object(**asked, Range=f"bytes=0-{HEADER - 1}")
                size, start = int(got["ContentRange"].rpartition("/")[2]), got["Body"].read()
            except ClientError as error:
                if code(error) in GONE:
                    return None
                if code(error) not in ("InvalidRange", "416"):
                    raise
                got, size, start = self._client.head_object(**asked), 0, b""  # an empty object has no first bytes
        return Look(path, size, start, got.get("ServerSideEncryption") or got.get("SSECustomerAlgorithm"))

    def reading(self, path: str) -> BinaryIO:
        """Return the bytes of an object as they come."""
        with reaching(self._bucket):
            return cast(BinaryIO, self._client.get_object(Bucket=self._bucket, Key=self._key(path))["Body"])

    def replace(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write the object anew, with its content type: an object cannot be changed in part."""
        asked = {"Bucket": self._bucket, "Key": self._key(path)}
        with tempfile.TemporaryFile() as scratch, reaching(self._bucket):
            for piece in pieces:
                scratch.write(piece)
            scratch.seek(0)
            head = self._client.head_object(**asked)
            kept = {"ContentType": head["ContentType"], "Metadata": head.get("Metadata", {})}
            self._client.upload_fileobj(scratch, **asked, ExtraArgs=kept)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A bucket has no lock: two who rotate at once do the same work twice and harm nothing."""
        yield
