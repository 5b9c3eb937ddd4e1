"""What a test was started with: frozen, written down as one text, and hashed, so that nobody moves the goal posts."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from oracle.errors import BadInput
from oracle.experiment.sizing import Question, Size, in_time, paired, unpaired
from oracle.settings import ExperimentPolicy, GuardrailPolicy

ASSUMED_RHO = 0.9
"""Where nobody has measured how alike the versions are: on real races two models that see the odds are more alike."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class Plan(BaseModel):
    """A test of one or more challengers against the control."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    mode: Literal["ab", "aa"] = "ab"
    """aa: both are the same version, and whatever differs is a fault of the test."""
    control: Version
    """Version of the model that answers now."""
    treatments: tuple[Version, ...] = Field(min_length=1, max_length=8)
    shares: tuple[float, ...]
    """At the start, of each challenger; ramping is no edit of the plan."""
    mean: float = Field(gt=0, lt=1)
    """NDCG@3 expected of the control."""
    sd: float = Field(gt=0, lt=1)
    """Of NDCG@3 over races."""
    rho: float = Field(ASSUMED_RHO, ge=-1, lt=1)
    """Correlation of the two versions' NDCG@3 over races."""
    races_per_day: float | None = Field(None, gt=0)
    policy: ExperimentPolicy = ExperimentPolicy()
    guardrails: GuardrailPolicy = GuardrailPolicy()
    started_at: dt.datetime

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.shares) != len(self.treatments):
            raise ValueError(f"{len(self.shares)} shares for {len(self.treatments)} challengers")
        most = 1.0 / len(self.treatments)
        if not all(0.0 <= share <= most for share in self.shares):
            raise ValueError(f"with {len(self.treatments)} challengers a share is 0 to {most:g}")
        if len(set(self.treatments)) != len(self.treatments):
            raise ValueError("a version is a challenger once")
        if self.mode == "ab" and self.control in self.treatments:
            raise ValueError("the control cannot challenge itself; an A/A test has mode aa")
        if self.mode == "aa" and set(self.treatments) != {self.control}:
            raise ValueError("in an A/A test the challenger is the control's own version")
        p = self.policy
        if p.max_days < p.min_days and (p.floors == "both" or not p.min_predictions):
            raise ValueError(f"max_days {p.max_days:g} ends the test before its floor of {p.min_days:g} days")
        if self.started_at.tzinfo is None:
            raise ValueError("started_at has a time zone")
        return self

    @property
    def alpha(self) -> float:
        """The chance of a false alarm that each challenger gets: the budget in equal parts (Bonferroni).

        Equal parts hold however alike the challengers are and whenever each of them is stopped. What is spared by
        Holm's or an e-value procedure (which wait for all of them) is little: a second challenger costs an eighth more
        races.
        """
        return self.policy.alpha / len(self.treatments)

    @property
    def question(self) -> Question:
        """What is to be found out of each challenger."""
        return Question(self.mean, self.sd, self.policy.effect, self.alpha, self.policy.power)

    @property
    def size(self) -> Size:
        """What the paired design takes."""
        return paired(self.question, self.rho)

    @property
    def unpaired_size(self) -> Size:
        """What comparing the arms' own races would take."""
        return unpaired(self.question, max(self.shares[0], 0.001))

    def must_end(self) -> None:
        """Return if the test can come to a decision within `max_days`, or if nobody knows how many races there are.

        Raises:
            NeverEnds: it cannot; says what would work.
        """
        if self.races_per_day is not None and self.mode == "ab":
            in_time(self.size, self.races_per_day, self.policy.max_days)

    def as_json(self) -> str:
        """Return the plan as the one text that is hashed and kept."""
        return orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of that text."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()


def read(text: str) -> Plan:
    """Return the plan that `as_json` wrote.

    Raises:
        BadInput: it is not a plan.
    """
    try:
        return Plan.model_validate_json(text)
    except ValidationError as error:
        raise BadInput(
            f"not the plan of a test: {_first(error)}", next_step="start a new test: oracle ab start"
        ) from error


def make(**told: Any) -> Plan:
    """Return the plan with these fields.

    Raises:
        BadInput: a field is impossible; names it.
    """
    try:
        return Plan(**told)
    except ValidationError as error:
        raise BadInput(f"the plan is not possible: {_first(error)}", next_step="see docs/experiments.md") from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where, given = ".".join(str(part) for part in first["loc"]), first.get("input")
    said = str(first["msg"]).removeprefix("Value error, ")
    shown = f" (got {given!r})" if isinstance(given, str | int | float) else ""
    return f"{where}: {said}{shown}" if where else said
