"""How a gateway is: what answers, what is routed where and by whom, how far its form reaches, and what is wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from oracle.errors import OracleError
from oracle.experiment.assignment import CONTROL
from oracle.serving.gateway import Gateway
from oracle.serving.messages import ModelMessage
from oracle.store import Away


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class SlotMessage(_Message):
    """One slot of the routing in force."""

    arm: str = Field(description="control, treatment, treatment-2, ...")
    version: str | None = Field(description="What the routing asks for; null: the alias in the settings.")
    weights: dict[str, dict[str, float]] | None = Field(description="Weights in place of the fitted ones.")
    share: float = Field(description="Share of the units assigned to it.")
    circuit: Literal["closed", "open", "trying"] | None = Field(
        None, description="Whether a challenger is asked; open after failures. Null for the control."
    )
    trouble: str | None = Field(None, description="What went wrong with a challenger last.")


class RoutingMessage(_Message):
    """The routing in force."""

    experiment: str | None = Field(description="Name of the running experiment; null without one.")
    source: Literal["user_config", "store"] = Field(description="Who named the challengers.")
    slots: tuple[SlotMessage, ...]
    rejections: int = Field(description="Values of user_config refused since the replica started.")
    rejected: str | None = Field(description="Why the last user_config is not in force; null where it is.")


class FormMessage(_Message):
    """How far the form of the control reaches."""

    seq: int = Field(description="Number of the last result that it has looked at.")
    through: str | None = Field(description="Date of the last race that it knows.")
    folded: int = Field(description="Races told since the training that are in it.")
    waiting: int = Field(description="Results that need the next training: older than its last race.")


class OutageMessage(_Message):
    """Something outside that does not answer."""

    part: Literal["store", "artifacts"]
    since: dt.datetime = Field(description="When this replica noticed it, UTC.")
    why: str
    waiting: int = Field(description="Answers and scorings that wait on this machine for our store.")


class BriefHealthMessage(_Message):
    """Whether cards are answered as they should be."""

    status: Literal["ok", "degraded"]
    access: str = Field(description="How the access is kept: tokens, off, or that there is no token yet.")


class HealthMessage(BriefHealthMessage):
    """Whether cards are answered as they should be, and if not, why."""

    reasons: tuple[str, ...] = Field(description="Why it is degraded; empty where it is ok.")
    model: ModelMessage | None = Field(description="The version that answers for the control; null without one.")
    loaded_at: dt.datetime | None = Field(description="When that version was loaded, UTC.")
    replica: str = Field(description="The process that says so: each has a health of its own.")
    outages: tuple[OutageMessage, ...] = Field((), description="What is away; answers go on without it.")
    routing: RoutingMessage
    form: FormMessage | None = Field(description="Null where the model's form cannot be carried forward.")


CALLER = "oracle.health_caller"
"""Key of an ASGI scope: the door says there who asks for the health."""


@dataclass(frozen=True, slots=True)
class HealthCaller:
    """Who asks for the health."""

    access: str = "off"
    """How the access is kept."""
    trusted: bool = True
    """Whether they may know the inside."""


def brief(health: HealthMessage) -> BriefHealthMessage:
    """Return what a stranger is told: versions, experiments and addresses are of the inside."""
    return BriefHealthMessage(status=health.status, access=health.access)


def health_of(gateway: Gateway, access: str = "off") -> HealthMessage:
    """Return how a gateway is. Asks the store, and an empty slot's registry where it is time: may block."""
    gateway.slot.look_again()
    loaded = gateway.slot.loaded
    reasons = tuple(_reasons(gateway))
    return HealthMessage(
        status="degraded" if reasons else "ok",
        access=access,
        reasons=reasons,
        model=gateway.model,
        loaded_at=None if loaded is None else loaded.loaded_at,
        replica=gateway.kit.replica,
        outages=(
            *_outage("store", gateway.commit.away, gateway.commit.standby.waiting if gateway.commit.standby else 0),
            *_outage("artifacts", gateway.registry_away, 0),
        ),
        routing=_routing(gateway),
        form=_form(gateway),
    )


def _reasons(gateway: Gateway) -> Iterator[str]:
    slot = gateway.slot
    if slot.loaded is None:
        try:
            slot.held()
        except OracleError as error:
            yield str(error)
    elif slot.refused is not None:
        yield f"keeping version {slot.loaded.message.version}; the model asked for: {slot.refused}"
    if gateway.rejected is not None:
        kept = "none" if slot.loaded is None else slot.loaded.message.version
        yield f"keeping version {kept}; {gateway.rejected}"
    for arm in gateway.routing.arms:
        asking = gateway.kit.challengers[arm.name]
        if asking.breaker.state != "closed":
            yield f"{arm.name} is not asked for a while, the control answers: {asking.last_error}"
    yield from _outages(gateway)
    if gateway.trouble is not None:
        yield f"results and experiments are not looked at: {gateway.trouble}"
    if gateway.unfollowed is not None:
        yield f"the alias is not followed: {gateway.unfollowed}"


def _outages(gateway: Gateway) -> Iterator[str]:
    away, standby = gateway.commit.away, gateway.commit.standby
    if away is None:
        try:
            gateway.store.check(patience=None if standby is None else gateway.kit.patience)
        except OracleError as error:
            yield str(error)
    else:
        waiting = 0 if standby is None else standby.waiting
        yield f"our store is away since {_moment(away)}, {waiting} rows wait on this machine: {away.why}"
    if standby is not None and standby.refused:
        yield f"{standby.refused} rows were not taken by our store: see *.refused in the spool folder under home"
    missing = gateway.registry_away
    if missing is not None:
        yield f"the registry or its artifacts are away since {_moment(missing)}, what serves goes on: {missing.why}"


def _moment(away: Away) -> str:
    return f"{away.since:%Y-%m-%dT%H:%M:%SZ}"


def _outage(part: Literal["store", "artifacts"], away: Away | None, rows: int) -> tuple[OutageMessage, ...]:
    return () if away is None else (OutageMessage(part=part, since=away.since, why=away.why, waiting=rows),)


def _routing(gateway: Gateway) -> RoutingMessage:
    routing = gateway.routing
    control = SlotMessage(
        arm=CONTROL,
        version=routing.control.version,
        weights=routing.control.weights,
        share=1.0 - sum(routing.shares),
    )
    arms = tuple(
        SlotMessage(
            arm=arm.name,
            version=arm.target.version,
            weights=arm.target.weights,
            share=arm.share,
            circuit=gateway.kit.challengers[arm.name].breaker.state,
            trouble=gateway.kit.challengers[arm.name].last_error,
        )
        for arm in routing.arms
    )
    return RoutingMessage(
        experiment=routing.experiment,
        source=routing.source,
        slots=(control, *arms),
        rejections=gateway.rejections,
        rejected=None if gateway.rejected is None else str(gateway.rejected),
    )


def _form(gateway: Gateway) -> FormMessage | None:
    loaded = gateway.slot.loaded
    if loaded is None or loaded.form is None:
        return None
    form = loaded.form
    return FormMessage(seq=form.seq, through=form.through or None, folded=form.folded, waiting=len(form.waiting))
