"""The as-of state: everything known of horses, jockeys, trainers and courses at a moment.

Training walks a history through the state and keeps what each race read; the state as it stands at the end is saved
with the model. Serving reads it for a card and folds each later result in. One class does both, so that the features
a model was trained on and those it is asked about cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from oracle.features import books
from oracle.features.books import Books
from oracle.features.keys import keys
from oracle.features.ledger import Ledger
from oracle.features.ledgers import LEDGERS
from oracle.features.races import Races
from oracle.features.ratings import Ratings
from oracle.features.runs import PAR_LEDGERS, facts
from oracle.ranking.races import Bools, Floats, Ints

KINDS = ("horse", "jockey", "trainer")


@dataclass(frozen=True)
class Reading:
    """What the state knew of each runner at the off."""

    means: Mapping[str, Floats]
    """float64[N] per `ledger.entry`; NaN where nothing was known."""
    weights: Mapping[str, Floats]
    """float64[N] per `ledger.entry`: how many runs (faded) the mean rests on; 0 where none."""
    last: Mapping[str, Floats]
    """float64[N] per ledger: time of the account's last run, seconds since 1970; NaN where none."""
    ratings: Floats
    """float64[N, 4] from `Ratings.walk`."""


@dataclass
class State:
    """What is known after the results folded in so far."""

    ledgers: dict[str, Ledger] = field(default_factory=lambda: {s.name: Ledger(s) for s in LEDGERS})
    pars: dict[str, Ledger] = field(default_factory=lambda: {s.name: Ledger(s) for s in PAR_LEDGERS})
    ratings: Ratings = field(default_factory=Ratings)
    names: dict[str, dict[str, str]] = field(default_factory=lambda: {k: {} for k in KINDS})
    """Per kind of participant: name -> id under which it last ran."""
    through: float = -np.inf
    """Off time of the latest race folded in, seconds since 1970."""
    _books: Books | None = field(default=None, init=False, repr=False, compare=False)

    def walk(self, races: Races, cards: Bools | None = None) -> Reading:
        """Read each race as of its off and fold all of them in, in the order of time.

        Args:
            races: Races with results, ordered by off; none of them folded in before.
            cards: bool[R], which of them are cards: read as of their off like the others, and never folded in.
        """
        unrun = None if cards is None else np.repeat(cards, np.diff(races.offsets))
        said = facts(races, self.pars, unrun)
        means: dict[str, Floats] = {}
        weights: dict[str, Floats] = {}
        last: dict[str, Floats] = {}
        for name, ledger in self.ledgers.items():
            account = ledger.accounts(*keys(races, ledger.spec.key), open_new=True)
            runs = np.column_stack([said[e.of] for e in ledger.spec.entries])
            into = None if unrun is None else np.where(unrun, -1, account)
            read = ledger.walk(races.offsets, races.off, account, runs, into=into)
            self._note(name, ledger, read, means, weights, last)
        accounts = self.ratings.accounts(races, open_new=True)
        into = None if unrun is None else np.where(unrun, -1, accounts)
        ratings = self.ratings.walk(
            races.offsets, races.off, accounts, races.numbers["position"], said["behind"], into=into
        )
        self._remember(races, unrun)
        return Reading(means, weights, last, ratings)

    def read(self, races: Races) -> Reading:
        """Return what is known of the runners of cards, and change nothing."""
        means: dict[str, Floats] = {}
        weights: dict[str, Floats] = {}
        last: dict[str, Floats] = {}
        for name, ledger in self.ledgers.items():
            account = ledger.accounts(*keys(races, ledger.spec.key), open_new=False)
            self._note(name, ledger, ledger.read(account, races.off_of_runner), means, weights, last)
        ratings = self.ratings.read(self.ratings.accounts(races, open_new=False))
        return Reading(means, weights, last, ratings)

    def read_cards(self, races: Races) -> tuple[Floats, Floats, Floats, Floats]:
        """Return what `read` does as tables, in far less time for the few runners of cards; see `books.read`.

        A column of the first two is an entry of a ledger (`books.ENTRIES`), one of the third a ledger (`books.NUMBER`).
        """
        ledgers = list(self.ledgers.values())
        known = self._books
        if known is None or not known.hold(ledgers):
            known = self._books = Books.of(ledgers)
        return books.read(races, ledgers, self.ratings, known)

    def alias(self, kind: str, given: str | None, name: str | None) -> str | None:
        """Return the id a participant is booked under.

        Without an id, the one its name last ran under. An id the history does not know gives way to the name only
        where the history books by name: where it has ids of its own, a new id is a newcomer, whatever it is called.
        """
        known = self.ledgers[kind].holders.index
        if given is None:
            return None if name is None else self.names[kind].get(name, name)
        return name if given not in known and name in known else given

    @staticmethod
    def _note(
        name: str,
        ledger: Ledger,
        read: tuple[Floats, Floats, Floats],
        means: dict[str, Floats],
        weights: dict[str, Floats],
        last: dict[str, Floats],
    ) -> None:
        value, weight, last[name] = read
        for i, entry in enumerate(ledger.spec.entries):
            means[f"{name}.{entry.name}"] = value[:, i]
            weights[f"{name}.{entry.name}"] = weight[:, i]

    def _remember(self, races: Races, unrun: Bools | None) -> None:
        for kind in KINDS:
            ids, names = races.texts[f"{kind}_id"], races.texts[kind]
            if unrun is not None:
                ids, names = ids[~unrun], names[~unrun]
            self.names[kind].update({n: i for n, i in zip(names, ids, strict=True) if n and i and n != i})
        off = races.off_of_runner if unrun is None else races.off_of_runner[~unrun]
        if len(off):
            self.through = max(self.through, float(off[-1]))

    def copy(self) -> State:
        """Return an equal state that shares nothing which changes: one may be walked on while the other is read.

        Costs a copy of the arrays and of the key tables: 3 ms for ten years of Hong Kong (13 MB).
        """
        return State(
            ledgers={name: ledger.copy() for name, ledger in self.ledgers.items()},
            pars={name: ledger.copy() for name, ledger in self.pars.items()},
            ratings=self.ratings.copy(),
            names={kind: known.copy() for kind, known in self.names.items()},
            through=self.through,
        )

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return plain arrays from which `restore` makes an equal state."""
        out: dict[str, npt.NDArray[Any]] = {"through": np.array([self.through])}
        for group, ledgers in (("ledger", self.ledgers), ("par", self.pars)):
            for name, ledger in ledgers.items():
                out |= {f"{group}/{name}/{k}": v for k, v in ledger.dump().items()}
        out |= {f"ratings/{k}": v for k, v in self.ratings.dump().items()}
        for kind, known in self.names.items():
            out[f"names/{kind}"] = np.frombuffer(orjson.dumps(known), dtype=np.uint8)
        return out

    @classmethod
    def restore(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> State:
        """Return the state that `dump` described."""

        def under(prefix: str) -> dict[str, npt.NDArray[Any]]:
            return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

        return cls(
            ledgers={s.name: Ledger.restore(s, under(f"ledger/{s.name}/")) for s in LEDGERS},
            pars={s.name: Ledger.restore(s, under(f"par/{s.name}/")) for s in PAR_LEDGERS},
            ratings=Ratings.restore(under("ratings/")),
            names={kind: orjson.loads(arrays[f"names/{kind}"].tobytes()) for kind in KINDS},
            through=float(arrays["through"][0]),
        )


def gaps(races: Races, seconds: float) -> Ints:
    """Return int64[.], the races before which a history may be cut: nothing is still running when they are off."""
    return np.flatnonzero(np.diff(races.off) >= seconds) + 1
