"""One look at a model at work: its live window against its own reference, judged and written into the store."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from oracle.drift import files, sketch
from oracle.drift.columns import layout
from oracle.drift.counting import race_starts
from oracle.drift.files import Counting
from oracle.drift.racing import RaceSums
from oracle.drift.sketch import Sketch
from oracle.drift.verdict import compare
from oracle.drift.words import Verdict, unmeasured
from oracle.ensemble.race_model import RaceModel
from oracle.features.matrix import RaceMatrix
from oracle.progress import Progress, silent
from oracle.settings import DriftPolicy
from oracle.store import Check, Store
from oracle.watching import live, reference
from oracle.watching.folder import ROW_GROUP
from oracle.watching.live import Live
from oracle.watching.reference import Reference

PARTS = ("data", "prediction", "concept", "outcome")
OWN = "own test"
"""What a check is compared with: the model's own reference."""
LARGE = files.PIECE
"""Rows up to which a window is counted where it is: it is in memory already."""
NO_REFERENCE = "no reference: the model was saved without one; train again, or give it one from its dataset"


@dataclass(frozen=True)
class Watched:
    """A version that is watched, with what it was used to. Load it once and check it often."""

    model: RaceModel
    version: str
    """Its number in the registry."""
    references: Mapping[str, Reference]
    """By the pool that answers; none of a package that was saved without."""

    @classmethod
    def load(cls, folder: Path, version: str) -> Watched:
        """Return the version in a package.

        Raises:
            UntrustedPackage: the package is not what was saved.
        """
        return cls(RaceModel.load(folder), version, reference.of(folder))

    def measured_on(self, frame: pd.DataFrame, matrix: RaceMatrix, policy: DriftPolicy) -> Watched:
        """Return a version that was saved without a reference, with that of the dataset it was trained on.

        Args:
            frame: The runner table of the dataset.
            matrix: Its features, each race as of its off.
            policy: Which races depend on each other.

        Raises:
            NotEnoughData: the dataset does not hold the model's test.
        """
        return replace(self, references=reference.later(frame, matrix, self.model, policy))


def check(
    store: Store,
    watched: Watched,
    policy: DriftPolicy,
    now: dt.datetime,
    *,
    since: dt.datetime | None = None,
    races: int | None = None,
    kind: str = "manual",
    counting: Counting = files.here,
    progress: Progress = silent,
) -> Check:
    """Compare what a version is asked and answers now with what it was used to, and write the finding into the store.

    The pool that answered most races of the window is the one that is looked at: form without odds, else market. What
    could not be measured is said as such, with its reason, and is kept too.

    Args:
        store: Where predictions and results are, and the checks.
        watched: The version.
        policy: When something has drifted.
        now: The moment of the check; nothing later is looked at.
        since: Begin of the window; see `oracle.watching.live.window`.
        races: So many races at most, the latest.
        kind: Who looks: `monitor` or `manual`.
        counting: How a large window is counted: `oracle.drift.on_ray.counting` where Ray has been joined. The numbers
            are the same.
        progress: Told of the walk.

    Raises:
        Unavailable: the store did not answer.
    """
    began, cpu = time.perf_counter(), time.process_time()
    seen = live.window(store, watched.model, watched.version, now, since=since, races=races, progress=progress)
    pool, rows = _answered(seen.table)
    against = watched.references.get(pool) if pool else None
    document = _blind(pool, seen) if against is None else _compared(rows, against, policy, counting)
    document |= {
        "at": now.isoformat(),
        "model_version": watched.version,
        "pool": pool,
        "pools": dict(Counter(_pools(seen.table))),
        "live": seen.as_dict(),
        "serving_skew": seen.skew.as_dict(),
        "seconds": round(time.perf_counter() - began, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
    }
    done = Check(
        check_id=_named(watched, pool, against, seen, policy),
        at=now,
        kind=kind,
        model_version=watched.version,
        reference="none" if against is None else OWN,
        window_from=seen.first,
        window_to=seen.last,
        races=seen.races,
        verdict=document["verdict"],
        document=orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY, default=str).decode(),
    )
    store.checks.add(done)
    return store.checks.get(done.check_id) or done


def _pools(table: pa.Table) -> list[str]:
    """Return which pool answered each race."""
    if not table.num_rows:
        return []
    first = race_starts(table["race_id"])[:-1]
    return [str(pool) for pool in table["ensemble"].take(pa.array(first)).to_pylist()]


def _answered(table: pa.Table) -> tuple[str, pa.Table]:
    """Return the pool that answered most races, and its rows."""
    counted = Counter(_pools(table)).most_common(1)
    if not counted:
        return "", table
    pool = counted[0][0]
    return pool, table.filter(pa.compute.equal(table["ensemble"], pool))


def _compared(rows: pa.Table, against: Reference, policy: DriftPolicy, counting: Counting) -> dict[str, Any]:
    return compare(against.sketch, _counted(rows, against, counting), policy).as_dict()


def _counted(rows: pa.Table, against: Reference, counting: Counting) -> Sketch:
    """Return the sketch of a window on the grid of its reference; a large one goes through files, for a cluster."""
    told = layout(rows.schema, cluster=against.grid.layout.cluster)
    if rows.num_rows <= LARGE or counting is files.here:
        return sketch.of(rows, told, against.grid, RaceSums)
    with tempfile.TemporaryDirectory(prefix="oracle-window-") as scratch:
        path = Path(scratch) / "window.parquet"
        pq.write_table(rows, path, row_group_size=ROW_GROUP)
        return files.of([str(path)], against.grid, told, RaceSums, counting=counting)


def _blind(pool: str, seen: Live) -> dict[str, Any]:
    """Return the document of a check that could not look."""
    why = NO_REFERENCE if seen.races else "the version answered no race in this window"
    part = unmeasured(why if pool in ("", *reference.POOLS) else f"unknown pool {pool}").as_dict()
    return {
        "verdict": str(Verdict.UNMEASURED),
        "alarm": False,
        "cause": part["cause"],
        "drifted": [],
        "unmeasured": list(PARTS),
        "causes": [],
        "features": {},
        "rows": seen.table.num_rows,
        **dict.fromkeys(PARTS, part),
    }


def _named(watched: Watched, pool: str, against: Reference | None, seen: Live, policy: DriftPolicy) -> str:
    """Return the id of a check: the same window, known as well, against the same reference has the same."""
    said = [
        *(watched.version, pool, None if against is None else against.grid.digest, policy.model_dump_json()),
        *(seen.first, seen.last, seen.races, seen.with_result, seen.through),
    ]
    return "check-" + hashlib.blake2b(orjson.dumps(said), digest_size=8).hexdigest()
