"""The Ray that a sweep or a count of drift runs on: one of its own that ends with it, or the one at an address given.

Nothing is joined by accident. The environment has to be settled before Ray is imported, so `environment` imports
nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from oracle.errors import Unavailable

STORE_MB = 512
"""Smallest object store of a Ray of our own; the races lie in it once, whatever the number of trials."""


def environment(address: str | None, known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment under which Ray is to be imported.

    Args:
        address: The Ray to join; None for one of our own, which gets a token that only its processes know.
        known: The environment as it is, by default that of the process: at an address it says how to authenticate.
    """
    known = os.environ if known is None else known
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    joined = {"RAY_AUTH_MODE": known.get("RAY_AUTH_MODE", "disabled")}
    return {
        "RAY_USAGE_STATS_ENABLED": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",  # a trial has one processor: more threads would take those of its neighbours
        "OPENBLAS_NUM_THREADS": "1",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger and MLflow keep what a trial reports
        "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the sweep as it ends every command
        "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # a sweep resumes from its ledger, not from Tune's snapshots
        "RAY_AIR_NEW_OUTPUT": "0",
        **(joined if address else own),
    }


@contextmanager
def running(address: str | None, cpus: int, megabytes: float) -> Iterator[None]:
    """Hold a Ray while the block runs, and end only what was started.

    Args:
        address: The Ray to join; None to start one on the loopback interface, on free ports, without a dashboard.
        cpus: Processors of one of our own.
        megabytes: What is going to lie in its object store.

    Raises:
        Unavailable: there is no Ray at that address, or ours does not start.
    """
    import ray

    asked_to_end = signal.getsignal(signal.SIGTERM)
    own: dict[str, Any] = {}
    if address is None:
        store = int(max(STORE_MB, 3 * megabytes) * 1e6)
        own = {"num_cpus": cpus, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        own |= {"object_store_memory": store}
    try:
        ray.init(address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **own)
    except Exception as error:  # Ray says by a bare one that a busy machine let it wait too long
        next_step = "check --address, or leave it out to start a Ray of our own" if address else "see the lines above"
        raise Unavailable(f"Ray did not start: {error}", value=address, next_step=next_step) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, asked_to_end)  # Ray sets one of its own, which ends the process without unwinding
    try:
        yield
    finally:
        ray.shutdown()
