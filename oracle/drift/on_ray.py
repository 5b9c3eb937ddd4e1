"""The sketch of a window in Parquet files, counted by the tasks of a Ray cluster.

Ray Data hands out descriptions of row groups. A task reads them itself, so no row passes through the object store, and
what comes back is one sketch of a size that does not depend on the rows. Nothing is sorted and nothing is shuffled:
sketches are joined as a tree in the order of their rows, as `oracle.drift.files` joins them in one process, to the bit.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from typing import Any

import orjson

from oracle.drift.files import Job, Piece
from oracle.drift.parquet import RowGroup
from oracle.drift.sketch import Sketch


def counting(pieces: Sequence[Piece], job: Job, spent: Callable[[float], object] = lambda _: None) -> Iterator[Sketch]:
    """Count pieces on the Ray that this process has joined, and yield their sketches in order.

    Pass it to `oracle.drift.files.of`. What all tasks need, the grid above all, is put in the object store once.

    Args:
        pieces: Row groups by neighbours.
        job: How they are counted.
        spent: Is told the CPU seconds of each task.
    """
    if not pieces:
        return
    import ray
    from ray.data import DataContext

    context = DataContext.get_current().copy()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = context.print_on_execution_start = False
    with DataContext.current(context), _quiet():
        named = [{"piece": orjson.dumps([astuple(group) for group in piece])} for piece in pieces]
        work = ray.data.from_items(named, override_num_blocks=len(named))
        counted = work.map(functools.partial(_count, job=[ray.put(job)]), num_cpus=1)
        for row in counted.iter_rows():
            spent(row["cpu_seconds"])
            yield Sketch.from_bytes(row["sketch"], job.grid, job.counter)


def _count(row: dict[str, Any], job: list[Any]) -> dict[str, Any]:
    """Return the sketch of one piece as bytes, without the grid, which the asker has."""
    piece = tuple(RowGroup(*group) for group in orjson.loads(row["piece"]))
    began = time.process_time()
    counted = _fetched(job[0]).count(piece).to_bytes(with_grid=False)
    return {"sketch": counted, "cpu_seconds": time.process_time() - began}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray Data from telling how each of its executions went: this is one of many, and it says so by raising."""
    logger = logging.getLogger("ray.data")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@functools.lru_cache(maxsize=2)
def _fetched(reference: Any) -> Job:
    """Return what the tasks of one window have in common; a worker fetches it once."""
    import ray

    job: Job = ray.get(reference)
    return job
