"""What was served, race by race, beside the model frozen at the start and the market: on the same races, same form.

The frozen model reads the features that were served (the walk of a training over the same results, which the leak check
proves equal), so the two differ by what retraining made of the parameters and by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from oracle.ensemble.race_model import RaceModel
from oracle.features.matrix import RaceMatrix
from oracle.ranking import metrics
from oracle.ranking.outcome import gains, winners
from oracle.ranking.races import Bools, Floats
from oracle.ranking.report import Difference, NoResult, paired_difference
from oracle.settings import EvaluationPolicy
from oracle.store import Prediction

RANKS = 3


@dataclass(frozen=True, eq=False)
class Line:
    """One way to answer, race by race; NaN where it has no answer, or the race does not count."""

    ndcg: Floats
    loss: Floats


@dataclass(frozen=True, eq=False)
class Outcome:
    """What each way came to on the races of a replay."""

    matrix: RaceMatrix
    served: Line
    frozen: Line
    market: Line
    version: np.ndarray[Any, np.dtype[Any]]
    """object[R]: the version that answered for the control; "" where nobody did."""

    @property
    def chance(self) -> Floats:
        """Log-loss of knowing the field size alone, float64[R]."""
        return np.log(self.matrix.sizes.astype(np.float64))

    @property
    def both(self) -> Bools:
        """bool[R]: races that both the served system and the frozen model answered, and that count."""
        return ~np.isnan(self.served.ndcg) & ~np.isnan(self.frozen.ndcg)


def outcome(
    cards: RaceMatrix, ran: RaceMatrix, answers: Iterable[Prediction], frozen: RaceModel, policy: EvaluationPolicy
) -> Outcome:
    """Return what was served beside the alternatives.

    A race that several users asked for counts once, with the mean over the answers they got: some were a challenger's.

    Args:
        cards: The races of the replay with the features that their cards had.
        ran: The same races in the same order with the odds they were off at.
        answers: The predictions of the store.
        frozen: The model of the start.
        policy: Which races count.
    """
    served, version = _served(ran, answers, policy)
    score, win, _ = frozen.priced(cards)
    return Outcome(ran, served, _line(score, win, ran, policy), _line(ran.market, ran.market, ran, policy), version)


def _line(score: Floats, win: Floats, races: RaceMatrix, policy: EvaluationPolicy) -> Line:
    gain, won = gains(races.position, races.offsets, policy), winners(races.position, races.offsets, policy)
    return Line(metrics.ndcg(score, gain, races.offsets, RANKS), metrics.log_loss(win, won, races.offsets))


def _served(matrix: RaceMatrix, answers: Iterable[Prediction], policy: EvaluationPolicy) -> tuple[Line, Any]:
    number = {race_id: at for at, race_id in enumerate(matrix.race_id)}
    ndcg, loss, count = (np.zeros(len(matrix)) for _ in range(3))
    version = np.full(len(matrix), "", dtype=object)
    layers: list[tuple[Floats, Floats]] = []
    filled: list[Bools] = []
    for answer in answers:
        at = number.get(answer.race_key)
        runners = [r for r in orjson.loads(answer.answer)["runners"] if not r["withdrawn"]]
        if at is None or len(runners) != matrix.sizes[at]:
            continue
        layer = int(count[at])
        if layer == len(layers):
            layers.append((np.full(len(matrix.position), np.nan), np.full(len(matrix.position), np.nan)))
            filled.append(np.zeros(len(matrix), dtype=np.bool_))
        rows = slice(matrix.offsets[at], matrix.offsets[at + 1])
        layers[layer][0][rows] = [r["score"] for r in runners]
        layers[layer][1][rows] = [r["win"] for r in runners]
        filled[layer][at] = True
        count[at] += 1
        if answer.arm == "control" or not version[at]:
            version[at] = answer.model_version
    for (score, win), there in zip(layers, filled, strict=True):
        line = _line(score, win, matrix, policy)
        ndcg[there] += line.ndcg[there]
        loss[there] += line.loss[there]
    with np.errstate(invalid="ignore", divide="ignore"):
        return Line(ndcg / count, loss / count), version


def compared(found: Outcome, policy: EvaluationPolicy, seed: int) -> dict[str, Any]:
    """Return the maintained system less the frozen model, with intervals by meeting: positive is better for both."""
    where = found.both
    meeting = found.matrix.meeting[where]
    return {
        "ndcg_at_3": _difference(found.served.ndcg[where], found.frozen.ndcg[where], meeting, seed, policy),
        "log_loss_saved": _difference(found.frozen.loss[where], found.served.loss[where], meeting, seed, policy),
    }


def _difference(a: Floats, b: Floats, meeting: Any, seed: int, policy: EvaluationPolicy) -> dict[str, Any]:
    told = paired_difference(a, b, meeting, seed, policy)
    return told.as_dict() if isinstance(told, Difference) else {"mean": None, "reason": _why(told)}


def _why(told: NoResult) -> str:
    return told.reason


def periods(found: Outcome) -> list[dict[str, Any]]:
    """Return the numbers of each quarter, in order, and those of all races last."""
    dates = found.matrix.dates
    years, months = dates.astype("datetime64[Y]").astype(int) + 1970, dates.astype("datetime64[M]").astype(int) % 12
    quarter = np.array([f"{y}-Q{m // 3 + 1}" for y, m in zip(years, months, strict=True)], dtype=object)
    rows = [_numbers(found, str(name), quarter == name) for name in sorted(set(quarter))]
    return [*rows, _numbers(found, "all", np.ones(len(dates), dtype=np.bool_))]


def _numbers(found: Outcome, name: str, where: Bools) -> dict[str, Any]:
    told: dict[str, Any] = {"period": name}
    counts = where & found.both
    told["races"] = int(counts.sum())
    for who, line in (("maintained", found.served), ("frozen", found.frozen), ("market", found.market)):
        those = counts & ~np.isnan(line.ndcg) & ~np.isnan(line.loss)
        told[who] = None
        if those.any():
            loss = float(line.loss[those].mean())
            told[who] = {
                "ndcg_at_3": float(line.ndcg[those].mean()),
                "log_loss": loss,
                "pseudo_r2": 1.0 - loss / float(found.chance[those].mean()),
            }
    return told
