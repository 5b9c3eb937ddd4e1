"""Models that cannot know anything, judged as models are: whatever they score above chance is a fault of the judging.

Three birds. A *constant* gives every runner the same score, a *random* one draws its scores, and the *shuffled* one is
learned from a history in which the results of each race were dealt out again at random among its starters: form, labels
and report are built anew from it, by the same code. There nothing that was known at the off says anything, so a path
from a result to its own race's score is all that could be learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from oracle.features import build
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame
from oracle.models.conditional_logit import ConditionalLogit
from oracle.progress import Progress, silent
from oracle.race import KNOWN_AT, STARTED, Known
from oracle.ranking import metrics
from oracle.ranking.outcome import gains
from oracle.ranking.races import Bools, Floats, sum_by_race
from oracle.settings import EvaluationPolicy

MOST_JUDGED, MOST_LEARNED = 600, 1400
"""Races of the dealt history, so that it costs seconds; a result that reaches its own race shows in fewer."""
CHANCE = 0.001
"""Chance that any canary of a healthy pipeline falls."""


@dataclass(frozen=True, slots=True)
class Canary:
    """How a model that knows nothing scored."""

    name: str
    ndcg_at_3: float
    chance: float
    """NDCG@3 of drawing lots in the same races, exactly."""
    bound: float
    """How far from it chance may take one of so many canaries."""
    races: int

    @property
    def alive(self) -> bool:
        """Whether it scores like chance."""
        return abs(self.ndcg_at_3 - self.chance) <= self.bound

    def as_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {**asdict(self), "alive": self.alive}


def judge(name: str, score: Floats, races: RaceMatrix, policy: EvaluationPolicy, canaries: int) -> Canary:
    """Return how a score of one of so many canaries did on some races."""
    gain = gains(races.position, races.offsets, policy)
    reached = metrics.ndcg(score, gain, races.offsets, 3)
    lots = metrics.ndcg(np.zeros(len(score)), gain, races.offsets, 3)
    known = ~np.isnan(reached)
    gap = (reached - lots)[known]
    error = float(gap.std(ddof=1) / np.sqrt(len(gap))) if len(gap) > 1 else 0.0
    bound = float(norm.isf(CHANCE / 2.0 / canaries)) * error + 1e-9
    return Canary(name, float(reached[known].mean()), float(lots[known].mean()), bound, int(known.sum()))


def release(
    frame: pd.DataFrame,
    train: Iterable[str],
    validation: RaceMatrix,
    policy: EvaluationPolicy,
    seed: int,
    feature_set: str,
    progress: Progress = silent,
) -> Mapping[str, Canary]:
    """Return the three canaries.

    Args:
        frame: The canonical rows of the history.
        train: Ids of the races that members learn from, in the order of time.
        validation: The races they are judged on.
        policy: Which races count.
        seed: Of the draws and of the dealing.
        feature_set: The features to build anew.
        progress: Told of the fit.
    """
    chance = np.random.default_rng(seed)
    rows = int(validation.offsets[-1])
    learned, judged = list(train)[-MOST_LEARNED:], list(validation.race_id)[:MOST_JUDGED]
    history = dealt(frame[frame["race_id"].isin({*learned, *judged})], chance)
    matrix = build.history(from_frame(history), feature_set)
    on = np.isin(matrix.race_id.astype(str), np.asarray(judged, dtype=str))
    return {
        "constant": judge("constant", np.zeros(rows), validation, policy, 3),
        "random": judge("random", chance.standard_normal(rows), validation, policy, 3),
        "shuffled": judge("shuffled", _learned(matrix, ~on, on, seed, progress), matrix.take(on), policy, 3),
    }


def dealt(frame: pd.DataFrame, chance: np.random.Generator) -> pd.DataFrame:
    """Return the rows with all that became known after the race dealt out at random among the starters of each race."""
    results = [c for c in frame.columns if KNOWN_AT.get(str(c)) is Known.RESULT]
    started = np.flatnonzero(frame["status"].isin([str(s) for s in STARTED]).to_numpy(dtype=bool))
    race = pd.factorize(frame["race_id"])[0][started]
    to, source = started[np.lexsort((started, race))], started[np.lexsort((chance.random(len(race)), race))]
    out = frame.reset_index(drop=True)
    order = np.arange(len(out))
    order[to] = source
    return out.assign(**{str(c): out[c].take(order).to_numpy() for c in results}).astype(dict(frame.dtypes))


def _learned(races: RaceMatrix, learn: Bools, judge_on: Bools, seed: int, progress: Progress) -> Floats:
    """Return the scores, on the judged races, of a logit with a light hand: it takes whatever there is."""
    won = sum_by_race(races.position == 1, races.offsets) > 0
    ranker = ConditionalLogit()
    light = replace(ranker, policy=replace(ranker.policy, penalties=(30.0,)))
    fitted = light.fit(races.take(learn & won), None, seed, 1, progress)
    return fitted.score(races.take(judge_on))
