"""Features of how a race suits its runners: distance, course, going, surface, and where they start from."""

from __future__ import annotations

from collections.abc import Callable

from oracle.features.conditions import draw_place
from oracle.features.feature import Feature, Missing, Source, View
from oracle.race import Known
from oracle.ranking.races import Floats


def _fit(name: str, ledger: str, meaning: str) -> tuple[Feature, ...]:
    """Return a horse's record under a condition, as far as it differs from its record as a whole."""

    def above(quantity: str, strength: float):  # type: ignore[no-untyped-def]
        entry, career = f"{ledger}.{quantity}", f"horse.{quantity}"
        return lambda v: v.shrunk(entry, v.mean(career), strength) - v.mean(career)

    return (
        Feature(
            f"{name}_runs",
            Source.CARD_AND_HISTORY,
            Known.DECLARED,
            Missing.ZERO,
            f"Runs {meaning}.",
            lambda v: v.weight(f"{ledger}.finish"),
        ),
        *(
            Feature(
                f"{name}_{quantity}",
                Source.CARD_AND_HISTORY,
                Known.DECLARED,
                Missing.NAN,
                f"{quantity.capitalize()} {meaning} above the career's, shrunk.",
                above(quantity, 2.0),
                beyond_market=quantity == "excess",
            )
            for quantity in ("finish", "margin", "speed", "excess")
        ),
    )


def _stall(name: str, entry: str, prior: float, strength: float, meaning: str) -> Feature:
    return Feature(
        name,
        Source.CARD_AND_HISTORY,
        Known.OFF,
        Missing.PRIOR,
        meaning,
        lambda v: v.centred(v.shrunk(entry, prior, strength)),
        beyond_market=entry.endswith(("surprise", "excess")),
    )


def _bias(ledger: str, strength: float, where: str) -> tuple[Feature, ...]:
    """Return how a course's bias suits each runner: its trait, times how much such runners beat the market of late."""

    def suits(name: str, known: Known, trait: Callable[[View], Floats], who: str) -> Feature:
        entry = f"{ledger}.{name}_excess"
        return Feature(
            f"{ledger}_{name}",
            Source.CARD_AND_HISTORY,
            known,
            Missing.NAN,
            f"How much {who} beat the market {where}, times how much this is one.",
            lambda v: v.centred(trait(v)) * v.shrunk(entry, 0.0, strength),
            beyond_market=True,
        )

    return (
        suits("front", Known.DECLARED, lambda v: v.mean("horse.recent_early"), "leaders"),
        suits("wide", Known.OFF, draw_place, "outer stalls"),
        suits("light", Known.DECLARED, lambda v: -v.card("weight_kg"), "light weights"),
    )


FEATURES: tuple[Feature, ...] = (
    *_fit("suits_distance", "horse_distance", "at about the distance"),
    *_fit("suits_course", "horse_course", "on the course"),
    *_fit("suits_surface", "horse_surface", "on the surface"),
    *_fit("suits_going", "horse_going", "on such going"),
    *_fit("suits_jockey", "horse_jockey", "under the jockey"),
    _stall("draw_finish", "draw.finish", 0.5, 50.0, "How runners from this part of the stalls finish here, shrunk."),
    _stall("draw_surprise", "draw.surprise", 0.0, 50.0, "How they beat the market, shrunk."),
    _stall("draw_excess", "draw.excess", 0.0, 50.0, "Rivals they beat beyond the market's expectation."),
    _stall("draw_going_excess", "draw_going.excess", 0.0, 50.0, "The same on such going."),
    *_bias("bias", 100.0, "here"),
    *_bias("bias_going", 100.0, "here on such going"),
    _stall("draw_lately", "draw_recent.finish", 0.5, 30.0, "How they finish here in these weeks, shrunk."),
    Feature(
        "leaders_course",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.PRIOR,
        "Where winners lie at the first call here, 1 in front.",
        lambda v: v.shrunk("course.early", 0.6, 10.0),
    ),
    Feature(
        "leader_on_leaders_course",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.NAN,
        "Expected early place, times how far this course favours leaders.",
        lambda v: v.centred(v.mean("horse.recent_early")) * (v.shrunk("course.early", 0.6, 10.0) - 0.5),
    ),
)
