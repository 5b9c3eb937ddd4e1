"""`oracle artifacts rotate`: sealed files under the newest key."""

from __future__ import annotations

from typing import Annotated

import typer

from oracle.artifacts.place import place
from oracle.cli.artifacts.places import Stores, places
from oracle.cli.output import Json, bars, emit
from oracle.errors import Refused
from oracle.settings import load


def rotate(
    uris: Stores = None,
    moved_from: Annotated[
        str | None, typer.Option(metavar="URI", help="Where the files stood before: binds them to where they are now.")
    ] = None,
    plain_too: Annotated[bool, typer.Option("--plain-too", help="Seal what is not sealed yet.")] = False,
    json: Json = False,
) -> None:
    """Put every sealed file under the first key of the ring; after that the older keys are needed no more.

    Only the header of a file is written anew, what is encrypted stays as it is. Stopped or killed, it goes on where it
    was. Ends with 3 where a file stayed under a key that is missing, or was changed.
    """
    from oracle.artifacts import keyring
    from oracle.artifacts.sweep import rotate as turn
    from oracle.artifacts.sweep import store

    settings = load()
    keys, old = keyring.of(settings), place(moved_from) if moved_from else None
    done = [
        turn(store(each), keys, moved_from=old, plain_too=plain_too, progress=bars) for each in places(settings, uris)
    ]
    lines = []
    for each in done:
        acts = ", ".join(f"{count} {act}" for act, count in each.acts.most_common()) or "no files"
        lines.append(f"{each.place}: under key {each.key_id}: {acts}")
        lines += [f"  left as it was: {path}: {why}" for path, why in each.trouble.items()]
    emit({"stores": [each.as_dict() for each in done]}, json=json, text="\n".join(lines))
    if any(each.trouble for each in done):
        raise typer.Exit(Refused.exit_code)
