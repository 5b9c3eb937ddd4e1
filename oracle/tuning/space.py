"""What a sweep may search, as plain data: a range for each hyperparameter of each family. Pure.

Ranges are wide where nobody knows and narrow where decision 3 already told (a correction of the market only works under
strong shrinkage). What a family is shipped with always lies inside, so a sweep can find its way back.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any

from oracle.ensemble.recipe import Member, Recipe
from oracle.errors import BadInput
from oracle.models.families import FAMILIES, FORM
from oracle.models.hyperparameters import Value
from oracle.models.market import FAMILY as MARKET

SEPARATOR = "/"
"""Between a member and its hyperparameter in the name that a searcher knows: `win/leaves`."""

Plain = float | int | str
"""What a searcher, a log and a recipe file can all hold."""


@dataclass(frozen=True, slots=True)
class Real:
    """A real number from `low` to `high`, both included; `log` where factors matter more than differences."""

    low: float
    high: float
    log: bool = False

    def holds(self, value: Value) -> bool:
        """Return whether the value lies inside."""
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`, both included."""

    low: int
    high: int
    log: bool = False

    def holds(self, value: Value) -> bool:
        """Return whether the value lies inside and is whole."""
        return isinstance(value, int | float) and float(value).is_integer() and self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few values without an order; a value may be a tuple of numbers."""

    values: tuple[Value, ...]

    def holds(self, value: Value) -> bool:
        """Return whether the value is one of them."""
        return value in self.values

    @property
    def labels(self) -> tuple[str, ...]:
        """The values as words, for a searcher that knows words and numbers only."""
        return tuple(label(v) for v in self.values)


Range = Real | Whole | Choice
Space = Mapping[str, Range]

_TREES: Space = MappingProxyType(
    {
        "trees": Whole(160, 800, log=True),
        "learning_rate": Real(0.01, 0.12, log=True),
        "leaves": Whole(4, 48, log=True),
        "min_runners_in_leaf": Whole(20, 1000, log=True),
        "feature_share": Real(0.1, 0.8),
        "runner_share": Real(0.4, 1.0),
        "l2": Real(0.1, 300.0, log=True),
    }
)
_SHARED: Space = MappingProxyType({k: r for k, r in _TREES.items() if k not in ("leaves", "min_runners_in_leaf")})
_DECAY = Choice(((1.0,), (1.0, 0.3, 0.1), (1.0, 0.6, 0.4), (1.0, 0.8, 0.6), (1.0, 1.0, 1.0)))

SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "lambdarank": _TREES,
        "race_softmax": MappingProxyType({**_TREES, "decay": _DECAY}),
        "rank_xendcg": _TREES,
        "win": _TREES,
        "expected_finish": _TREES,
        "xgboost": MappingProxyType({**_SHARED, "leaves": _TREES["leaves"]}),
        "catboost": MappingProxyType({**_SHARED, "depth": Whole(2, 8)}),
        "conditional_logit": MappingProxyType(
            {
                "penalties": Choice(
                    ((30.0, 300.0, 3000.0), (30.0,), (100.0,), (300.0,), (1000.0,), (3000.0,), (10000.0,))
                ),
                "decay": _DECAY,
            }
        ),
        "market": MappingProxyType({}),
        "market_logit": MappingProxyType(
            {
                "penalties": Real(1000.0, 100_000.0, log=True),
                "beyond_market_relief": Real(0.05, 1.0, log=True),
            }
        ),
        "market_power": MappingProxyType({}),
        "market_trees": MappingProxyType(
            {
                "trees": Whole(50, 600, log=True),
                "learning_rate": Real(0.003, 0.03, log=True),
                "leaves": Whole(3, 24),
                "min_runners_in_leaf": Whole(100, 2000, log=True),
                "feature_share": Real(0.01, 0.6, log=True),
                "runner_share": Real(0.4, 1.0),
                "l2": Real(5.0, 500.0, log=True),
            }
        ),
    }
)
"""The space of each family; one that is empty has nothing to tune. Families that a recipe lacks are passed over."""


def candidates(recipe: Recipe, priced: bool, names: Sequence[str] = ()) -> dict[str, Member]:
    """Return what can answer together: the recipe's own members, and families it lacks that are installed here.

    Args:
        recipe: Its members come first; the market is always one of them.
        priced: Whether there are odds; without them only what reads form can answer.
        names: Families asked for; none for all. Those of the recipe are members whatever is asked for.
    """
    own = dict.fromkeys((*recipe.form.members, MARKET, *recipe.market.members))
    found = {n: recipe.members.get(n) or Member(n) for n in own}
    taken = {m.family for m in found.values()}
    for name, family in FAMILIES.items():
        here = family.extra is None or importlib.util.find_spec(family.extra) is not None
        if here and SPACES.get(name) and name not in taken and (not names or name in names):
            found[name] = Member(name)
    return {n: m for n, m in found.items() if priced or FAMILIES[m.family].sees == FORM}


def searched(members: Mapping[str, Member], names: Sequence[str] = ()) -> dict[str, Space]:
    """Return the space of each member that has something to tune.

    Args:
        members: The candidates; a family that no member is of has no place to go.
        names: Families or members asked for; none for all.

    Raises:
        BadInput: a name is unknown, is not part of the recipe, or has nothing to tune.
    """
    found = {n: SPACES[m.family] for n, m in members.items() if SPACES.get(m.family)}
    for name in names:
        if name not in found and name not in {members[n].family for n in found}:
            raise BadInput(
                "no such family to tune", value=name, allowed=found, next_step="leave --families out for all"
            )
    return {n: space for n, space in found.items() if not names or n in names or members[n].family in names}


def shipped(member: Member) -> dict[str, Value]:
    """Return the value that each hyperparameter of the member's space has as it is shipped."""
    found: dict[str, Value] = {}
    _collect(member.ranker(), SPACES.get(member.family, {}), found)
    return found


def inside(space: Space, values: Mapping[str, Value]) -> bool:
    """Return whether the values are all of the space's hyperparameters, each within its range."""
    return set(values) == set(space) and all(space[name].holds(value) for name, value in values.items())


def point_of(name: str, values: Mapping[str, Value]) -> dict[str, Plain]:
    """Return a member and its hyperparameters under a searcher's names.

    >>> point_of("win", {"leaves": 7, "decay": (1.0, 0.5)})
    {'member': 'win', 'win/leaves': 7, 'win/decay': '1/0.5'}
    """
    plain = {n: label(v) if isinstance(v, tuple) else v for n, v in values.items()}
    return {"member": name, **{f"{name}{SEPARATOR}{n}": v for n, v in plain.items()}}


def values_of(name: str, space: Space, point: Mapping[str, Plain]) -> dict[str, Value]:
    """Return what a searcher's point says of a member, prefixes removed and words read back.

    >>> values_of("win", SPACES["win"], {"member": "win", "win/leaves": 7, "win/l2": 2.0})
    {'leaves': 7, 'l2': 2.0}
    """
    prefix = name + SEPARATOR
    chosen = {n.removeprefix(prefix): v for n, v in point.items() if n.startswith(prefix)}
    return {n: _read(space[n], v) for n, v in chosen.items()}


def label(value: Value) -> str:
    """Return a value as one word.

    >>> label((1.0, 0.6, 0.4))
    '1/0.6/0.4'
    """
    return SEPARATOR.join(f"{v:g}" for v in value) if isinstance(value, tuple) else str(value)


def _read(space: Range, value: Plain) -> Value:
    if isinstance(space, Choice):
        return space.values[space.labels.index(str(value))]
    return value


def _collect(part: Any, wanted: Space, found: dict[str, Value]) -> None:
    """Look for the numbers by name in whatever the ranker is made of: a policy, or a learner inside it."""
    if not is_dataclass(part) or isinstance(part, type):
        return
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name in wanted and field.name not in found:
            found[field.name] = _single(wanted[field.name], value)
        _collect(value, wanted, found)


def _single(space: Range, value: Value) -> Value:
    """Return a tuple of one number as that number, where the space is one of numbers."""
    if isinstance(value, tuple) and len(value) == 1 and not isinstance(space, Choice):
        return value[0]
    return value
