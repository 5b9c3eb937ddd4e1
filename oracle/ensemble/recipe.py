"""What an ensemble is made of, as plain data: its members with their hyperparameters, and how each pool weighs them.

A sweep writes a recipe, a training reads one; `SHIPPED` is what a training takes when it is given none. A recipe says
nothing of any dataset.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oracle.ensemble.blend import AGGREGATIONS, LOG_LINEAR, STACKING
from oracle.ensemble.weights import LOG_LOSS, OBJECTIVES
from oracle.errors import BadInput, UnreadableFile
from oracle.models import families
from oracle.models.hyperparameters import Hyperparameters
from oracle.models.ranker import Ranker

FORMAT = 1

EVEN, FITTED, SHRUNK = "even", "fitted", "shrunk"


@dataclass(frozen=True, slots=True)
class Member:
    """One member: a family, and what replaces its shipped hyperparameters."""

    family: str
    hyperparameters: Hyperparameters = field(default_factory=dict)

    def ranker(self) -> Ranker:
        """Return the ranker, not yet fitted."""
        return families.ranker(self.family, self.hyperparameters)


@dataclass(frozen=True, slots=True)
class Pool:
    """Which members answer together, and how they are weighed."""

    members: tuple[str, ...]
    weights: str | Mapping[str, float] = FITTED
    """`even`; `fitted` on the validation dates; `shrunk` towards a prior on expanding folds, where the first member is
    what the others correct; or the weights themselves."""
    aggregation: str = LOG_LINEAR
    """What of the members is weighed: see `oracle.ensemble.blend`."""
    objective: str = LOG_LOSS
    """What fitted weights are best at: see `oracle.ensemble.weights`."""

    def __post_init__(self) -> None:
        for what, value, allowed in (
            ("no such aggregation of members", self.aggregation, AGGREGATIONS),
            ("no such objective of the weights", self.objective, OBJECTIVES),
        ):
            if value not in allowed:
                raise BadInput(what, value=value, allowed=allowed)
        if self.aggregation == STACKING and self.objective != LOG_LOSS:
            raise BadInput(
                "stacking is a fit by likelihood and has no other objective",
                value=self.objective,
                allowed=LOG_LOSS,
                next_step=f"take {LOG_LINEAR}, which weighs the same log-probabilities",
            )
        if isinstance(self.weights, str):
            if self.weights not in (EVEN, FITTED, SHRUNK):
                raise BadInput(
                    "no such way to weigh members",
                    value=self.weights,
                    allowed=(EVEN, FITTED, SHRUNK, "a weight per member"),
                )
            if self.weights == SHRUNK and (self.aggregation != STACKING or len(self.members) < 2):
                raise BadInput(
                    "corrections are shrunk in a stack of what they correct and themselves",
                    value=f"{self.aggregation} of {len(self.members)}",
                    allowed=f"{STACKING} of two members or more",
                )
        elif set(self.weights) != set(self.members):
            raise BadInput(
                "weights and members of a pool are not the same names",
                value=", ".join(sorted(self.weights)),
                allowed=", ".join(sorted(self.members)),
            )

    @property
    def weighing(self) -> str:
        """How the weights come about, in a word or two."""
        if not isinstance(self.weights, str):
            return "given"
        return f"{FITTED} by {self.objective}" if self.weights == FITTED else self.weights


@dataclass(frozen=True, slots=True)
class Recipe:
    """Members by name, and the two pools: `form` answers without odds, `market` where every starter has them."""

    members: Mapping[str, Member]
    form: Pool
    market: Pool

    def __post_init__(self) -> None:
        for pool, sees in ((self.form, families.FORM), (self.market, families.MARKET)):
            for name in pool.members:
                if name not in self.members:
                    raise BadInput("a pool names a member that the recipe does not have", value=name)
                if sees == families.FORM and families.FAMILIES[self.members[name].family].sees != sees:
                    raise BadInput("a member of the form pool reads odds", value=name)
        if not self.form.members:
            raise BadInput("a recipe needs a member that reads form", value="form.members = []")

    def with_member(self, name: str, hyperparameters: Hyperparameters) -> Recipe:
        """Return the recipe with other hyperparameters for one member."""
        return replace(self, members={**self.members, name: Member(self.members[name].family, hyperparameters)})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as a recipe file holds them."""
        return {
            "format": FORMAT,
            "members": {
                name: {"family": m.family, "hyperparameters": dict(m.hyperparameters)}
                for name, m in self.members.items()
            },
            "form": _pool_as_dict(self.form),
            "market": _pool_as_dict(self.market),
        }


def _pool_as_dict(pool: Pool) -> dict[str, Any]:
    weights = pool.weights if isinstance(pool.weights, str) else dict(pool.weights)
    return {
        "members": list(pool.members),
        "weights": weights,
        "aggregation": pool.aggregation,
        "objective": pool.objective,
    }


def _pool_from_dict(values: Mapping[str, Any]) -> Pool:
    how = {name: values[name] for name in ("aggregation", "objective") if name in values}  # else as ever: the defaults
    return Pool(tuple(values["members"]), values["weights"], **how)


def from_dict(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe that `as_dict` described.

    Raises:
        BadInput: it is of another format, or names what this installation does not have.
    """
    if values.get("format") != FORMAT:
        raise BadInput("the recipe has another format", value=values.get("format"), allowed=str(FORMAT))
    try:
        members = {name: Member(m["family"], dict(m["hyperparameters"])) for name, m in values["members"].items()}
        for member in members.values():
            member.ranker()  # a name that does not exist is told now, not after an hour of fitting
        form, market = (_pool_from_dict(values[pool]) for pool in ("form", "market"))
    except (KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"the recipe is incomplete: {error!r}", next_step="write it with oracle tune") from error
    return Recipe(members, form, market)


def read(file: Path) -> Recipe:
    """Return the recipe in a file.

    Raises:
        UnreadableFile: the file is missing or is not JSON.
        BadInput: it is of another format, or names what this installation does not have.
    """
    try:
        values = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableFile(
            f"the recipe cannot be read: {error}", value=str(file), next_step="write one with oracle tune"
        ) from error
    if not isinstance(values, dict):
        raise BadInput("the recipe is no JSON object", value=str(file), next_step="write one with oracle tune")
    return from_dict(values)


def _shipped(*names: str) -> dict[str, Member]:
    return {name: Member(name) for name in names}


SHIPPED = Recipe(
    members=_shipped(
        *("lambdarank", "race_softmax", "win", "conditional_logit"),
        *("market", "market_power", "market_logit", "market_trees"),
    ),
    form=Pool(("lambdarank", "race_softmax", "win", "conditional_logit")),
    market=Pool(("market_power", "market_logit", "market_trees"), SHRUNK, STACKING),
)
"""The defaults: what they reached, and what else was tried, is in docs/models.md and docs/decisions/."""
