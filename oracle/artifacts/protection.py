"""What a bucket is told once, so that it encrypts, speaks TLS only, is not public, and forgets nothing.

Each setting is read first. One that is as wanted is left alone; one that was written is read again, because there are
servers that answer yes and do nothing. Nothing is ever deleted: a server that does not know a call may take it for
another.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from oracle.artifacts.bucket import client, code, reaching

Outcome = Literal["as wanted", "set", "missing", "not implemented", "not allowed"]
UNKNOWN = {"NotImplemented", "MethodNotAllowed", "501", "405", "UnsupportedOperation"}
FORBIDDEN = {"AccessDenied", "403", "AllAccessDisabled"}
PUBLIC = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
TLS_ONLY = "OracleTlsOnly"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a bucket of artifacts is to be like."""

    kms_key: str | None = None
    """Key of AWS KMS to encrypt with; None: keys of the store, or those that are set already."""
    object_lock: bool = False
    """Let objects be kept from deletion until a date, as the anchors of the audit trail are."""


@dataclass(frozen=True, slots=True)
class Found:
    """How one setting of a bucket stands."""

    name: str
    outcome: Outcome
    now: str
    """What is in force, in words; or why it could not be told."""
    before: str | None = None
    """What was in force before, where it was changed."""


@dataclass(frozen=True, slots=True)
class _Setting:
    name: str
    call: str
    """Name of the calls, behind `get_` and `put_`."""
    answer: str
    """Where in an answer the setting stands."""
    absent: str
    """The word by which a store says that it was never set."""
    wish: Callable[[Any], Any]
    """From what is in force (None: never set) to what is to be written; None where that is as wanted."""
    given: Callable[[Any], dict[str, Any]]
    """From what is to be written to the arguments of the call."""
    shown: Callable[[Any], str] = str
    understood: Callable[[Any], bool] = bool
    """Whether an answer is one at all: there are servers that take the question for another."""


def protect(bucket: str, wanted: Wanted) -> list[Found]:
    """Make a bucket what it is to be, and return how each setting stands; a second time changes nothing."""
    return [_settle(bucket, setting, write=True) for setting in _settings(bucket, wanted)]


def inspect(bucket: str) -> list[Found]:
    """Return how each setting of a bucket stands, changing nothing."""
    return [_settle(bucket, setting, write=False) for setting in _settings(bucket, Wanted())]


def _settle(bucket: str, setting: _Setting, *, write: bool) -> Found:
    from botocore.exceptions import ClientError

    s3 = client()
    with reaching(bucket):
        try:
            before = _read(s3, bucket, setting)
            new = setting.wish(before)
            if new is None:
                return Found(setting.name, "as wanted", setting.shown(before))
            told = setting.shown(before) if before else "nothing"
            if not write:
                return Found(setting.name, "missing", told)
            getattr(s3, f"put_{setting.call}")(Bucket=bucket, **setting.given(new))
            now = _read(s3, bucket, setting)
            if setting.wish(now) is not None:
                return Found(setting.name, "not implemented", "the server said yes and did nothing")
            return Found(setting.name, "set", setting.shown(now), told)
        except _NotKnown:
            return Found(setting.name, "not implemented", "the server does not know this setting")
        except ClientError as error:
            if code(error) in UNKNOWN:
                return Found(setting.name, "not implemented", "the server does not know this setting")
            if code(error) in FORBIDDEN:
                return Found(setting.name, "not allowed", "these credentials may not do it")
            raise


class _NotKnown(Exception):
    """The server took the question for another one."""


def _read(s3: Any, bucket: str, setting: _Setting) -> Any:
    """Return a setting that is in force; None where it was never set."""
    from botocore.exceptions import ClientError

    try:
        got = getattr(s3, f"get_{setting.call}")(Bucket=bucket)
    except ClientError as error:
        if code(error) == setting.absent:
            return None
        raise
    found = got.get(setting.answer)
    if found is None and not setting.absent:
        return None
    if not setting.understood(found):
        raise _NotKnown
    return found


def _settings(bucket: str, wanted: Wanted) -> list[_Setting]:
    lock = _Setting(
        "object lock",
        "object_lock_configuration",
        "ObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        lambda now: None if (now or {}).get("ObjectLockEnabled") == "Enabled" else {"ObjectLockEnabled": "Enabled"},
        lambda new: {"ObjectLockConfiguration": new},
        lambda _: "objects can be kept until a date",
    )
    return [
        _Setting(
            "encryption",
            "bucket_encryption",
            "ServerSideEncryptionConfiguration",
            "ServerSideEncryptionConfigurationNotFoundError",
            lambda now: _encryption(now, wanted.kms_key),
            lambda new: {"ServerSideEncryptionConfiguration": new},
            lambda now: " ".join(str(v) for v in _default(now).values()),
        ),
        _Setting(
            "TLS only",
            "bucket_policy",
            "Policy",
            "NoSuchBucketPolicy",
            lambda now: _tls_only(now, bucket),
            lambda new: {"Policy": json.dumps(new)},
            lambda now: f"statements of the policy: {', '.join(str(s.get('Sid', '-')) for s in _statements(now))}",
            _is_policy,
        ),
        _Setting(
            "public access block",
            "public_access_block",
            "PublicAccessBlockConfiguration",
            "NoSuchPublicAccessBlockConfiguration",
            lambda now: None if all((now or {}).get(word) for word in PUBLIC) else dict.fromkeys(PUBLIC, True),
            lambda new: {"PublicAccessBlockConfiguration": new},
            lambda now: ", ".join(word for word in PUBLIC if now.get(word)) or "nothing",
        ),
        _Setting(
            "versioning",
            "bucket_versioning",
            "Status",
            "",
            lambda now: None if now == "Enabled" else "Enabled",
            lambda new: {"VersioningConfiguration": {"Status": new}},
        ),
        *([lock] if wanted.object_lock else []),
    ]


def _default(now: Any) -> dict[str, Any]:
    rules = (now or {}).get("Rules") or [{}]
    found: dict[str, Any] = rules[0].get("ApplyServerSideEncryptionByDefault", {})
    return found


def _encryption(now: Any, kms_key: str | None) -> Any:
    """Return the rule to write; one with a key of KMS is not taken back for the store's own."""
    rule = _default(now)
    if kms_key is None and rule.get("SSEAlgorithm"):
        return None
    if (
        kms_key is not None
        and rule.get("KMSMasterKeyID") == kms_key
        and str(rule["SSEAlgorithm"]).startswith("aws:kms")
    ):
        return None
    own = {"SSEAlgorithm": "AES256"} if kms_key is None else {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": kms_key}
    return {"Rules": [{"ApplyServerSideEncryptionByDefault": own, "BucketKeyEnabled": kms_key is not None}]}


def _is_policy(now: Any) -> bool:
    try:
        return isinstance(json.loads(now), dict)
    except (TypeError, ValueError):
        return False


def _statements(now: Any) -> list[dict[str, Any]]:
    found = json.loads(now).get("Statement", []) if now else []
    return found if isinstance(found, list) else [found]


def _tls_only(now: Any, bucket: str) -> Any:
    """Return the policy with a statement that refuses everything without TLS; the other statements stay."""
    mine = {
        "Sid": TLS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    if any(_denies(each, mine) for each in _statements(now)):
        return None
    others = [each for each in _statements(now) if each.get("Sid") != TLS_ONLY]
    return {"Version": "2012-10-17", **(json.loads(now) if now else {}), "Statement": [*others, mine]}


def _denies(statement: dict[str, Any], mine: dict[str, Any]) -> bool:
    """Return whether a statement refuses all that ours does, whoever wrote it."""
    resources = statement.get("Resource", [])
    resources = {resources} if isinstance(resources, str) else set(resources)
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and statement.get("Action") in ("s3:*", ["s3:*"], "*", ["*"])
        and ("*" in resources or set(mine["Resource"]) <= resources)
        and {k: {i: str(v).lower() for i, v in c.items()} for k, c in statement.get("Condition", {}).items()}
        == mine["Condition"]
    )
