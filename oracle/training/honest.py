"""What a training must stand before its model is registered: canaries, leak alarm, gate."""

from __future__ import annotations

from oracle.ensemble import canaries
from oracle.ensemble.fit import Fitted
from oracle.ensemble.honesty import Honesty, accuse, measure
from oracle.ensemble.race_model import FEATURE_SET
from oracle.errors import BelowGate, BrokenPipeline, Leak
from oracle.features.matrix import RaceMatrix
from oracle.features.races import from_frame
from oracle.leakage.court import convene
from oracle.progress import Progress
from oracle.ranking.races import Floats
from oracle.settings import Settings
from oracle.training.history import History


def honesty(history: History, fitted: Fitted, settings: Settings, progress: Progress) -> Honesty:
    """Return how the score of a fitted model is to be read."""
    matrix, split = history.matrix, fitted.split
    before = split.train | split.validation
    races = from_frame(history.frame)
    # The market of the test dates is left out of the court, so that nothing of the test decides on a feature.
    past = matrix.take(before)
    by_form = None if fitted.market else fitted.form.utility(_scores(fitted, past), past)
    court = convene(races.slice(0, int(before.sum())), past, by_form)
    birds = canaries.release(
        history.frame,
        matrix.race_id[split.train],
        matrix.take(split.validation),
        settings.evaluation,
        settings.seed,
        FEATURE_SET,
        progress,
    )
    horse = races.codes("horse_id")[0]
    return measure(matrix, horse, fitted, court, birds, settings.evaluation, settings.leak, settings.seed)


def _scores(fitted: Fitted, races: RaceMatrix) -> dict[str, Floats]:
    return {name: fitted.members[name].score(races) for name in fitted.form.weights}


def refuse(found: Honesty, settings: Settings) -> None:
    """Raise where the training does not stand.

    Raises:
        BrokenPipeline: a canary did better or worse than chance.
        Leak: the model, or a feature, knew the result.
        BelowGate: the gate is set and not reached.
    """
    for bird in found.canaries.values():
        if not bird.alive:
            raise BrokenPipeline(
                f"the canary `{bird.name}` cannot know anything and does not score like chance",
                value=f"NDCG@3 {bird.ndcg_at_3:.4f}",
                allowed=f"{bird.chance:.4f} +- {bird.bound:.4f}",
                next_step="look for a result that reaches its own race, or scores that are judged on other rows",
            )
    why = accuse(found, settings.leak)
    if why is not None:
        raise Leak(
            why,
            value=None if found.score is None else f"NDCG@3 {found.score:.4f}",
            allowed="what could be known at the off (docs/metrics.md)",
            next_step="run `oracle leakscan` on the dataset and mend the columns it names",
            suspects=[s.as_dict() for s in found.scan.suspects] or _loudest(found),
        )
    least = settings.gate.min_ndcg_at_3
    if least is not None and (found.score is None or found.score < least):
        reached = "none" if found.score is None else f"{found.score:.4f}"
        raise BelowGate(
            "the model did not reach gate.min_ndcg_at_3",
            value=f"NDCG@3 {reached}",
            allowed=f"at least {least}",
            next_step="docs/metrics.md says what real races allow; unset the gate, or register a better model",
        )


def _loudest(found: Honesty) -> list[dict[str, object]]:
    """Return the features that say most beyond the market, where none alone is beyond its limit."""
    ranked = sorted(found.scan.evidence, key=lambda e: -e.gain)[:10]
    return [{"feature": e.feature, "score": 0.0, "reason": "adds most", "evidence": e.as_dict()} for e in ranked]
