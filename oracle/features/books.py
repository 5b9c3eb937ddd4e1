"""All ledgers read at once for the runners of cards: one key per runner and ledger, one compiled call for the rest.

The same numbers as `State.read` gives, to the last bit, from the same tables. What differs is that a key is spelled and
looked up directly: sorting a dozen texts to find the distinct ones costs more than all the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from oracle.compiled import compiled
from oracle.features import keys
from oracle.features.keys import SEPARATOR, spelled
from oracle.features.ledger import Ledger, _fade
from oracle.features.ledgers import LEDGERS
from oracle.features.races import Races
from oracle.features.ratings import PARTICIPANTS, Ratings, _read_all
from oracle.race import GOINGS
from oracle.ranking.races import Bools, Floats, Ints

Word = str | None
Tables = tuple[Floats, ...]

_OF_RACE: Mapping[str, Callable[[Races, int], Word]] = {
    "course": lambda races, row: _text(races, "course", row),
    "surface": lambda races, row: _text(races, "surface", row),
    "race_type": lambda races, row: _text(races, "race_type", row),
    "race_class": lambda races, row: _text(races, "race_class", row),
    "distance": lambda races, row: _band(races.numbers["distance_m"][row]),
    "distance_band": lambda races, row: _band(keys.distance_bands(races.numbers["distance_m"][row : row + 1])[0]),
    "going_band": lambda races, row: _band(keys.going_bands(_wetness(races, row))[0]),
}
"""Parts of a key that all runners of a card share."""
_OF_RUNNER: Mapping[str, Callable[[Races], list[Word]]] = {
    "horse": lambda races: _texts(races, "horse_id"),
    "jockey": lambda races: _texts(races, "jockey_id"),
    "trainer": lambda races: _texts(races, "trainer_id"),
    "sire": lambda races: _texts(races, "sire"),
    "draw_band": lambda races: [_band(v) for v in keys.draw_band(races).tolist()],
}
"""Parts that are the runner's own."""


def _text(races: Races, name: str, row: int) -> Word:
    text = races.texts[name][row]
    return None if text is None else spelled(text)


def _texts(races: Races, name: str) -> list[Word]:
    return [None if text is None else spelled(text) for text in races.texts[name].tolist()]


def _band(value: float) -> Word:
    return str(int(value)) if -np.inf < value < np.inf else None


def _wetness(races: Races, row: int) -> Floats:
    return np.array([GOINGS.get(str(races.texts["going"][row]), np.nan)])


@dataclass(frozen=True, slots=True)
class _Pattern:
    """How a key is spelled: parts of the race, of the runner, of the race."""

    before: tuple[str, ...]
    own: tuple[str, ...]
    after: tuple[str, ...]

    @classmethod
    def of(cls, parts: tuple[str, ...]) -> _Pattern:
        own = [at for at, part in enumerate(parts) if part in _OF_RUNNER]
        if not own:
            return cls(parts, (), ())
        first, last = own[0], own[-1] + 1
        if not set(parts) - set(parts[first:last]) <= set(_OF_RACE) or len(own) != last - first:
            raise ValueError(f"a key has its runner's parts side by side, not {parts}")
        return cls(parts[:first], parts[first:last], parts[last:])

    def lookup(
        self, index: Mapping[str, int], shared: Mapping[tuple[str, ...], Word], own: Sequence[Sequence[Word]]
    ) -> list[int]:
        """Return the account of each runner of one race; -1 where it has none.

        Args:
            index: The accounts.
            shared: What all runners share, for each `before` and `after` there is; None where a part is missing.
            own: The runners' own parts, in the order of `_OF_RUNNER`.
        """
        head, tail, get = shared[self.before], shared[self.after], index.get
        if head is None or tail is None:
            return [-1] * len(own[0])
        if not self.own:
            return [get(head, -1)] * len(own[0])
        head, tail = head + SEPARATOR if self.before else "", SEPARATOR + tail if self.after else ""
        first, *others = (own[_AT[part]] for part in self.own)
        if others:
            rows = zip(first, *others, strict=True)
            return [-1 if None in row else get(head + SEPARATOR.join(row) + tail, -1) for row in rows]
        if head or tail:
            return [-1 if word is None else get(head + word + tail, -1) for word in first]
        return [get(word, -1) for word in first]  # type: ignore[arg-type]  # no account is kept under None


_AT = {part: at for at, part in enumerate(_OF_RUNNER)}


_PATTERNS = tuple(_Pattern.of(parts) for parts in (*(s.key for s in LEDGERS), *(parts for _, parts in PARTICIPANTS)))
"""Of each ledger, then of each rating."""
_SHARED = tuple({parts for pattern in _PATTERNS for parts in (pattern.before, pattern.after)})


def _joined(races: Races, row: int) -> dict[tuple[str, ...], Word]:
    """Return what the runners of the race at a row share, joined as keys need it."""
    words = {part: word(races, row) for part, word in _OF_RACE.items()}
    found: dict[tuple[str, ...], Word] = {}
    for parts in _SHARED:
        told = [words[part] for part in parts]
        found[parts] = None if None in told else SEPARATOR.join(told)  # type: ignore[arg-type]
    return found


FIRST: dict[str, int] = {}
"""Of each ledger, the column of its first entry where the entries of all ledgers stand side by side."""
ENTRIES: dict[str, int] = {}
"""The column of each `ledger.entry`."""
NUMBER: dict[str, int] = {spec.name: at for at, spec in enumerate(LEDGERS)}
"""Of each ledger, its column in the table of last runs."""
for _spec in LEDGERS:
    FIRST[_spec.name] = len(ENTRIES)
    for _entry in _spec.entries:
        ENTRIES[f"{_spec.name}.{_entry.name}"] = len(ENTRIES)
_BEGIN: Ints = np.array([*FIRST.values(), len(ENTRIES)], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Books:
    """The tables of a state's ledgers, side by side."""

    value: Tables
    weight: Tables
    last: Tables
    half_life: Floats
    """float64[E], seconds."""
    best: Bools
    """bool[E]."""

    @classmethod
    def of(cls, ledgers: Sequence[Ledger]) -> Books:
        """Return the tables of these ledgers; they are shared, not copied."""

        def shared(table: Floats) -> Floats:
            return np.require(table, dtype=np.float64, requirements=["C", "W"])  # one layout, one compiled loop

        return cls(
            tuple(shared(ledger.value) for ledger in ledgers),
            tuple(shared(ledger.weight) for ledger in ledgers),
            tuple(shared(ledger.last) for ledger in ledgers),
            np.concatenate([ledger._decay[1] for ledger in ledgers]),
            np.concatenate([ledger._decay[2] for ledger in ledgers]),
        )

    def hold(self, ledgers: Sequence[Ledger]) -> bool:
        """Tell whether these are still the ledgers' tables: a table that grows is another one."""
        for ledger, value, weight, last in zip(ledgers, self.value, self.weight, self.last, strict=True):
            if ledger.value is not value or ledger.weight is not weight or ledger.last is not last:
                return False
        return True


def read(
    races: Races, ledgers: Sequence[Ledger], ratings: Ratings, books: Books
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return means and weights (float64[N, E]), last runs (float64[N, L]) and ratings (float64[N, 4]) of cards.

    Args:
        races: The starters.
        ledgers: The ledgers, in the order of `LEDGERS`.
        ratings: The ratings.
        books: The tables of the ledgers.
    """
    runners = races.runners
    indices = [*(ledger.holders.index for ledger in ledgers), *(holders.index for holders in ratings.holders)]
    found: list[list[int]] = [[] for _ in indices]
    own = [words(races) for words in _OF_RUNNER.values()]
    for begin, end in zip(races.offsets[:-1].tolist(), races.offsets[1:].tolist(), strict=True):
        shared = _joined(races, begin)
        mine = own if end - begin == runners else [words[begin:end] for words in own]
        for accounts, pattern, index in zip(found, _PATTERNS, indices, strict=True):
            accounts += pattern.lookup(index, shared, mine)
    account = np.array(found, dtype=np.int64).reshape(len(indices), runners)
    entries = len(books.best)
    value, weight = np.full((runners, entries), np.nan), np.zeros((runners, entries))
    last, rating = np.full((runners, len(ledgers)), np.nan), np.full((runners, 4), np.nan)
    _read_books(account[: len(ledgers)], races.off_of_runner, _BEGIN, *_tables(books), value, weight, last)
    _read_all(account[len(ledgers) :], tuple(ratings.table), rating)
    return value, weight, last, rating


def _tables(books: Books) -> tuple[Tables, Tables, Tables, Floats, Bools]:
    return books.value, books.weight, books.last, books.half_life, books.best


@compiled()
def _read_books(accounts, at, begin, values, weights, lasts, half_life, best, value, weight, last):  # type: ignore[no-untyped-def]  # pragma: no cover
    for k in range(len(accounts)):
        of_value, of_weight, of_last = values[k], weights[k], lasts[k]
        for i in range(accounts.shape[1]):
            key = accounts[k, i]
            if key < 0 or np.isnan(of_last[key]):
                continue
            last[i, k] = of_last[key]
            elapsed = at[i] - of_last[key]
            for s in range(of_value.shape[1]):
                entry = begin[k] + s
                value[i, entry] = of_value[key, s]
                faded = of_weight[key, s]
                if not best[entry]:
                    faded *= _fade(elapsed, half_life[entry])
                weight[i, entry] = faded
