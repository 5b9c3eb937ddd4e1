"""Which version stands in which slot, and who is assigned to whom: the declarative part of serving. Pure.

`Routing` is the `user_config` of the gateway, and the whole of it: what is left out takes its default, so that the same
document means the same on every replica, whatever stood there before. An experiment that runs in our store (`oracle ab
start`) rules the challengers over it; the control is always the one that `user_config` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from oracle.errors import BadSetting
from oracle.experiment.assignment import CONTROL, arm_name
from oracle.serving.version import Target, VersionName, Weights

MOST_CHALLENGERS = 8


class Treatment(BaseModel):
    """A challenger: its version, its weights, and the share of the units that it answers."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    version: VersionName
    weights: Weights | None = None
    share: float = Field(0.0, ge=0, le=1, description="Share of the units; ramping it up moves no treated unit.")

    @property
    def target(self) -> Target:
        """What stands in its slot."""
        return Target(version=self.version, weights=self.weights)


class Experiment(BaseModel):
    """Challengers on live traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Units are assigned by its name and theirs.")
    treatments: tuple[Treatment, ...] = Field(min_length=1, max_length=MOST_CHALLENGERS)

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        most = 1.0 / len(self.treatments)
        for at, each in enumerate(self.treatments):
            if each.share > most:
                raise ValueError(f"treatments[{at}].share is at most {most:g} with {len(self.treatments)} challengers")
        return self


class Routing(BaseModel):
    """The `user_config` of the gateway."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    control: Target = Target()
    experiment: Experiment | None = None

    @model_validator(mode="before")
    @classmethod
    def _flat_keys(cls, value: Any) -> Any:
        """Take `version` and `revision` at the top for those of the control."""
        if not isinstance(value, Mapping) or not {"version", "revision"} & set(value):
            return value
        if "control" in value:
            raise ValueError("version and revision stand under control, or at the top without a control, not both")
        flat = {name: value[name] for name in ("version", "revision") if name in value}
        return {**{k: v for k, v in value.items() if k not in flat}, "control": flat}


class Running(Protocol):
    """An experiment as our store tells it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def treatments(self) -> tuple[tuple[str, str], ...]:
        """(arm, version) of each challenger."""
        ...

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each challenger."""
        ...


@dataclass(frozen=True, slots=True)
class Arm:
    """One challenger in force."""

    name: str
    """`treatment`, `treatment-2`, ...: also the name of its deployment."""
    target: Target
    share: float


@dataclass(frozen=True, slots=True)
class InForce:
    """The routing that is followed."""

    control: Target
    experiment: str | None = None
    arms: tuple[Arm, ...] = ()
    source: Literal["user_config", "store"] = "user_config"
    """Who said what the challengers are."""

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each challenger."""
        return tuple(arm.share for arm in self.arms)


def read_routing(wanted: object, *, challengers: int) -> Routing:
    """Return the routing that a `user_config` describes.

    Args:
        wanted: As it came in.
        challengers: How many slots for challengers there are.

    Raises:
        BadSetting: a key is not known, a value is impossible, or there are more challengers than slots.
    """
    try:
        routing = Routing.model_validate(wanted)
    except ValidationError as error:
        raise BadSetting(f"user_config is not possible: {_first(error)}", next_step=_NEXT_STEP) from error
    asked = 0 if routing.experiment is None else len(routing.experiment.treatments)
    if asked > challengers:
        raise BadSetting(
            "user_config names more challengers than there are deployments for",
            value=asked,
            allowed=f"up to {challengers}: `challengers` in the args of serve_config.yaml",
            next_step="raise `challengers` and deploy again",
        )
    return routing


_NEXT_STEP = "see docs/serving.md for every key"


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    known = f"; known there: {', '.join(_known(first['loc'][:-1]))}" if first["type"] == "extra_forbidden" else ""
    return f"{where + ': ' if where else ''}{first['msg']}{known}"


def _known(parent: tuple[int | str, ...]) -> list[str]:
    models: dict[str, type[BaseModel]] = {"control": Target, "experiment": Experiment, "treatments": Treatment}
    names = [part for part in parent if isinstance(part, str)]
    return list(models.get(names[-1], Routing).model_fields if names else Routing.model_fields)


def in_force(configured: Routing, running: Sequence[Running], *, challengers: int) -> InForce:
    """Return the routing to follow: the store's running experiment over that of `user_config`, its control always.

    Args:
        configured: What `user_config` says.
        running: The experiments that run by our store, the first started first; the first one rules.
        challengers: How many slots for challengers there are; an experiment that needs more is not followed.
    """
    for each in running[:1]:
        if len(each.treatments) <= challengers:
            arms = tuple(
                Arm(arm_name(number), Target(version=version), share)
                for number, ((_, version), share) in enumerate(zip(each.treatments, each.shares, strict=True), 1)
            )
            return InForce(configured.control, each.name, arms, "store")
    if configured.experiment is None:
        return InForce(configured.control)
    arms = tuple(
        Arm(arm_name(number), each.target, each.share)
        for number, each in enumerate(configured.experiment.treatments, 1)
    )
    return InForce(configured.control, configured.experiment.name, arms)


def assigned(routing: InForce, unit: str, position: Callable[[str, str], float], arm: Callable[..., int]) -> str:
    """Return the name of the arm that the unit is assigned to.

    Args:
        routing: What is in force.
        unit: The pseudonymised user, or the race.
        position: Place of a unit in an experiment, from 0 to 1: keyed, so that nobody outside can choose an arm.
        arm: Which arm owns a position, given the shares: 0 is the control.
    """
    if routing.experiment is None:
        return CONTROL
    number = arm(position(routing.experiment, unit), routing.shares)
    return CONTROL if number == 0 else routing.arms[number - 1].name
