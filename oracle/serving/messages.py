"""What goes over the wire: a race card in, a ranked answer out, and the one shape every refusal has.

The names are those of the canonical runner table (`oracle.race.COLUMNS`), so a row of results and a card read alike.
Unknown names are refused: a misspelt `wieght_kg` must not silently become a missing weight. Pure; `oracle.serving.body`
turns bytes into these, `oracle.serving.http` turns these into HTTP.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from oracle.race import CardExplanation, CardPrediction, RaceCard, RaceType, Runner, RunnerExplanation
from oracle.serving import fields
from oracle.serving.exotics import ExoticsMessage
from oracle.serving.fields import refusal

MIN_RUNNERS, MAX_RUNNERS = 2, 40

_EXAMPLE_RUNNERS: list[dict[str, Any]] = [
    {
        "number": 1,
        "horse": "Silver Lining",
        "jockey": "A Rider",
        "trainer": "B Trainer",
        "draw": 4,
        "weight_kg": 60.5,
        "age": 5,
        "sex": "gelding",
        "official_rating": 82,
        "odds": 2.9,
    },
    {"number": 2, "horse": "Morning Mist", "jockey": "C Rider", "draw": 1, "weight_kg": 59.0, "age": 4, "odds": 1.9},
    {"number": 3, "horse": "Long Way Home", "draw": 7, "weight_kg": 57.0, "odds": 5.5},
    {"number": 4, "horse": "Stays at Home", "draw": 2, "weight_kg": 55.5, "withdrawn": True},
]
EXAMPLE: dict[str, Any] = {
    "race_id": "example-1",
    "course": "Sha Tin",
    "country": "HK",
    "off": "2025-06-01T15:35:00+08:00",
    "distance_m": 1200,
    "surface": "turf",
    "going": "Good to Firm",
    "race_class": "Class 3",
    "runners": _EXAMPLE_RUNNERS,
}
"""A card that is always valid: the documentation, the command line's help and the tests show the same one."""


def _whole_runner(value: object) -> object:
    if not isinstance(value, dict):
        raise refusal("not_a_runner", "must be an object with at least the horse's name", 'such as {"horse": "Name"}')
    return value


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunnerMessage(_Message):
    """One declared runner. Only `horse` is required; leave out, or set to null, what is not known."""

    horse: fields.Text = Field(description="Name of the horse.")
    horse_id: fields.Code | None = Field(None, description="The source's id of the horse; else its name is.")
    number: fields.SaddleNumber | None = Field(None, description="Saddle-cloth number.")
    jockey: fields.Text | None = Field(None, description="Name of the jockey.")
    jockey_id: fields.Code | None = Field(None, description="The source's id of the jockey.")
    trainer: fields.Text | None = Field(None, description="Name of the trainer.")
    trainer_id: fields.Code | None = Field(None, description="The source's id of the trainer.")
    sire: fields.Text | None = Field(None, description="Name of the sire.")
    draw: fields.Draw | None = Field(None, description="Starting stall, 1 nearest the rail.")
    weight_kg: fields.CarriedKg | None = Field(None, description="Weight carried, kilograms.")
    body_weight_kg: fields.BodyKg | None = Field(None, description="The horse's own weight, kilograms.")
    age: fields.Age | None = Field(None, description="Age in years.")
    sex: fields.SexWord | None = Field(None, description="Sex and condition of the horse.")
    official_rating: fields.Rating | None = Field(None, description="The handicapper's rating before the race.")
    gear: fields.Text | None = Field(None, description="Headgear and other equipment, in the source's own codes.")
    odds: fields.Odds | None = Field(None, description="Decimal odds, stake included.")
    withdrawn: fields.Flag = Field(False, description="Declared, will not start: no rank, probabilities of 0.")


class CardMessage(_Message):
    """A race before it is run: its conditions and its declared runners."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    course: fields.Text = Field(description="Racecourse, in the words of the results the model learned from.")
    off: fields.Moment = Field(description="Scheduled off time, ISO 8601 with a time zone.")
    runners: tuple[Annotated[RunnerMessage, BeforeValidator(_whole_runner)], ...] = Field(
        min_length=MIN_RUNNERS, max_length=MAX_RUNNERS, description="All declared runners, withdrawn ones included."
    )
    distance_m: fields.Metres | None = Field(None, description="Distance in metres.")
    going: fields.Going | None = Field(None, description="State of the ground.")
    surface: fields.SurfaceWord | None = Field(None, description="What the horses run on.")
    race_type: fields.RaceTypeOrFlat = Field(RaceType.FLAT.value, description="The discipline.")
    race_class: fields.Code | None = Field(None, description="Class, grade or band, in the source's own words.")
    track: fields.Text | None = Field(None, description="Rail position or track variant, such as A, C+3, inner.")
    country: fields.Country | None = Field(None, description="ISO 3166-1 alpha-2 code of the course's country.")
    prize: fields.Prize | None = Field(None, description="Prize money in thousands of local currency.")
    race_number: fields.RaceNumber | None = Field(None, description="Number of the race on its card.")
    race_name: fields.Text | None = Field(None, description="Name of the race.")
    race_id: fields.RaceId | None = Field(None, description="Your id of the race; it comes back with the answer.")

    @model_validator(mode="after")
    def _is_a_race(self) -> Self:
        _refuse_duplicates(self.runners)
        if sum(not runner.withdrawn for runner in self.runners) < MIN_RUNNERS:
            raise refusal("no_race", "leave fewer than two starters: a race needs two", field="runners")
        return self

    def as_card(self) -> RaceCard:
        """Return the same card as the value that the rooms below speak in."""
        runners = tuple(Runner(**runner.__dict__) for runner in self.runners)
        return RaceCard(**{**self.__dict__, "runners": runners})


def _refuse_duplicates(runners: tuple[RunnerMessage, ...]) -> None:
    """Refuse two runners with one number or one identity; equal names pass only where both carry different ids."""
    numbers: dict[int, int] = {}
    horses: dict[str, list[int]] = {}
    for at, runner in enumerate(runners):
        if runner.number is not None and (first := numbers.setdefault(runner.number, at)) != at:
            raise refusal("duplicate_number", f"repeats the number of runners[{first}]", field=f"runners[{at}].number")
        for key in {f"id {runner.horse_id}" if runner.horse_id else "", f"name {runner.horse.casefold()}"} - {""}:
            for first in horses.setdefault(key, []):
                other = runners[first]
                if key.startswith("id ") or not (runner.horse_id and other.horse_id):
                    raise refusal("duplicate_horse", f"is the horse of runners[{first}]", field=f"runners[{at}].horse")
            horses[key].append(at)


class ModelMessage(_Message):
    """Which model answered."""

    name: str = Field(description="Name of the registered model.")
    version: str = Field(description="Version in the registry.")
    semver: str | None = Field(None, description="Semantic version of the model.")


class RunnerAnswer(_Message):
    """What the model says of one runner."""

    number: int | None
    horse: str
    horse_id: str | None
    withdrawn: bool
    rank: int | None = Field(description="1 is the likeliest winner; null for a withdrawn runner.")
    score: float | None = Field(description="The ensemble's score: higher is better, comparable within the race only.")
    win: float = Field(description="Probability of winning; sums to 1 over the race.")
    place: float = Field(description="Probability of finishing in the places; sums to `places`.")
    fair_odds: float | None = Field(description="Decimal odds at which a bet to win has expectation zero: 1 / win.")
    odds: float | None = Field(description="The odds on the card.")
    edge: float | None = Field(description="Expected profit per unit staked at those odds: win x odds - 1.")
    known: bool = Field(description="False where the model had never seen the horse run.")


class PredictionMessage(_Message):
    """The answer to a card: every declared runner, in the order of the card."""

    prediction_id: str = Field(description="Id of this answer; GET /v1/predictions/{id} returns it again.")
    at: dt.datetime = Field(description="When it was answered, UTC.")
    race_id: str | None
    model: ModelMessage
    ensemble: Literal["market", "form"] = Field(description="market where every starter had odds, otherwise form.")
    places: int = Field(description="How many positions count as placed.")
    notes: tuple[str, ...] = Field(description="What the reader should know, such as odds that were missing.")
    runners: tuple[RunnerAnswer, ...]
    exotics: ExoticsMessage | None = Field(None, description="Likeliest combinations; null unless asked for.")


class ContributionMessage(_Message):
    """What one feature adds to the score of one runner."""

    feature: str
    value: float | None = Field(description="The feature's value; null where it is missing.")
    contribution: float = Field(description="Above 0 where it speaks for this runner more than for the field.")


class ExplanationMessage(_Message):
    """Why a runner has its score: base, contributions and others add up to it."""

    base: float = Field(description="What every runner of the race has in common.")
    contributions: tuple[ContributionMessage, ...] = Field(description="By absolute size, the largest first.")
    others: float = Field(description="Sum of the contributions that were not asked for; 0 where all are listed.")


class ExplainedRunner(RunnerAnswer):
    """What the model says of one runner, and why."""

    explanation: ExplanationMessage | None = Field(description="Null for a withdrawn runner.")


class ExplainedMessage(PredictionMessage):
    """The answer to a card with the reasons for each score (`?explain=true`)."""

    runners: tuple[ExplainedRunner, ...]
    meanings: dict[str, str] = Field(description="What each feature that contributes means.")


class ProblemMessage(BaseModel):
    """One thing that is wrong, where, and what would be right."""

    kind: str
    message: str
    field: str | None = Field(None, description="Path of the field, such as runners[3].draw.")
    value: str | None = Field(None, description="The offending value, shortened.")
    allowed: str | None = Field(None, description="What would have been accepted.")
    next_step: str | None = Field(None, description="What to do now.")


class RefusalMessage(BaseModel):
    """The body of every answer that is not a success: the first problem, and all of them."""

    error: ProblemMessage
    errors: tuple[ProblemMessage, ...]


def answer(
    card: CardMessage,
    said: CardPrediction,
    *,
    model: ModelMessage,
    prediction_id: str,
    at: dt.datetime,
    exotics: ExoticsMessage | None = None,
) -> PredictionMessage:
    """Return the message that carries a prediction, its runners matched with those of the card.

    Args:
        card: The card as it came in.
        said: What the model says of it, runners in the order of the card.
        model: The version that said it.
        prediction_id: Id of this answer.
        at: The moment of the answer.
        exotics: The likeliest combinations, where they were asked for.
    """
    runners = tuple(
        RunnerAnswer(
            number=asked.number,
            horse=asked.horse,
            horse_id=asked.horse_id,
            withdrawn=asked.withdrawn,
            rank=told.rank,
            score=told.score,
            win=told.win,
            place=told.place,
            fair_odds=told.fair_odds,
            odds=asked.odds,
            edge=told.edge,
            known=told.known,
        )
        for asked, told in zip(card.runners, said.runners, strict=True)
    )
    return PredictionMessage(
        prediction_id=prediction_id,
        at=at,
        race_id=card.race_id,
        model=model,
        ensemble=said.ensemble,
        places=said.places,
        notes=said.notes,
        runners=runners,
        exotics=exotics,
    )


def explained(said: PredictionMessage, why: CardExplanation, meanings: Mapping[str, str]) -> ExplainedMessage:
    """Return an answer with its reasons.

    Args:
        said: The answer.
        why: The reasons, runners in the order of the card.
        meanings: What each feature means.
    """
    runners = tuple(
        ExplainedRunner(**dict(runner), explanation=None if reasons is None else _reasons(reasons))
        for runner, reasons in zip(said.runners, why.runners, strict=True)
    )
    named = {c.feature for reasons in why.runners if reasons is not None for c in reasons.contributions}
    told = {name: meaning for name, meaning in meanings.items() if name in named}
    return ExplainedMessage(**dict(said) | {"runners": runners}, meanings=told)


def _reasons(of: RunnerExplanation) -> ExplanationMessage:
    parts = tuple(
        ContributionMessage(feature=c.feature, value=c.value, contribution=c.contribution) for c in of.contributions
    )
    return ExplanationMessage(base=of.base, contributions=parts, others=of.others)
