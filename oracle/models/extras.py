"""What families of optional libraries share: the library, asked for only when it is needed, and a sealed forest.

Such a library is written in C++ and reads its own format. A forest is therefore kept with its SHA-256, and bytes that
are not those that were dumped never reach the library.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from typing import Any

from oracle.errors import MissingExtra, UntrustedPackage
from oracle.models.ranker import Files

FACTS, FOREST = "facts.json", "forest.bin"


def library(name: str) -> Any:
    """Return an optional library.

    Raises:
        MissingExtra: it is not installed; the extra that brings it has its name.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(
            f"the {name} family needs a library that is not installed: {error}",
            value=name,
            next_step=f"pip install equine-oracle[{name}]",
        ) from error


def sealed(forest: bytes, facts: Mapping[str, Any]) -> Files:
    """Return the files of a fitted forest: its bytes, and its facts with the seal."""
    seal = hashlib.sha256(forest).hexdigest()
    return {FOREST: forest, FACTS: json.dumps({**facts, "sha256": seal}).encode()}


def unsealed(family: str, files: Files) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes and facts that `sealed` took.

    Raises:
        UntrustedPackage: a file is missing or malformed, or the bytes are not those that were sealed.
    """
    try:
        forest, facts = files[FOREST], json.loads(files[FACTS])
        broken = facts.pop("sha256") != hashlib.sha256(forest).hexdigest()
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UntrustedPackage(f"the {family} forest cannot be restored: {error!r}") from error
    if broken:
        raise UntrustedPackage(f"the {family} forest is not what was saved", value=FOREST, next_step="train again")
    return forest, facts
