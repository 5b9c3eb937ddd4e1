"""The hash of the trail's head, kept where whoever can write the database cannot: a file elsewhere, or S3 with a lock.

A file gets one line for each anchor, at its end. In a bucket each anchor is an object of its own, written only where
none of its name is, and held by an object lock until its date. All versions of all objects are read: a delete marker
or a newer version hides an anchor from a browser, not from here.
"""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.errors import BadInput, Unavailable
from oracle.governance.exported import anchor, anchor_line
from oracle.governance.verification import Anchor

MODE = "COMPLIANCE"
"""Nobody shortens such a lock, the owner of the account included."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a place holds."""

    anchors: tuple[Anchor, ...]
    """The lowest first."""
    unreadable: tuple[str, ...]
    """Where something stands that is no anchor."""


def kept(where: str) -> Kept:
    """Return all anchors of a place; none where nothing is there yet.

    Raises:
        Unavailable: the place cannot be read.
    """
    found, unreadable = [], []
    for name, raw in _objects(where) if _remote(where) else _lines(where):
        try:
            found.append(anchor(raw))
        except ValueError:
            unreadable.append(name)
    return Kept(tuple(sorted(found, key=lambda one: one.position)), tuple(unreadable))


def keep(where: str, one: Anchor, *, until: dt.datetime | None) -> str:
    """Write an anchor and return where it stands.

    Args:
        where: A file, or `s3://bucket/prefix`.
        one: What to write.
        until: Until when a bucket is to hold it; None without a lock. A file has none.

    Raises:
        BadInput: the bucket does not lock.
        Unavailable: the place cannot be written.
    """
    if _remote(where):
        return _put(where, one, until)
    file = Path(where)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), "ab") as stream:
            stream.write(anchor_line(one))
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise _lost(where, error) from error
    return str(file.absolute())


def _remote(where: str) -> bool:
    return where.startswith("s3://")


def _lines(where: str) -> list[tuple[str, bytes]]:
    try:
        with Path(where).open("rb") as stream:
            return [(f"{where}, line {n}", raw) for n, raw in enumerate(stream, 1)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _lost(where, error) from error


def _client() -> Any:
    from oracle.artifacts.bucket import client  # boto3 takes half a second, for those who anchor in a bucket

    return client()


def _errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def _split(where: str) -> tuple[str, str]:
    bucket, _, prefix = where.removeprefix("s3://").partition("/")
    if not bucket:
        raise BadInput("no bucket is named", value=where, allowed="s3://bucket/prefix")
    return bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""


def _put(where: str, one: Anchor, until: dt.datetime | None) -> str:
    bucket, prefix = _split(where)
    key = f"{prefix}{one.position:012d}-{one.hash[:16]}.json"
    lock = {} if until is None else {"ObjectLockMode": MODE, "ObjectLockRetainUntilDate": until}
    try:
        _client().put_object(
            Bucket=bucket,
            Key=key,
            Body=anchor_line(one),
            ContentType="application/json",
            IfNoneMatch="*",
            ChecksumAlgorithm="SHA256",
            **lock,
        )
    except _errors() as error:
        said = getattr(error, "response", {}).get("Error", {})
        if said.get("Code") == "PreconditionFailed":  # the same position with the same hash is kept already
            return f"s3://{bucket}/{key}"
        if said.get("Code") == "InvalidRequest":
            raise BadInput(
                f"the bucket does not hold objects: {said.get('Message', '')}",
                value=bucket,
                next_step="make a bucket with object lock (docs/audit.md), or go without: --retain 0",
            ) from error
        raise _lost(where, error) from error
    return f"s3://{bucket}/{key}"


def _objects(where: str) -> list[tuple[str, bytes]]:
    bucket, prefix = _split(where)
    client = _client()
    found = []
    try:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Versions", ()):
                name, version = item["Key"], item["VersionId"]
                body = client.get_object(Bucket=bucket, Key=name, VersionId=version)["Body"].read()
                found.append((f"s3://{bucket}/{name} version {version}", body))
    except _errors() as error:
        raise _lost(where, error) from error
    return found


def _lost(where: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"the anchors cannot be reached: {error}",
        value=where,
        next_step="check that the folder is there, or bucket, keys and AWS_ENDPOINT_URL",
    )
