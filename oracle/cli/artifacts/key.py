"""`oracle artifacts key`: which keys there are, by their ids, and a new one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from oracle.cli.output import Json, emit
from oracle.settings import load


def key(
    new: Annotated[bool, typer.Option("--new", help="Make a key and put it before the others of the file.")] = False,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of the new key; by default artifacts.key_file.")
    ] = None,
    json: Json = False,
) -> None:
    """List the keys of sealed artifacts by their ids, the one that seals first; a key itself is never shown.

    A new key seals from now on, and the older ones still open: `oracle artifacts rotate` puts the files under the new
    one. Keep a copy of the file elsewhere: without a key, what it sealed is lost.
    """
    from oracle.artifacts import keyring
    from oracle.artifacts.envelope import SECRET

    settings = load()
    target = file.expanduser().absolute() if file else keyring.file_of(settings)
    if new:
        made = keyring.add(target, os.urandom(SECRET))
        emit(
            {"file": str(target), "made": made.id},
            json=json,
            text=f"key {made.id} is the first of {target}: it seals what is written from now on.\n"
            "Keep a copy of that file elsewhere: without it, sealed artifacts are lost.",
        )
        return
    ring = keyring.of(settings)
    document = {"source": ring.source, "seals": next(iter(ring), None), "opens": list(ring)}
    lines = [f"{each}  {'seals and opens' if i == 0 else 'opens'}" for i, each in enumerate(ring)]
    none = "there is no key; next: oracle artifacts key --new makes one"
    emit(document, json=json, text="\n".join(lines) or none)
