"""`oracle artifacts check`: what is not encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.artifacts.places import Stores, places
from oracle.cli.output import Json, bars, emit
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.artifacts.protection import Found
    from oracle.artifacts.sweep import Checked

ALARM = 10
SHOWN = 20
"""Files of a kind that the text names; the document names all."""


def check(
    uris: Stores = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Open every sealed file to its end, and not only its header.")
    ] = False,
    json: Json = False,
) -> None:
    """List every artifact that is not encrypted, what the buckets were not told, and keys that are missing.

    Exit code 10 where a file is neither sealed nor encrypted by the store, or does not open under a key that is there.
    """
    from oracle.artifacts import bucket, keyring, protection
    from oracle.artifacts.sweep import check as look
    from oracle.artifacts.sweep import store

    settings = load()
    keys, found = keyring.of(settings), places(settings, uris)
    checked = [look(store(each), keys, whole=whole, progress=bars) for each in found]
    buckets = {name: protection.inspect(name) for name in sorted({p.bucket for p in found if p.bucket})}
    way = bucket.in_the_clear() if buckets else None
    alarm = any(each.alarm for each in checked)
    document = {
        "alarm": alarm,
        "stores": [each.as_dict() for each in checked],
        "buckets": {name: [_as_dict(f) for f in settings_] for name, settings_ in buckets.items()},
        "on_the_way": way,
        "keys": list(keys),
    }
    emit(document, json=json, text=lambda: "\n".join(_told(checked, buckets, way)))
    if alarm:
        raise typer.Exit(ALARM)


def _as_dict(found: Found) -> dict[str, Any]:
    return {"setting": found.name, "outcome": found.outcome, "now": found.now}


def _told(checked: list[Checked], buckets: dict[str, list[Found]], way: str | None) -> list[str]:
    lines = []
    for each in checked:
        states = ", ".join(f"{count} {state}" for state, count in each.states.most_common()) or "no files"
        lines.append(f"{each.place}: {states}")
        lines += _some("in the clear", each.in_the_clear)
        lines += _some("does not open", [f"{path}: {why}" for path, why in each.unopened.items()])
        lines += _some("not sealed, and will not be read here", each.refused_here)
        lines += [f"  key {key}: {count} files" for key, count in each.keys.most_common()]
    for name, settings_ in buckets.items():
        lines += [f"bucket {name}: {f.name}: {f.outcome} ({f.now})" for f in settings_]
    if any(f.outcome == "missing" for settings_ in buckets.values() for f in settings_):
        lines.append("next: oracle artifacts protect sets what is missing")
    if way:
        lines.append(f"on the way: {way}")
    if any(each.in_the_clear for each in checked):
        lines.append("next: docs/artifacts.md says how to seal what is there: oracle artifacts rotate --plain-too")
    return lines


def _some(what: str, files: list[str]) -> list[str]:
    more = [f"  and {len(files) - SHOWN} more {what}; --json names all"] if len(files) > SHOWN else []
    return [f"  {what}: {file}" for file in files[:SHOWN]] + more
