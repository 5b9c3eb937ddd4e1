"""What to try next: Optuna's TPE over the conditional space, as a pure function of what has been told so far.

The study is built anew from the record of trials for each proposal. That costs milliseconds, and it means that a sweep
that was killed and resumed proposes what it would have proposed: there is no state of a searcher to lose.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oracle.tuning.space import SEPARATOR, Choice, Plain, Range, Real, Space

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution

Point = Mapping[str, Plain]

RANDOM_FIRST = 10
"""Trials drawn at random before TPE has anything to learn from."""


ROUNDS = 3
"""Trials that every space gets, what is shipped included, before TPE decides between them."""


@dataclass(frozen=True, slots=True)
class Told:
    """A trial as the searcher knows it."""

    point: Point
    value: float | None
    """What it reached, lower is better; None while it runs or where it failed."""
    failed: bool = False


def propose(first: str, spaces: Mapping[str, Space], told: Sequence[Told], seed: int) -> dict[str, Plain]:
    """Return the next point: one of the spaces first, then what it holds; the same record and seed give the same point.

    Args:
        first: Name under which the space is chosen, such as `member`.
        spaces: What is searched, by what is chosen first.
        told: Every trial so far, those that run included: TPE keeps away from them.
        seed: Seed of the sampler; together with the number of trials it decides.
    """
    study = study_of(ranges(first, spaces), told, seed + len(told))
    tried = Counter(str(one.point[first]) for one in told)
    least = min(sorted(spaces), key=lambda which: tried[which])
    if tried[least] < ROUNDS:
        study.enqueue_trial({first: least})  # each is tried a few times before luck decides where to look on
    with _quiet():
        trial = study.ask()
        which = str(trial.suggest_categorical(first, sorted(spaces)))
        for name, space in spaces[which].items():
            _suggest(trial, f"{which}{SEPARATOR}{name}", space)
        return dict(trial.params)


def ranges(first: str, spaces: Mapping[str, Space]) -> dict[str, Range]:
    """Return the range of everything that a point may hold, by its name."""
    inner = {f"{which}{SEPARATOR}{n}": r for which, space in spaces.items() for n, r in space.items()}
    return {first: Choice(tuple(sorted(spaces))), **inner}


def study_of(ranges: Mapping[str, Range], told: Sequence[Told], seed: int) -> Study:
    """Return the record as an Optuna study, for its sampler and its plots.

    Args:
        ranges: The range of everything that the points hold, by its name.
        told: The trials.
        seed: Seed of the sampler.
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with _quiet():
        # Conditional hyperparameters are learned in groups of those that occur together.
        sampler = optuna.samplers.TPESampler(n_startup_trials=RANDOM_FIRST, multivariate=True, group=True, seed=seed)
        study = optuna.create_study(direction="minimize", sampler=sampler)
        for one in told:
            state = TrialState.RUNNING if one.value is None else TrialState.COMPLETE
            study.add_trial(
                create_trial(
                    state=TrialState.FAIL if one.failed else state,
                    value=None if one.failed else one.value,
                    params=dict(one.point),
                    distributions={n: _distribution(ranges[n]) for n in one.point},
                )
            )
    return study


def _distribution(space: Range) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(space, Choice):
        return CategoricalDistribution(space.labels)
    if isinstance(space, Real):
        return FloatDistribution(space.low, space.high, log=space.log)
    return IntDistribution(space.low, space.high, log=space.log)


def _suggest(trial: Trial, name: str, space: Range) -> None:
    if isinstance(space, Choice):
        trial.suggest_categorical(name, list(space.labels))
    elif isinstance(space, Real):
        trial.suggest_float(name, space.low, space.high, log=space.log)
    else:
        trial.suggest_int(name, space.low, space.high, log=space.log)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's notice that learning conditional spaces in groups is experimental: it is what we want."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
