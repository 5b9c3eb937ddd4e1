"""What every raw layout promises: whole races in the canonical columns, with a reason where a row made no sense.

A source translates and never judges. It knows the codes, units and spellings of one layout; whether a translated race
is possible (weights, odds, two winners, duplicates) is decided later, for all layouts alike, by `oracle.data.check`.
A file that is not in the layout at all raises; a value that cannot be understood only gives its row a reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import pandas as pd
import pyarrow as pa

from oracle.progress import Progress, silent
from oracle.race import COLUMNS

BATCH_ROWS = 200_000
"""Rows after which a batch is closed: memory stays bounded however large the files are."""


def _dtype(kind: pa.DataType, name: str) -> str:
    if name == "date":
        return "datetime64[s]"
    if pa.types.is_timestamp(kind):
        return "datetime64[s, UTC]"
    return {pa.string(): "str", pa.int16(): "Int16", pa.int32(): "Int32", pa.float64(): "float64", pa.bool_(): "bool"}[
        kind
    ]


DTYPES: Mapping[str, str] = MappingProxyType({c.name: _dtype(c.type, c.name) for c in COLUMNS})
"""Pandas dtype of each canonical column. `date` is midnight without a time zone; missing is NaN, NaT or <NA>."""


@dataclass(frozen=True)
class Batch:
    """Rows of whole races, translated into the canonical columns. All five parts share the index 0..n-1.

    Attributes:
        rows: Every column of `oracle.race.COLUMNS`, in that order, with the dtypes of `DTYPES`.
        raw: The same rows as text in the layout's own columns, for the quarantine file.
        file: Name of the file each row came from.
        line: 1-based place in that file: the record of a CSV (the header is record 1), the row of a Parquet file.
        reason: Why a row could not be translated, such as `unknown_position: 'XX'`; None where it could.
    """

    rows: pd.DataFrame
    raw: pd.DataFrame
    file: pd.Series
    line: pd.Series
    reason: pd.Series


class Source(Protocol):
    """One raw layout."""

    @property
    def name(self) -> str:
        """The word for it on the command line and in the `source` column."""
        ...

    def read(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Batch]:
        """Yield the rows of all files of this layout under `paths`, about `BATCH_ROWS` at a time.

        Args:
            paths: Files, or folders that are searched recursively for files of the layout.
            progress: Shows how far the files are.

        Raises:
            UnreadableFile: a path is missing, a folder holds no file of the layout, or a file is not in the layout;
                names the file, what was found and what was expected.
        """
        ...
