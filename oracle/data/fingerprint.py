"""Hashes of what rows say, whatever files, row groups or column orders they stand in.

Two rows are equal when every canonical column is; a dataset is equal to another when it holds the same races with the
same runners. Both questions are answered by 64-bit hashes that this module defines bit by bit, so that a fingerprint
recorded with a model years ago still means the same under another version of any library.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

Hashes = npt.NDArray[np.uint64]

_MISSING = np.uint64(0x9E3779B97F4A7C15)


def text_hash(text: str) -> int:
    """Return the 64-bit hash of one text.

    >>> text_hash("Sha Tin") == text_hash("Sha Tin") != text_hash("sha tin")
    True
    """
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _mix(values: Hashes) -> Hashes:
    """Spread every bit over all others (the finaliser of splitmix64), so that sums of hashes do not cancel out."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(values ^ (values >> np.uint64(31)), dtype=np.uint64)


def text_hashes(values: pd.Series) -> Hashes:
    """Return the hash of each text; missing texts share one value."""
    codes, uniques = pd.factorize(values)
    table = np.array([text_hash(str(u)) for u in uniques] + [_MISSING], dtype=np.uint64)
    return np.asarray(table[codes])


def _column_hashes(values: pd.Series) -> Hashes:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        plain = values.dt.tz_localize(None) if isinstance(values.dtype, pd.DatetimeTZDtype) else values
        stamps = plain.to_numpy().astype("datetime64[s]")
        return np.where(np.isnat(stamps), _MISSING, stamps.astype(np.int64).view(np.uint64))
    if pd.api.types.is_numeric_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan) + 0.0  # so that -0.0 and 0.0 are one number
        return np.where(np.isnan(numbers), _MISSING, numbers.view(np.uint64))
    return text_hashes(values)


def row_hashes(rows: pd.DataFrame, columns: Sequence[str]) -> Hashes:
    """Return one hash per row over the named columns; their order does not matter, their names do."""
    total = np.zeros(len(rows), dtype=np.uint64)
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is the point
        for name in columns:
            total += _mix(_column_hashes(rows[name]) + np.uint64(text_hash(name)))
        return _mix(total)


def race_hashes(codes: npt.NDArray[np.intp], rows: Hashes, races: int) -> Hashes:
    """Return one hash per race: of its set of rows, in whatever order they stand.

    Args:
        codes: Which race each row belongs to, 0..races-1.
        rows: Hash of each row.
        races: Number of races.
    """
    total = np.zeros(races, dtype=np.uint64)
    np.add.at(total, codes, rows)
    return _mix(total)


def digest(*parts: bytes) -> str:
    """Return the SHA-256 of the parts as 64 hexadecimal digits; their boundaries count."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()
