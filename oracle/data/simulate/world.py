"""The day loop: weather, programme, entries, market, races, and what everybody learns from them.

A horse runs at most once a day and careers move on only overnight, so the races of a day are drawn together; nothing is
kept of a day but the state it leaves. Each day has its own source of chance, seeded by the world's seed and the day's
number, so neither the number of races asked for nor the size of the blocks can change what happens on it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import numpy as np

from oracle.data.simulate import population
from oracle.data.simulate.betting import odds
from oracle.data.simulate.courses import CIRCUITS, Ints
from oracle.data.simulate.entries import Declared, declare
from oracle.data.simulate.fixtures import new_weather, programme
from oracle.data.simulate.frames import Block, Rows, block, declared_rows, result_rows
from oracle.data.simulate.policy import DEFAULT, Shock, WorldPolicy, policy_on
from oracle.data.simulate.population import Horses, People, Random
from oracle.data.simulate.running import learn, run_races
from oracle.data.simulate.strength import draw_biases, softmax, true_strengths
from oracle.errors import BadInput


def _source(seed: int, day: int) -> Random:
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, day + 1))))


class World:
    """The state between two days; `live` plays the next day and returns its rows."""

    def __init__(
        self, seed: int, policy: WorldPolicy, shocks: Sequence[Shock], sharpness: float, insight: float = 1.0
    ) -> None:
        """Draw a world at rest: horses of all ages with careers behind them, and the people around them."""
        rng = _source(seed, -1)
        self.seed, self.policy, self.shocks, self.sharpness = seed, policy, tuple(shocks), sharpness
        self.insight = insight
        self.day = 0
        self.jockeys = People.drawn(policy.jockeys_per_circuit, rng)
        self.trainers = People.drawn(policy.trainers_per_circuit, rng)
        self.favourites = self._favourites(np.arange(len(self.trainers.number)), rng)
        self.biases = draw_biases(rng)
        self.rain = rng.standard_normal(CIRCUITS)
        self.horses = Horses.places(policy.horses)
        self.next_horse = 0
        self._found(rng)

    def _favourites(self, trainers: Ints, rng: Random) -> Ints:
        per = self.policy.jockeys_per_circuit
        circuit = trainers // self.policy.trainers_per_circuit
        return np.asarray(circuit[:, None] * per + np.argsort(rng.random((len(trainers), per)), axis=1)[:, :3])

    def _arrive(self, at: Ints, born: Ints, ready: Ints, rng: Random) -> None:
        trainers = self.policy.trainers_per_circuit
        population.newcomers(self.horses, at, self.next_horse, born, ready, trainers, self.policy, rng)
        self.next_horse += len(at)

    def _found(self, rng: Random) -> None:
        """Fill the world at its beginning; horses that raced before are rated about as well as they deserve."""
        n, horses, first = self.policy.horses, self.horses, self.policy.first_date
        age = 2 + rng.choice(len(population.AGES), size=n, p=population.AGES)
        to_april = (dt.date(first.year, 4, 1) - first).days
        ready = np.where(age == 2, to_april + rng.integers(200, size=n), rng.integers(-8, 22, size=n))
        self._arrive(np.arange(n), first.year - age, ready, rng)
        horses.runs[:] = np.where(age == 2, 0, rng.poisson(8.0 * (age - 2)))
        raced = horses.runs > 0
        horses.wins[:] = rng.binomial(horses.runs, 0.1)
        horses.last_run[:] = np.where(raced, -rng.integers(5, 60, size=n), -1000)
        deserved = population.ability(horses, np.arange(n), first.year, 0.0, self.policy)
        horses.rating[:] = np.where(raced, deserved + 4 * rng.standard_normal(n), horses.rating)
        horses.drift_day[:] = 0

    def _month_begins(self, date: dt.date, rng: Random) -> None:
        gone = population.retiring(self.horses, date.year, self.policy, rng)
        two = (date.month >= 3) & (rng.random(len(gone)) < 0.75)
        self._arrive(gone, date.year - np.where(two, 2, 3), self.day + 20 + rng.integers(60, size=len(gone)), rng)
        population.recentre(self.horses, self.policy)
        self.jockeys.month_passes(rng)
        changed = self.trainers.month_passes(rng)
        self.favourites[changed] = self._favourites(changed, rng)

    def _race(self, declared: Declared, date: dt.date, policy: WorldPolicy, rng: Random) -> Rows:
        horses, people = self.horses, (self.jockeys, self.trainers)
        population.carry_form(horses, declared.horse[declared.present], self.day, policy, rng)
        when = (self.day, date.year, date.timetuple().tm_yday / 365.25)
        strength = true_strengths(horses, *people, self.biases, declared, when, policy)
        noise = policy.result_noise / self.sharpness
        utility = strength / noise
        prices = odds(horses, declared, strength, noise, policy, rng, self.insight)
        outcome = run_races(horses, declared, strength, noise, policy, rng)
        epoch = (policy.first_date - dt.date(1970, 1, 1)).days
        rows = declared_rows(horses, *people, declared, self.day, date.year, epoch)
        rows |= result_rows(declared, outcome, prices, utility, softmax(utility))
        learn(horses, declared, outcome, self.day, policy, rng)
        return rows

    @property
    def today(self) -> dt.date:
        """The date that `live` plays next."""
        return self.policy.first_date + dt.timedelta(days=self.day)

    def live(self) -> tuple[Rows, int]:
        """Play the next day; return its rows and how many races it had."""
        date = self.today
        policy, rng = policy_on(self.policy, self.shocks, date), _source(self.seed, self.day)
        if date.day == 1 and self.day:
            self._month_begins(date, rng)
        self.rain = new_weather(self.rain, rng)
        races = programme(date.weekday(), date.timetuple().tm_yday, self.rain, policy, rng)
        fields = declare(self.horses, self.favourites, self.jockeys.skill, races, self.day, date.year, policy, rng)
        rows = self._race(fields, date, policy, rng)
        self.day += 1
        return rows, len(fields.races)


def _first_races(rows: Rows, races: int) -> Rows:
    """Return the rows of the first `races` races of a day."""
    begins = rows["number"] == 1
    kept = np.cumsum(begins) <= races
    return {k: v[kept] for k, v in rows.items()}


def simulate(
    races: int,
    *,
    seed: int,
    policy: WorldPolicy = DEFAULT,
    shocks: Sequence[Shock] = (),
    sharpness: float = 1.0,
    insight: float = 1.0,
    block_months: int = 1,
) -> Iterator[Block]:
    """Yield the world's races in the order of their dates, a block of whole months at a time.

    The first races of a longer world are the races of a shorter one. Memory does not depend on `races`.

    Args:
        races: Number of races, at least 1. About 8,000 fill a year.
        seed: Seed of everything, at least 0.
        policy: The numbers of the world.
        shocks: Changes at a date.
        sharpness: Divides the noise of the results; 1 resembles racing, 20 lets strength decide nearly all.
        insight: Divides what bettors do not know; 1 resembles racing, 50 lets the odds tell nearly the true order.
        block_months: Calendar months in a block; what happens does not depend on it.

    Raises:
        BadInput: an argument is out of its range.
    """
    for name, value, least in (("races", races, 1), ("seed", seed, 0), ("block_months", block_months, 1)):
        if value < least:
            raise BadInput(f"{name} is too small", value=value, allowed=f"{least} or more")
    for name, factor in (("sharpness", sharpness), ("insight", insight)):
        if not 0 < factor < float("inf"):
            raise BadInput(f"{name} is not a positive number", value=factor, allowed="above 0; 1 resembles racing")
    return _blocks(World(seed, policy, shocks, sharpness, insight), races, block_months)


def _blocks(world: World, races: int, block_months: int) -> Iterator[Block]:
    days: list[Rows] = []
    done = held = months = 0
    while done < races:
        rows, run = world.live()
        if done + run > races:
            run, rows = races - done, _first_races(rows, races - done)
        days.append(rows)
        done, held = done + run, held + run
        months += world.today.day == 1
        if months == block_months or done == races:
            yield block(days, held)
            days, held, months = [], 0, 0
