"""Which accounts are kept: of the horse, alone and under conditions; of its people; of its sire; of the stalls."""

from __future__ import annotations

from oracle.features.ledger import Entry, LedgerSpec

RECENT = 0.6
"""Retention of recent form: the last run weighs 40 %, the one before 24 %, ..."""


def _last(*names: str) -> tuple[Entry, ...]:
    return tuple(Entry(f"last_{n}", n, retention=0.0) for n in names)


def _recent(*names: str) -> tuple[Entry, ...]:
    return tuple(Entry(f"recent_{n}", n, retention=RECENT) for n in names)


def _career(*names: str) -> tuple[Entry, ...]:
    return tuple(Entry(n, n) for n in names)


def _best(*names: str) -> tuple[Entry, ...]:
    return tuple(Entry(f"best_{n}", n, best=True) for n in names)


_PEOPLE = (
    Entry("won", "won", half_life_days=365.0),
    Entry("placed", "placed", half_life_days=365.0),
    Entry("finish", "finish", half_life_days=365.0),
    Entry("surprise", "surprise", half_life_days=730.0),
    Entry("excess", "excess", half_life_days=730.0),
    Entry("hot_excess", "excess", half_life_days=30.0),
    Entry("hot_finish", "finish", half_life_days=21.0),
    Entry("hot_surprise", "surprise", half_life_days=30.0),
)
_FIT = (Entry("finish", "finish"), Entry("margin", "margin"), Entry("speed", "speed"), Entry("excess", "excess"))
_BIAS = tuple(Entry(n, n, half_life_days=730.0) for n in ("front_excess", "wide_excess", "light_excess"))

_SKILL = (
    Entry("finish", "finish", half_life_days=730.0),
    Entry("surprise", "surprise", half_life_days=730.0),
    Entry("excess", "excess", half_life_days=730.0),
)

LEDGERS: tuple[LedgerSpec, ...] = (
    LedgerSpec(
        "horse",
        ("horse",),
        (
            *_career("run", "won", "placed", "finish", "margin", "speed", "surprise", "market", "failed"),
            *_career("excess"),
            *_recent("excess"),
            *_last("excess"),
            *_career("published_speed", "published_merit", "distance", "class"),
            *_recent("finish", "margin", "speed", "surprise", "market", "failed", "early", "late", "split", "class"),
            *_recent("published_speed", "published_merit"),
            *_last("finish", "margin", "speed", "market", "early", "split", "class", "rating", "weight", "body"),
            *_last("distance", "wetness", "field", "position", "published_speed", "published_merit"),
            *_best("speed", "margin", "published_speed", "published_merit", "class"),
            Entry("busy", "run", half_life_days=45.0),
        ),
    ),
    LedgerSpec("horse_distance", ("horse", "distance_band"), _FIT),
    LedgerSpec("horse_course", ("horse", "course"), _FIT),
    LedgerSpec("horse_surface", ("horse", "surface", "race_type"), _FIT),
    LedgerSpec("horse_going", ("horse", "going_band"), _FIT),
    LedgerSpec("horse_jockey", ("horse", "jockey"), _FIT),
    LedgerSpec("jockey", ("jockey",), _PEOPLE),
    LedgerSpec("trainer", ("trainer",), _PEOPLE),
    LedgerSpec("jockey_trainer", ("jockey", "trainer"), _SKILL),
    LedgerSpec("jockey_course", ("jockey", "course", "surface"), _SKILL),
    LedgerSpec("trainer_course", ("trainer", "course", "surface"), _SKILL),
    LedgerSpec("trainer_distance", ("trainer", "distance_band"), _SKILL),
    LedgerSpec("trainer_class", ("trainer", "race_class"), _SKILL),
    LedgerSpec("sire", ("sire",), _SKILL),
    LedgerSpec("sire_surface", ("sire", "surface"), _SKILL),
    LedgerSpec("draw", ("course", "surface", "distance", "draw_band"), _SKILL),
    LedgerSpec("draw_recent", ("course", "surface", "draw_band"), (Entry("finish", "finish", half_life_days=60.0),)),
    LedgerSpec("sire_distance", ("sire", "distance_band"), _SKILL),
    LedgerSpec("sire_going", ("sire", "going_band"), _SKILL),
    LedgerSpec("trainer_type", ("trainer", "race_type"), _SKILL),
    LedgerSpec("jockey_type", ("jockey", "race_type"), _SKILL),
    LedgerSpec("jockey_distance", ("jockey", "distance_band"), _SKILL),
    LedgerSpec("draw_going", ("course", "surface", "going_band", "draw_band"), _SKILL),
    LedgerSpec("bias", ("course", "surface", "distance"), _BIAS),
    LedgerSpec("bias_going", ("course", "surface", "going_band"), _BIAS),
    LedgerSpec("course", ("course", "surface", "distance"), (Entry("early", "early_won", half_life_days=730.0),)),
)
