"""What goes over the wire after the off: results of races in, and what became of each.

The names are those of the card and of the canonical runner table. Only the form is judged here: whether a told weight
or time is possible is for `oracle.data.check` to say, which judges the files of `oracle ingest` by the same rules.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oracle.race import RaceType, Status
from oracle.serving import fields
from oracle.serving.fields import refusal
from oracle.store.keys import race_key

MAX_RACES, MAX_RUNNERS = 100, 60

EXAMPLE: dict[str, Any] = {
    "races": [
        {
            "race_id": "example-1",
            "course": "Sha Tin",
            "country": "HK",
            "off": "2025-06-01T15:35:00+08:00",
            "distance_m": 1200,
            "surface": "turf",
            "going": "Good to Firm",
            "race_class": "Class 3",
            "runners": [
                {"number": 1, "horse": "Silver Lining", "odds": 2.9, "position": 2, "time_s": 69.6},
                {"number": 2, "horse": "Morning Mist", "odds": 1.9, "position": 1, "time_s": 69.4},
                {"number": 3, "horse": "Long Way Home", "odds": 5.5, "status": "pulled_up"},
                {"number": 4, "horse": "Stays at Home", "withdrawn": True},
            ],
        }
    ]
}
"""A message that is always valid; its race is the one of `oracle.serving.messages.EXAMPLE`."""


_A_RUNNER = fields.an_object("a runner", '{"horse": "Name", "position": 1}')
_A_RACE = fields.an_object("a race", '{"course": "Name", "off": "...", "runners": [...]}')


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RunnerResult(_Message):
    """One declared runner and how it fared. Required is the horse, and a position or what happened instead."""

    horse: fields.Text = Field(description="Name of the horse.")
    horse_id: fields.Code | None = Field(None, description="The source's id; else the one its name last ran under.")
    number: fields.SaddleNumber | None = Field(None, description="Saddle-cloth number.")
    position: fields.Place | None = Field(None, description="Official finishing position; null for who has none.")
    status: fields.StatusWord | None = Field(None, description="What became of it; default: finished, by position.")
    withdrawn: fields.Flag = Field(False, description="Did not start: short for the status `withdrawn`.")
    dead_heat: fields.Flag = Field(False, description="Shares its position.")
    beaten_lengths: fields.Real | None = Field(None, description="Lengths behind the winner; 0 for the winner.")
    time_s: fields.Real | None = Field(None, description="Its own finishing time, seconds.")
    last_split_s: fields.Real | None = Field(None, description="Time of the last section, seconds.")
    first_call: fields.Place | None = Field(None, description="Place in running at the first call.")
    last_call: fields.Place | None = Field(None, description="Place in running at the last call.")
    odds: fields.Real | None = Field(None, description="Final decimal odds, stake included.")
    jockey: fields.Text | None = Field(None, description="Name of the jockey.")
    jockey_id: fields.Code | None = Field(None, description="The source's id of the jockey.")
    trainer: fields.Text | None = Field(None, description="Name of the trainer.")
    trainer_id: fields.Code | None = Field(None, description="The source's id of the trainer.")
    sire: fields.Text | None = Field(None, description="Name of the sire.")
    draw: fields.Draw | None = Field(None, description="Starting stall, 1 nearest the rail.")
    weight_kg: fields.Real | None = Field(None, description="Weight carried, kilograms.")
    body_weight_kg: fields.Real | None = Field(None, description="The horse's own weight, kilograms.")
    age: fields.Count | None = Field(None, description="Age in years.")
    sex: fields.OpenSex | None = Field(None, description="Sex and condition of the horse.")
    official_rating: fields.Real | None = Field(None, description="The handicapper's rating before the race.")
    gear: fields.Text | None = Field(None, description="Headgear and other equipment.")
    speed_rating: fields.Real | None = Field(None, description="The publisher's speed figure of the run.")
    performance_rating: fields.Real | None = Field(None, description="The publisher's rating of the run.")

    @model_validator(mode="after")
    def _fared_somehow(self) -> Self:
        if self.status is None and self.position is None and not self.withdrawn:
            allowed = f"a position, or a status: {', '.join(Status)}"
            raise refusal("no_outcome", "says neither where the horse finished nor what happened", allowed)
        if self.withdrawn and (self.position is not None or self.status not in (None, Status.WITHDRAWN)):
            raise refusal("contradiction", "is withdrawn and has a position or another status", "one of the two")
        return self

    @property
    def outcome(self) -> str:
        """What became of the runner, in the word of the runner table."""
        return str(Status.WITHDRAWN if self.withdrawn else self.status or Status.FINISHED)


class RaceMessage(_Message):
    """A race that has been run: the conditions of its card, and its runners."""

    course: fields.Text = Field(description="Racecourse, in the words of the card.")
    off: fields.Moment = Field(description="Scheduled off time of the card, ISO 8601 with a time zone.")
    runners: tuple[Annotated[RunnerResult, _A_RUNNER], ...] = Field(
        min_length=1, max_length=MAX_RUNNERS, description="All declared runners, withdrawn ones included."
    )
    race_id: fields.RaceId | None = Field(None, description="The id on the card; without one, course and minute.")
    date: fields.Day | None = Field(None, description="Local date of the meeting; default: that of `off`.")
    distance_m: fields.Count | None = Field(None, description="Distance in metres.")
    going: fields.OpenGoing | None = Field(None, description="State of the ground.")
    surface: fields.OpenSurface | None = Field(None, description="What the horses ran on.")
    race_type: fields.RaceTypeOrFlat = Field(RaceType.FLAT.value, description="The discipline.")
    race_class: fields.Code | None = Field(None, description="Class, grade or band.")
    track: fields.Text | None = Field(None, description="Rail position or track variant.")
    country: fields.Country | None = Field(None, description="ISO 3166-1 alpha-2 code of the course's country.")
    prize: fields.Real | None = Field(None, description="Prize money in thousands of local currency.")
    race_number: fields.RaceNumber | None = Field(None, description="Number of the race on its card.")
    race_name: fields.Text | None = Field(None, description="Name of the race.")

    @property
    def key(self) -> str:
        """What joins this result with its predictions."""
        return race_key(self.race_id, self.course, self.off)


class ResultsMessage(_Message):
    """Results of some races."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    races: tuple[Annotated[RaceMessage, _A_RACE], ...] = Field(
        min_length=1, max_length=MAX_RACES, description="Races that have been run, in any order."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen: dict[str, int] = {}
        for at, race in enumerate(self.races):
            if (first := seen.setdefault(race.key, at)) != at:
                raise refusal("duplicate_race", f"is the race of races[{first}]", field=f"races[{at}]")
        return self


class RefusedRow(_Message):
    """Why something of a race was not accepted."""

    runner: int | None = Field(description="Place in `runners`, from 0; null where the whole race is refused.")
    horse: str | None
    reason: str = Field(description="`code: detail`, as in the quarantine of oracle ingest.")


class ResultReceipt(_Message):
    """What became of one race."""

    race_id: str | None
    race_key: str = Field(description="What joins the result with its predictions.")
    what: Literal["new", "same", "corrected", "refused"]
    seq: int | None = Field(description="Number of the telling in force; null where there is none.")
    predictions: int = Field(description="Predictions of this race in the store.")
    refused: tuple[RefusedRow, ...]


class ResultsReceipt(_Message):
    """What became of each race, in the order of the message."""

    races: tuple[ResultReceipt, ...]
    notes: dict[str, int] = Field(description="Rows accepted although something is odd, by code (docs/data.md).")
