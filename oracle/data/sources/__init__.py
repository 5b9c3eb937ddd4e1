"""The raw layouts that results come in, one file each. `SOURCES` names them; any other file comes through a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oracle.data.sources.base import Batch, Source
from oracle.data.sources.hkjc import Hkjc

SOURCES: Mapping[str, Source] = MappingProxyType({source.name: source for source in (Hkjc(),)})
"""Every built-in layout, by its word on the command line."""

__all__ = ["SOURCES", "Batch", "Source"]
