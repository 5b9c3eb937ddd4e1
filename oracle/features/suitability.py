"""Features of how a race suits its runners: distance, course, going, surface, and where they start from."""

from __future__ import annotations

from oracle.features.feature import Feature, Missing, Source
from oracle.race import Known


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
            )
            for quantity in ("finish", "margin", "speed")
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
    )


FEATURES: tuple[Feature, ...] = (
    *_fit("suits_distance", "horse_distance", "at about the distance"),
    *_fit("suits_course", "horse_course", "on the course"),
    *_fit("suits_surface", "horse_surface", "on the surface"),
    *_fit("suits_going", "horse_going", "on such going"),
    *_fit("suits_jockey", "horse_jockey", "under the jockey"),
    _stall("draw_finish", "draw.finish", 0.5, 50.0, "How runners from this part of the stalls finish here, shrunk."),
    _stall("draw_surprise", "draw.surprise", 0.0, 50.0, "How they beat the market, shrunk."),
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
