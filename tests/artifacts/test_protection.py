"""What a bucket is told, on a server that knows every call; what one that does not is said to lack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from oracle.artifacts import bucket, protection, sweep
from oracle.artifacts.envelope import CHANCE, Key, Sealer, sealed
from oracle.artifacts.keyring import Keyring
from oracle.artifacts.place import place
from oracle.artifacts.protection import Wanted, inspect, protect
from oracle.artifacts.sweep import store
from oracle.errors import Unavailable

pytestmark = pytest.mark.slow
NAME = "races"
A, B = Key(b"a" * 32), Key(b"b" * 32)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for word in (*bucket.ENDPOINTS, "AWS_PROFILE", "MLFLOW_S3_IGNORE_TLS"):
        monkeypatch.delenv(word, raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=NAME)
        yield client


def outcomes(found: list[protection.Found]) -> dict[str, str]:
    return {each.name: each.outcome for each in found}


def statements(s3: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(s3.get_bucket_policy(Bucket=NAME)["Policy"])["Statement"]
    return found


def test_all_is_set_once_and_the_second_time_nothing_changes(s3: Any) -> None:
    wanted = Wanted(object_lock=True)
    first = outcomes(protect(NAME, wanted))
    assert set(first) == {"encryption", "TLS only", "public access block", "versioning", "object lock"}
    assert set(first.values()) <= {"set", "as wanted"}
    assert set(outcomes(protect(NAME, wanted)).values()) == {"as wanted"}
    assert set(outcomes(inspect(NAME)).values()) == {"as wanted"}
    rule = s3.get_bucket_encryption(Bucket=NAME)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=NAME)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=NAME)["PublicAccessBlockConfiguration"].values())


def test_the_policy_refuses_all_that_comes_without_tls_and_keeps_what_others_wrote(s3: Any) -> None:
    theirs = {"Sid": "theirs", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    theirs["Resource"] = f"arn:aws:s3:::{NAME}/public/*"
    s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps({"Version": "2012-10-17", "Statement": [theirs]}))
    assert outcomes(protect(NAME, Wanted()))["TLS only"] == "set"
    kept, ours = statements(s3)
    assert kept == theirs
    assert (ours["Effect"], ours["Principal"], ours["Action"]) == ("Deny", "*", "s3:*")
    assert ours["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert set(ours["Resource"]) == {f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"}


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "as wanted"),
        ({"Condition": {"Bool": {"aws:SecureTransport": False}}}, "as wanted"),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, "set"),
        ({"Action": "s3:PutObject"}, "set"),
        ({"Resource": f"arn:aws:s3:::{NAME}/*"}, "set"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, "set"),
        ({"Effect": "Allow"}, "set"),
    ],
)
def test_a_statement_counts_only_if_it_refuses_everybody_everything(s3: Any, change: Any, outcome: str) -> None:
    protect(NAME, Wanted())
    weaker = {**statements(s3)[0], **change, "Sid": "other"}
    s3.put_bucket_policy(Bucket=NAME, Policy=json.dumps({"Version": "2012-10-17", "Statement": [weaker]}))
    assert outcomes(protect(NAME, Wanted()))["TLS only"] == outcome


def test_a_key_of_kms_is_used_and_not_taken_back(s3: Any) -> None:
    assert outcomes(protect(NAME, Wanted(kms_key="alias/races")))["encryption"] in ("set", "as wanted")
    assert outcomes(protect(NAME, Wanted()))["encryption"] == "as wanted"
    rule = s3.get_bucket_encryption(Bucket=NAME)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == "alias/races"


def test_a_bucket_that_was_told_nothing_lacks_everything(s3: Any) -> None:
    found = outcomes(inspect(NAME))
    assert {found[n] for n in ("TLS only", "public access block", "versioning")} == {"missing"}


def test_what_the_store_encrypts_is_told_from_what_it_does_not(s3: Any) -> None:
    s3.put_object(Bucket=NAME, Key="a/open.txt", Body=b"in the clear", ContentType="text/plain")
    s3.put_object(Bucket=NAME, Key="a/empty", Body=b"")
    s3.put_object(Bucket=NAME, Key="a/sse.txt", Body=b"by the store", ServerSideEncryption="AES256")
    s3.put_object(Bucket=NAME, Key="other/open.txt", Body=b"elsewhere")
    name = f"s3://{NAME}/a/model.bin"
    s3.put_object(Bucket=NAME, Key="a/model.bin", Body=b"".join(sealed([b"m"], Sealer(A, name, bytes(CHANCE)))))
    found = sweep.check(store(place(f"sealed+s3://{NAME}/a")), Keyring((A,), "test"))
    assert found.states["sealed"] == 1
    plain = {"open.txt", "empty"} if found.states["in the clear"] else set()  # a newer server encrypts by default
    assert (set(found.in_the_clear), "sse.txt" in found.refused_here) == (plain, True)


def test_objects_are_put_under_a_new_key_and_keep_their_content_type(s3: Any) -> None:
    name = f"s3://{NAME}/a/model.json"
    body = b"".join(sealed([b"model"], Sealer(A, name, bytes(CHANCE))))
    s3.put_object(Bucket=NAME, Key="a/model.json", Body=body, ContentType="application/json", Metadata={"who": "x"})
    s3.put_object(Bucket=NAME, Key="a/open.txt", Body=b"in the clear")
    objects = store(place(f"sealed+s3://{NAME}/a"))
    done = sweep.rotate(objects, Keyring((B, A), "test"), plain_too=True)
    assert done.acts == {"rewrapped": 1, "sealed": 1}
    assert sweep.check(objects, Keyring((B,), "test"), whole=True).states == {"sealed": 2}
    head = s3.head_object(Bucket=NAME, Key="a/model.json")
    assert (head["ContentType"], head["Metadata"]) == ("application/json", {"who": "x"})


def test_a_bucket_that_is_not_there_is_said(s3: Any) -> None:
    with pytest.raises(Unavailable, match="refused"):
        store(place("s3://nobodys"))
    with pytest.raises(Unavailable, match="refused"):
        protect("nobodys", Wanted())


def test_a_store_reached_without_tls_is_said(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bucket.in_the_clear() is None
    for address in ("http://127.0.0.1:9000", "https://store"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        assert bucket.in_the_clear() is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store:9000")
    assert "without TLS" in str(bucket.in_the_clear())
    monkeypatch.setenv("MLFLOW_S3_IGNORE_TLS", "true")
    assert "pretend" in str(bucket.in_the_clear())
