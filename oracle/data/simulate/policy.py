"""Every number of the simulated world, and the changes that may befall it.

Strength is counted in points: one point is one pound of the handicapper's scale, so ratings, weights and ability share
a unit. The defaults were tuned so that the world resembles racing: knowing the true strengths ranks the first three
well but far from perfectly, and the betting market lies between that and chance.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from oracle.errors import BadInput


@dataclass(frozen=True, slots=True)
class WorldPolicy:
    """The numbers of the world. Spreads are named `..._sd`; effects are in points unless they say otherwise."""

    first_date: dt.date = dt.date(2015, 1, 1)
    horses: int = 6500
    """Horses in training at any time; one that retires is replaced the same day."""
    jockeys_per_circuit: int = 36
    trainers_per_circuit: int = 50
    meetings_by_weekday: tuple[int, ...] = (2, 3, 3, 3, 3, 4, 4)
    """Monday to Sunday. About 8,000 races a year with seven a meeting; a circuit meets once a day at most."""

    mean_rating: float = 65.0
    """Where the handicapper keeps the average horse."""
    talent_sd: float = 8.0
    sire_sd: float = 3.0
    form_sd: float = 4.0
    """Spread of the slow wandering of a horse's form (Ornstein-Uhlenbeck)."""
    form_days: float = 120.0
    """Time over which that wandering forgets itself, days."""
    improvement: float = 3.0
    """Points below the peak one year before it; grows with the square of the years, so two-year-olds improve fast."""
    decline: float = 0.9
    """Points below the peak one year after it, likewise with the square."""
    peak_age: float = 4.3
    peak_age_sd: float = 0.5

    distance_effect: float = 5.0
    """Lost at a distance e**0.25 times, that is 28%, longer or shorter than the horse's best; with the square."""
    going_effect: float = 1.0
    """Spread between horses of the points gained or lost per step of going away from good."""
    surface_sd: float = 3.0
    course_sd: float = 1.5
    hand_sd: float = 1.0
    """Left-handed against right-handed."""
    jockey_effect: float = 2.5
    trainer_effect: float = 2.5
    draw_effect: float = 2.5
    """Spread, between courses and distances, of the points between the innermost and the outermost stall."""
    weight_effect: float = 1.1
    """Points lost per kilogram. The handicapper charges 2.2, so the best horse keeps half its edge."""
    sex_effect: float = 2.0
    """Points by which fillies and mares are weaker."""
    fitness_effect: float = 3.0
    """Lost by a horse after a break of half a year or on its first run, and by one that runs again within a week."""
    pace_effect: float = 2.5
    """Gained by a lone front runner, lost by each where many want the lead; hold-up horses the other way round."""
    result_noise: float = 7.5
    """Scale of the Gumbel noise of a run: what nobody can know. Smaller means a world that is easier to predict."""

    market_noise: float = 6.0
    """What bettors do not know of a runner's strength, standard deviation."""
    market_form: float = 0.3
    """Share of the bettors' opinion that comes from the official ratings instead of from insight."""
    market_confidence: float = 0.96
    """Regression of that opinion to the field's mean; 1 would take every rumour at face value."""
    longshot_bias: float = 0.87
    """Exponent on the market's probabilities: below 1 money flows from favourites to outsiders."""
    takeout: float = 0.17
    """Share of the pool kept by the operator: the odds imply probabilities that add to 1 / (1 - takeout) = 1.20."""

    withdrawn_rate: float = 0.01
    pulled_up_rate: float = 0.004
    dead_heat_lengths: float = 0.002
    """Two runners that finish closer than this cannot be separated on the photograph."""
    rest_days: float = 17.0
    """Mean time between a run and the next entry; a horse runs when a suitable race comes up after it."""
    break_rate: float = 0.05
    """Chance that a run is followed by a break of two to five months."""
    body_weight_kg: float = 490.0
    wetness: float = 1.0
    """Factor on rain: how far the going moves from its dry mean."""


DEFAULT = WorldPolicy()

SHOCKABLE: tuple[str, ...] = tuple(
    f.name
    for f in fields(WorldPolicy)
    if f.type == "float" and f.name not in ("mean_rating", "peak_age", "peak_age_sd")
)
"""The numbers a shock may change: those that act on each race day anew."""

_POSITIVE = ("result_noise", "form_days", "body_weight_kg")
"""Numbers that are divided by, or make no sense otherwise."""


@dataclass(frozen=True, slots=True)
class Shock:
    """A change of the world at a date: from then on the policy's number `kind` is `size` times what it was.

    Multiplication says everything with one rule: size -1 turns the draw bias round, 0 switches an effect off, 2 doubles
    it. Before its date a shock leaves no trace: the races are the same to the last bit as without it.

    Raises:
        BadInput: `kind` is no number that can change (names those that can), or `size` is impossible.
    """

    kind: str
    at: dt.date
    size: float

    def __post_init__(self) -> None:
        if self.kind not in SHOCKABLE:
            raise BadInput("no such shock", value=self.kind, allowed=SHOCKABLE, next_step="see docs/simulation.md")
        if not math.isfinite(self.size) or (self.kind in _POSITIVE and self.size <= 0):
            raise BadInput(f"a shock of {self.kind} cannot have this size", value=self.size, allowed="above 0")


def policy_on(policy: WorldPolicy, shocks: Sequence[Shock], date: dt.date) -> WorldPolicy:
    """Return the policy in force on a date.

    >>> policy_on(DEFAULT, [Shock("draw_effect", dt.date(2016, 1, 1), -1)], dt.date(2016, 1, 1)).draw_effect
    -2.5
    """
    for shock in shocks:
        if shock.at <= date:
            policy = replace(policy, **{shock.kind: getattr(policy, shock.kind) * shock.size})
    return policy
