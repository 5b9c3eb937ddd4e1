"""`oracle artifacts protect`: a bucket that encrypts, speaks TLS only, is not public, and forgets nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from oracle.cli.artifacts.places import Stores, places
from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput
from oracle.settings import load


def protect(
    uris: Stores = None,
    kms_key: Annotated[
        str | None, typer.Option(metavar="ID", help="Encrypt with this key of AWS KMS; default: keys of the store.")
    ] = None,
    object_lock: Annotated[
        bool, typer.Option("--object-lock", help="Let objects be kept until a date, as anchors of the audit are.")
    ] = False,
    json: Json = False,
) -> None:
    """Set default encryption, a TLS-only policy, the block of public access and versioning on the artifacts' bucket.

    What is as wanted stays; statements of a policy that others wrote stay too. What a server does not know is said.
    Ends with 1 where something that it knows could not be set.
    """
    from oracle.artifacts.protection import Wanted
    from oracle.artifacts.protection import protect as set_

    found = places(load(), uris)
    buckets = sorted({each.bucket for each in found if each.bucket})
    if not buckets:
        raise BadInput(
            "only a bucket can be told to encrypt",
            value=", ".join(map(str, found)),
            allowed="s3://bucket/prefix",
            next_step="files in folders are encrypted by sealing: see docs/artifacts.md",
        )
    done = {name: set_(name, Wanted(kms_key, object_lock)) for name in bars(buckets, "protecting buckets")}
    document = {
        name: [{"setting": f.name, "outcome": f.outcome, "now": f.now, "before": f.before} for f in each]
        for name, each in done.items()
    }
    lines = [
        f"bucket {name}: {f.name}: {f.outcome} ({f.now}{f', before: {f.before}' if f.before else ''})"
        for name, each in done.items()
        for f in each
    ]
    emit({"buckets": document}, json=json, text="\n".join(lines))
    if any(f.outcome == "not allowed" for each in done.values() for f in each):
        raise typer.Exit(1)
