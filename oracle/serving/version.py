"""One model version in memory, and where versions come from.

The gateway asks a `Source` for the version it should answer with and knows nothing of registries; the one that follows
ours is `oracle.serving.registered`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import orjson
from pydantic import BaseModel, ConfigDict, Field

from oracle.race import CardExplanation, CardPrediction, RaceCard
from oracle.ranking.plackett_luce import Discount
from oracle.serving.messages import ModelMessage


class Predictor(Protocol):
    """What a model must do to be served."""

    @property
    def discount(self) -> Discount:
        """How much less its win probabilities say about the later places."""
        ...

    def predict(self, cards: Sequence[RaceCard]) -> list[CardPrediction]:
        """Return one prediction per card, runners in the order of the card."""
        ...

    def explain(self, cards: Sequence[RaceCard]) -> list[CardExplanation]:
        """Return the same predictions, and what each feature adds to each score."""
        ...


VersionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Weights = dict[Literal["form", "market"], dict[str, Annotated[float, Field(allow_inf_nan=False)]]]
"""Weight by member, by blend: `form` answers where odds are missing, `market` where every starter has them."""


class Target(BaseModel):
    """Which version stands in a slot, and with which weights of its members."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    version: VersionName | None = Field(
        None, description="Number, semantic version or alias; by default the alias in the settings."
    )
    revision: str = Field("0", description="Another value with the same version means: ask the registry again.")
    weights: Weights | None = Field(
        None, description="Weights of the members in place of the fitted ones, under form, market or both."
    )

    @property
    def label(self) -> str:
        """What is asked for in one word: two weightings of one version are two models to whoever compares them."""
        return label(self.version or "", self.weights)


def label(version: str, weights: Weights | None) -> str:
    """Return version and weights in one word.

    >>> label("3", None)
    '3'
    """
    if weights is None:
        return version
    said = orjson.dumps(weights, option=orjson.OPT_SORT_KEYS)
    return f"{version}+{hashlib.blake2b(said, digest_size=4).hexdigest()}"


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A loaded model and the words that name it."""

    model: Predictor
    message: ModelMessage


class VersionMessage(BaseModel):
    """One registered version."""

    model_config = ConfigDict(frozen=True)

    version: str
    semver: str | None
    aliases: tuple[str, ...]
    created: dt.datetime
    metrics: dict[str, float] = Field(description="Headline metrics on the test period.")


class ModelsMessage(BaseModel):
    """The registered versions, newest first."""

    model_config = ConfigDict(frozen=True)

    name: str
    versions: tuple[VersionMessage, ...]
    serving: ModelMessage | None = Field(None, description="The version that answers here.")


class Source(Protocol):
    """Where versions come from."""

    def load(self, target: Target, *, in_force: Served | None) -> Served:
        """Return the target's version; `in_force` itself where that is the one already loaded.

        Raises:
            OracleError: there is no such version, it cannot be fetched, or it is not what was registered.
        """
        ...

    def listing(self) -> ModelsMessage:
        """Return what is registered."""
        ...
