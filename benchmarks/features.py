"""CPU time and memory of the as-of matrix of a simulated history, beside pandas on the features it can express simply.

    python benchmarks/features.py [RACES]

Prints one JSON document. The peer computes eight of our features with grouped running sums, the fastest way pandas
has; `ratio` is its CPU time per feature over ours (above 1: ours is cheaper). `agree` says that both find the same mean
finish for every horse with earlier runs. The peer's sums neither fade nor shrink, it cannot leave a result out until it
is known (so its jockeys know too much within a day), and it has nothing that answers a single card.
"""

from __future__ import annotations

import json
import resource
import sys
from itertools import pairwise
from time import process_time

import numpy as np
import numpy.typing as npt
import pandas as pd

from oracle.data.cards import cards_of
from oracle.data.simulate import simulate
from oracle.features import build, registry
from oracle.features.races import from_cards, from_frame
from oracle.features.state import State
from oracle.race import STARTED

SEED = 7
WHAT = ["won", "placed", "finish", "odds"]


def main(races: int = 5_000) -> int:
    """Measure the matrix, a card and the peer; 0 if both find the same mean finish of horses."""
    table = pd.concat([block.runners for block in simulate(races, seed=SEED)], ignore_index=True)
    build.history(from_frame(table.head(2_000)), "market")  # the first call compiles
    before, begin = _peak_mb(), process_time()
    history, state = from_frame(table), State()
    matrix = build.history(history, "market", state)
    seconds = process_time() - begin
    grown = _peak_mb() - before
    begin = process_time()
    theirs = _expanding_means(table)
    their_seconds = process_time() - begin
    ours = matrix.values[:, matrix.names.index("finish")]
    agree = bool(np.nanmax(np.abs(ours - theirs["horse_id.finish"])) < 1e-5)
    features = len(registry.features("market"))
    report = {
        "races": len(matrix),
        "runners": history.runners,
        "features": features,
        "cpu_seconds": round(seconds, 3),
        "runners_per_cpu_second": round(history.runners / seconds),
        "peak_mb": round(_peak_mb()),
        "peak_mb_grown_by_the_matrix": round(grown),
        "card_cpu_ms": round(_card_ms(table, state), 2),
        "pandas_features": len(theirs),
        "pandas_cpu_seconds": round(their_seconds, 3),
        "ratio": round((their_seconds / len(theirs)) / (seconds / features), 1),
        "agree": agree,
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 0 if agree else 1


def _expanding_means(table: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """Return float64[starters] per feature, in the order of our matrix: the mean over all earlier runs."""
    runs = table[table["status"].isin([str(s) for s in STARTED])].sort_values(["off", "race_id"], kind="stable")
    position = runs["position"].astype("float64")
    rivals = (runs.groupby("race_id")["horse_id"].transform("size") - 1.0).clip(lower=1.0)
    runs = runs.assign(
        won=(position == 1).astype(float),
        placed=(position <= 3).astype(float),
        finish=(1.0 - (position - 1.0) / rivals).fillna(0.0),
    )
    out: dict[str, npt.NDArray[np.float64]] = {}
    for who in ("horse_id", "jockey_id"):
        group = runs.groupby(who, sort=False)
        totals = group[WHAT].cumsum() - runs[WHAT]
        count = group.cumcount()
        means = totals.div(count.where(count > 0), axis=0)
        out |= {f"{who}.{what}": means[what].to_numpy() for what in WHAT}
    return out


def _card_ms(table: pd.DataFrame, state: State) -> float:
    """Return mean CPU milliseconds from a card to its features."""
    cards = list(cards_of(table.tail(2_000)))[-100:]
    times = [process_time()]
    for card in cards:
        build.card(from_cards([card], state.alias), "market", state)
        times.append(process_time())
    return float(np.median([b - a for a, b in pairwise(times)])) * 1e3


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
