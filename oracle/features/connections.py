"""Features of the people: jockey, trainer, the two together, and the sire."""

from __future__ import annotations

from oracle.features.feature import Feature, Missing, Source
from oracle.race import Known

PRIOR: dict[str, float] = {
    "won": 0.09,
    "placed": 0.27,
    "finish": 0.5,
    "surprise": 0.0,
    "excess": 0.0,
    "hot_excess": 0.0,
    "hot_finish": 0.5,
    "hot_surprise": 0.0,
}
"""What an average participant's entries say, in a field of eleven."""

BEYOND_MARKET = ("surprise", "excess", "hot_surprise", "hot_excess")


def _skill(ledger: str, quantity: str, strength: float, meaning: str, *, compared: bool = True) -> tuple[Feature, ...]:
    entry = f"{ledger}.{quantity}"
    name = f"{ledger}_{quantity}"
    out = [
        Feature(
            f"{name}_rel",
            Source.CARD_AND_HISTORY,
            Known.DECLARED,
            Missing.PRIOR,
            f"{meaning}, shrunk, minus the race's mean.",
            lambda v: v.centred(v.shrunk(entry, PRIOR[quantity], strength)),
            beyond_market=quantity in BEYOND_MARKET,
        )
    ]
    if not compared:
        return tuple(out)
    own = Feature(
        name,
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.PRIOR,
        f"{meaning}, shrunk.",
        lambda v: v.shrunk(entry, PRIOR[quantity], strength),
        beyond_market=quantity in BEYOND_MARKET,
    )
    return (own, *out)


FEATURES: tuple[Feature, ...] = (
    *(
        f
        for who in ("jockey", "trainer")
        for f in (
            *_skill(who, "won", 40.0, f"Win rate of the {who}, half-life a year"),
            *_skill(who, "placed", 30.0, f"Place rate of the {who}", compared=False),
            *_skill(who, "finish", 30.0, f"Mean finish of the {who}"),
            *_skill(who, "surprise", 100.0, f"Wins of the {who} above the market's expectation"),
            *_skill(who, "excess", 50.0, f"Rivals beaten by the {who} beyond the market's expectation", compared=False),
            *_skill(who, "hot_excess", 20.0, f"Rivals beaten by the {who} beyond it in these weeks", compared=False),
            *_skill(who, "hot_finish", 10.0, f"Mean finish of the {who} in these weeks", compared=False),
            *_skill(who, "hot_surprise", 20.0, f"Wins of the {who} above expectation in these weeks", compared=False),
        )
    ),
    *(
        f
        for ledger, words in (
            ("jockey_trainer", "of jockey and trainer together"),
            ("jockey_course", "of the jockey on the course"),
            ("trainer_course", "of the trainer on the course"),
            ("trainer_distance", "of the trainer at about the distance"),
            ("trainer_class", "of the trainer in the class"),
            ("sire", "of the sire's runners"),
            ("sire_surface", "of the sire's runners on the surface"),
            ("sire_distance", "of the sire's runners at about the distance"),
            ("sire_going", "of the sire's runners on such going"),
            ("trainer_type", "of the trainer in this kind of race"),
            ("jockey_type", "of the jockey in this kind of race"),
            ("jockey_distance", "of the jockey at about the distance"),
        )
        for f in (
            *_skill(ledger, "finish", 20.0, f"Mean finish {words}", compared=False),
            *_skill(ledger, "surprise", 60.0, f"Wins above the market's expectation {words}", compared=False),
            *_skill(ledger, "excess", 30.0, f"Rivals beaten beyond the market's expectation {words}", compared=False),
        )
    ),
    Feature(
        "strength_jockey",
        Source.HISTORY,
        Known.DECLARED,
        Missing.ZERO,
        "The jockey's part of the Plackett-Luce rating, minus the race's mean.",
        lambda v: v.centred(v.reading.ratings[:, 1]),
    ),
    Feature(
        "strength_trainer",
        Source.HISTORY,
        Known.DECLARED,
        Missing.ZERO,
        "The trainer's part of the Plackett-Luce rating, minus the race's mean.",
        lambda v: v.centred(v.reading.ratings[:, 2]),
    ),
    Feature(
        "jockey_with_horse",
        Source.CARD_AND_HISTORY,
        Known.DECLARED,
        Missing.ZERO,
        "Share of the horse's runs under this jockey.",
        lambda v: v.weight("horse_jockey.finish") / (v.weight("horse.run") + 1.0),
    ),
)
