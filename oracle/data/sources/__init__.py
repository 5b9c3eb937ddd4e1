"""The raw layouts that results come in, one file each. `SOURCES` names them; any other file comes through a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from oracle.data.sources.base import Batch, Source
from oracle.data.sources.hkjc import Hkjc
from oracle.data.sources.hkjc_2014 import Hkjc2014
from oracle.data.sources.hkracing import Hkracing
from oracle.data.sources.netkeiba import Netkeiba
from oracle.data.sources.racingpost import Racingpost
from oracle.data.sources.rpscrape import Rpscrape

SOURCES: Mapping[str, Source] = MappingProxyType(
    {source.name: source for source in (Hkjc(), Hkjc2014(), Netkeiba(), Racingpost(), Rpscrape(), Hkracing())}
)
"""Every built-in layout, by its word on the command line."""

__all__ = ["SOURCES", "Batch", "Source"]
