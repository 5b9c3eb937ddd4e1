"""Going through a whole store: which files are not encrypted, and a new key for those that are sealed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

from oracle.artifacts import files
from oracle.artifacts.bucket import BucketStore
from oracle.artifacts.envelope import HEADER, NONCE, Header, Opener, opened, rewrapped, sealed
from oracle.artifacts.keyring import Keyring
from oracle.artifacts.place import SEALED, Place, bound_name
from oracle.artifacts.stores import FolderStore, Look, Store
from oracle.errors import Refused, Unopened
from oracle.progress import Progress, silent

LOOKS = 8
"""Files looked at together: a bucket answers one question in the time of many."""
State = Literal["sealed", "by the store", "in the clear", "key missing", "broken"]
Act = Literal["kept", "rewrapped", "sealed", "in the clear", "key missing", "broken"]


def store(place: Place) -> Store:
    """Return the files at a place.

    Raises:
        BadInput: there is no such folder.
        Unavailable: the bucket does not answer.
    """
    return FolderStore(place) if place.bucket is None else BucketStore(place)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a store holds."""

    place: Place
    states: Counter[State] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)
    """How many files each key seals."""
    in_the_clear: list[str] = field(default_factory=list)
    unopened: dict[str, str] = field(default_factory=dict)
    """Files that are sealed and do not open, with the reason."""
    refused_here: list[str] = field(default_factory=list)
    """Files that the store encrypts and that are not sealed in a place where all must be: they will not be read."""

    @property
    def alarm(self) -> bool:
        """Whether there is a file that anybody reads who has the disk or the bucket, or one that nobody reads."""
        return bool(self.in_the_clear or self.states["broken"])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "place": str(self.place),
            "files": self.states.total(),
            **{state.replace(" ", "_"): self.states[state] for state in ("sealed", "by the store", "key missing")},
            "keys": dict(self.keys),
            "in_the_clear": self.in_the_clear,
            "unopened": self.unopened,
            "not_sealed_where_all_must_be": self.refused_here,
        }


def check(store: Store, keys: Keyring, *, whole: bool = False, progress: Progress = silent) -> Checked:
    """Look at every file of a store.

    Args:
        store: The files.
        keys: The keys there are. A sealed file's header is proven with them.
        whole: Read and open every sealed file to its end, and not only its header.
        progress: Told as it goes on.
    """
    found = Checked(store.place)
    for look in _looks(store, progress, "looking at artifacts"):
        header = Header.read(look.start)
        state: State = "sealed" if header else "by the store" if look.encryption else "in the clear"
        if header:
            found.keys[header.key_id] += 1
            why = _trouble(store, look, header, keys, whole=whole)
            if why:
                found.unopened[look.path] = why
                state = "broken" if header.key_id in keys else "key missing"
        elif store.place.sealed and look.encryption:
            found.refused_here.append(look.path)
        if state == "in the clear":
            found.in_the_clear.append(look.path)
        found.states[state] += 1
    return found


def _trouble(store: Store, look: Look, header: Header, keys: Keyring, *, whole: bool) -> str | None:
    """Return why a sealed file does not open; None where it does, as far as it was read."""
    name = bound_name(store.place.root, look.path)
    try:
        if not whole:
            header.unwrap(keys, name)
        else:
            with closing(store.reading(look.path)) as stream:
                for _ in opened(files.sealed_pieces(stream), Opener(keys, name)):
                    pass
    except Unopened as error:
        return error.what
    return None


def _looks(store: Store, progress: Progress, what: str) -> Iterator[Look]:
    """Return a look at every file, in order."""
    paths = list(store.paths())
    return (look for look in progress(_looked(store, paths), what, len(paths)) if look is not None)


def _looked(store: Store, paths: list[str]) -> Iterator[Look | None]:
    """Return a look at each file, a few asked for together and not many ahead: whoever stops does not wait for all."""
    with ThreadPoolExecutor(LOOKS) as pool:
        for first in range(0, len(paths), 4 * LOOKS):
            yield from pool.map(store.look, paths[first : first + 4 * LOOKS])


@dataclass(frozen=True, slots=True)
class Rotated:
    """What was done to the files of a store."""

    place: Place
    key_id: str
    acts: Counter[Act] = field(default_factory=Counter)
    trouble: dict[str, str] = field(default_factory=dict)
    """Files that stayed as they were though they should not have, with the reason."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        told = {act.replace(" ", "_"): self.acts[act] for act in ("kept", "rewrapped", "sealed", "in the clear")}
        return {"place": str(self.place), "key": self.key_id, **told, "trouble": self.trouble}


def rotate(
    store: Store,
    keys: Keyring,
    *,
    moved_from: Place | None = None,
    plain_too: bool = False,
    progress: Progress = silent,
) -> Rotated:
    """Put every sealed file under the key that seals, one after the other; what is encrypted stays as it is.

    A file is exchanged whole: whoever is killed loses nothing, and the next one goes on, for what is done is seen to
    be done.

    Args:
        store: The files.
        keys: The first one seals from now on.
        moved_from: Where the files stood when they were sealed, if that was elsewhere: they are bound to the new place.
        plain_too: Seal what is not sealed.
        progress: Told as it goes on.

    Raises:
        Refused: there is no key, or files are to be sealed that are read without one.
    """
    key = keys.sealing
    if plain_too and not store.place.sealed:
        raise Refused(
            "whoever reads these files does not open them: sealed, they would be lost to them",
            value=str(store.place),
            allowed=f"{SEALED}{store.place}, once that is the address that MLflow is told",
            next_step="see docs/artifacts.md: how to move to sealed artifacts",
        )
    done = Rotated(store.place, key.id)
    with store.alone(), ThreadPoolExecutor(store.together) as pool:
        for looks in _batches(_looks(store, progress, "putting artifacts under the new key"), 4 * store.together):
            for look, (act, why) in zip(
                looks,
                pool.map(lambda each: _tried(store, each, keys, moved_from, plain_too=plain_too), looks),
                strict=True,
            ):
                done.acts[act] += 1
                if why:
                    done.trouble[look.path] = why
    return done


def _batches(looks: Iterator[Look], size: int) -> Iterator[list[Look]]:
    while batch := list(islice(looks, size)):
        yield batch


def _tried(
    store: Store, look: Look, keys: Keyring, moved_from: Place | None, *, plain_too: bool
) -> tuple[Act, str | None]:
    """Put one file under the new key; return what was done, or why nothing could be."""
    try:
        return _one(store, look, keys, moved_from, plain_too=plain_too), None
    except Unopened as error:
        header = Header.read(look.start)
        return "broken" if header is None or header.key_id in keys else "key missing", error.what


def _one(store: Store, look: Look, keys: Keyring, moved_from: Place | None, *, plain_too: bool) -> Act:
    header, name = Header.read(look.start), bound_name(store.place.root, look.path)
    if header is None:
        if not plain_too:
            return "in the clear"
        with closing(store.reading(look.path)) as stream:
            store.replace(look.path, sealed(files.pieces(stream), files.sealer(keys.sealing, name)))
        return "sealed"
    sealed_as = _name_of(header, keys, name, None if moved_from is None else bound_name(moved_from.root, look.path))
    if header.key_id == keys.sealing.id and sealed_as == name:
        return "kept"
    new = rewrapped(look.start, keys, keys.sealing, (sealed_as, name), os.urandom(NONCE))
    with closing(store.reading(look.path)) as stream:
        store.replace(look.path, _with_header(new, look.start, stream.read(HEADER), files.pieces(stream)))
    return "rewrapped"


def _with_header(new: bytes, seen: bytes, old: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    """Return the file with the new header, if it still is the one that was looked at."""
    if seen != old:
        raise Unopened("the file was written anew while its key was exchanged", next_step="run the command again")
    yield new
    yield from rest


def _name_of(header: Header, keys: Keyring, name: str, old_name: str | None) -> str:
    """Return the name that a file is sealed under, of the two that it may be."""
    try:
        header.unwrap(keys, name)
    except Unopened:
        if old_name is None or header.key_id not in keys:
            raise
        header.unwrap(keys, old_name)
        return old_name
    return name
