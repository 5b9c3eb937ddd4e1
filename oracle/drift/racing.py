"""What a window of whole races says, as sums by meeting: a value that adds. Pure.

`RaceSums.of` reads a drift table (one row per starter, the rows of a race together) and keeps, of each meeting, sums
and counts: how well the model and the market ranked, what the model expected of itself, how its probabilities are
distributed, who won. Everything a verdict needs with an interval is a ratio of these, and the meetings' scatter is the
interval. Adding two windows adds the meetings they share: the order and the blocks in which races come do not matter.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from oracle.drift.starters import COLUMNS, Starters, columns_of
from oracle.drift.tally import Tally, tallied
from oracle.errors import BadInput
from oracle.ranking.races import Floats, Ints

if TYPE_CHECKING:
    import pyarrow as pa

UNIT = 2.0**-30
"""Step of all that is summed; up to eight million races a double holds the sum of such steps to the last bit."""
MEETINGS = 1 << 16
"""Most meetings kept apart; two that share a number are taken as one, so that a window of any size stays small."""
SLICES = 2_000
"""Most values of course, distance, ... kept apart; what comes later is counted in the total only."""
OF_A_SLICE = ("races", "judged", "ndcg", "ndcg_squared", "both", "model", "market")
"""What is kept of each course, distance, ...: no more than the causes of a fall need."""


@dataclass(frozen=True)
class RaceSums:
    """The races of a window, summed.

    `(a + b) + c == a + (b + c)`, and `a + RaceSums.zero() == a`: as many blocks as one likes, in any order.
    """

    meetings: Tally
    """Sums of each meeting, a column for each name of `starters.COLUMNS`."""
    slices: Mapping[tuple[str, str], Floats]
    """(course, Sha Tin), ... -> `OF_A_SLICE`."""
    times: Tally
    """Races, sum and sum of squares of log winning time, of each meeting and kind of race (see `Starters.kind`)."""
    kinds: Mapping[int, str]
    """What the kinds of race are called."""
    first: int | None = None
    """Days since 1970 of the first race."""
    last: int | None = None

    @classmethod
    def zero(cls) -> RaceSums:
        """Return the window without a race."""
        return _zero()

    @classmethod
    def of(cls, table: pa.Table, layout: object = None) -> RaceSums:  # noqa: ARG003
        """Return the sums of a table of whole races; of one without races (no `race_id`) those of no race.

        Args:
            table: A drift table; columns that are missing leave their sums at 0.
            layout: Taken for the sake of the caller; the columns of a race have fixed names.
        """
        starters = Starters.of(table)
        return cls.zero() if starters is None else of_starters(starters)

    def __add__(self, other: RaceSums) -> RaceSums:
        """Return the sums of both windows."""
        if not other:
            return self
        if not self:
            return other
        slices = dict(self.slices)
        for key, sums in other.slices.items():
            if key in slices:
                slices[key] = slices[key] + sums
            elif len(slices) < SLICES:
                slices[key] = sums
        days = [day for day in (self.first, other.first, self.last, other.last) if day is not None]
        return RaceSums(
            self.meetings + other.meetings,
            slices,
            self.times + other.times,
            {**self.kinds, **other.kinds},
            min(days, default=None),
            max(days, default=None),
        )

    def __bool__(self) -> bool:
        """Whether there is a race."""
        return bool(self.meetings.keys.size)

    def __getitem__(self, name: str) -> Floats:
        """Return float64[M]: the sum of each meeting."""
        return self.meetings.sums[:, COLUMNS.index(name)]

    def counts(self, group: str) -> Floats:
        """Return float64[M, k]: how each meeting's races (or runners) fall into the bins of a distribution."""
        return self.meetings.sums[:, columns_of(group)]

    def total(self, name: str) -> float:
        """Return the sum over all meetings."""
        return float(self[name].sum())

    @property
    def races(self) -> int:
        """How many races there are."""
        return int(self.total("races")) if self else 0

    def to_bytes(self) -> bytes:
        """Return the value as bytes that `from_bytes` reads; no code is in them."""
        sink = io.BytesIO()
        names, kinds = sorted(self.slices), sorted(self.kinds)
        np.savez_compressed(
            sink,
            meetings=self.meetings.keys,
            sums=self.meetings.sums,
            slices=np.array([f"{kind}\t{value}" for kind, value in names], dtype=np.str_),
            of_slices=np.array([self.slices[name] for name in names]).reshape(len(names), len(OF_A_SLICE)),
            times=self.times.keys,
            of_times=self.times.sums,
            kinds=np.array(kinds, dtype=np.int64),
            called=np.array([self.kinds[kind] for kind in kinds], dtype=np.str_),
            days=np.array([-1 if day is None else day for day in (self.first, self.last)], dtype=np.int64),
        )
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> RaceSums:
        """Return the value that `to_bytes` wrote.

        Raises:
            BadInput: what is summed of a meeting was another list then.
        """
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            if held["sums"].shape[1] != len(COLUMNS):
                raise BadInput(
                    "these sums of races were made by another version",
                    value=f"{held['sums'].shape[1]} columns",
                    allowed=f"{len(COLUMNS)} columns",
                    next_step="make the reference anew",
                )
            names = [tuple(str(name).split("\t", 1)) for name in held["slices"]]
            days = [None if day < 0 else int(day) for day in held["days"]]
            return cls(
                Tally(held["meetings"], held["sums"]),
                {(a, b): sums for (a, b), sums in zip(names, held["of_slices"], strict=True)},
                Tally(held["times"], held["of_times"]),
                {int(k): str(v) for k, v in zip(held["kinds"], held["called"], strict=True)},
                *days,
            )


@cache
def _zero() -> RaceSums:
    return RaceSums(Tally.zero(len(COLUMNS)), {}, Tally.zero(3), {})


def of_starters(starters: Starters) -> RaceSums:
    """Return the sums of the races of some starters."""
    by_race = _whole(starters.by_race())
    meeting = np.array([_number(label) % MEETINGS for label in starters.meeting], dtype=np.int64)
    kinds, times = _times(starters, meeting)
    days = starters.day[starters.day >= 0]
    return RaceSums(
        tallied(meeting, by_race),
        _slices(starters, by_race),
        times,
        kinds,
        int(days.min()) if days.size else None,
        int(days.max()) if days.size else None,
    )


def _whole(values: Floats) -> Floats:
    """Return the values in whole steps: such sums are exact, hence the same in whatever order they add."""
    return np.asarray(np.round(values / UNIT) * UNIT)


def _slices(starters: Starters, by_race: Floats) -> dict[tuple[str, str], Floats]:
    at = {name: by_race[:, COLUMNS.index(name)] for name in ("races", "judged", "ndcg", "both", "model", "market")}
    values = _whole(np.column_stack([at["ndcg"] ** 2 if name == "ndcg_squared" else at[name] for name in OF_A_SLICE]))
    out: dict[tuple[str, str], Floats] = {}
    for kind, labels in starters.slices.items():
        named, which = np.unique(labels, return_inverse=True)
        sums = np.zeros((named.size, len(OF_A_SLICE)))
        np.add.at(sums, which, values)
        out |= {(kind, str(name)): row for name, row in zip(named[:SLICES], sums, strict=False) if name}
    return out


def _times(starters: Starters, meeting: Ints) -> tuple[dict[int, str], Tally]:
    timed = np.flatnonzero(starters.time > 0)
    labels = [starters.kind[race] for race in timed]
    numbers = np.array([_number(label) >> 32 for label in labels], dtype=np.int64).reshape(-1)
    log = np.log(starters.time[timed])
    keys = (meeting[timed] << 32) | numbers
    kinds = dict(zip(numbers.tolist(), labels, strict=True))
    return kinds, tallied(keys, _whole(np.column_stack([np.ones_like(log), log, log**2])))


def _number(label: str) -> int:
    """Return 63 bits that stand for a label, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest()) >> 1


def slices_of(sums: RaceSums, kind: str) -> dict[str, Floats]:
    """Return the slices of one kind, such as course, by their value."""
    return {value: row for (of, value), row in sums.slices.items() if of == kind}


def sliced_by(sums: Sequence[RaceSums]) -> list[str]:
    """Return the kinds of slices that any of some windows has."""
    return list(dict.fromkeys(kind for each in sums for kind, _ in each.slices))
