"""`oracle drift calibrate`: how many alarms a year the check would have raised on one's own past."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from oracle.cli.output import Json, bars, emit
from oracle.settings import load


def calibrate(
    history: Annotated[str, typer.Option(help="Drift tables of `oracle features` (Parquet), or a dataset.")],
    weeks: Annotated[int, typer.Option(min=1, help="Weeks of the current window.")] = 13,
    reference_weeks: Annotated[int, typer.Option(min=1, help="Weeks before it that it is compared with.")] = 52,
    step: Annotated[int, typer.Option(min=1, help="Weeks between two looks.")] = 4,
    json: Json = False,
) -> None:
    """Slide a window over the past, and count the alarms: each is a false one, unless something did change.

    Done for clusters of races and of days, against the weeks before and against the same weeks of earlier years. A
    dataset has cards and results only; drift tables of `oracle features --model-version V` have features and
    predictions too.
    """
    from oracle.drift import calibration  # here, so that `oracle --help` does not wait for numba
    from oracle.drift.history import weekly

    began, policy = time.perf_counter(), load().drift
    sliding = calibration.Sliding(weeks, reference_weeks, step)
    names: list[str] = list(dict.fromkeys((policy.cluster, "race")))
    policies = {name: policy.model_copy(update={"cluster": name}) for name in names}
    counted = weekly(history, policies, bars)
    found = {
        cluster: {
            name: list(
                calibration.looks(
                    counted[cluster], sliding, policies[cluster], seasonal=name == SEASONAL, progress=bars
                )
            )
            for name in ("before", SEASONAL)
        }
        for cluster in policies
    }
    told = calibration.document(found, sliding, policy) | {"seconds": round(time.perf_counter() - began, 3)}
    emit(told, json=json, text=lambda: calibration.text(told))


SEASONAL = "same-weeks"
