"""Taking a user out of the store: what can be tied to one goes, what was said of races stays.

A user is nowhere but in predictions, as a pseudonym, and in the events of these. The prediction stays as one that
somebody asked for who did not say who they were; its request id, which the caller may know the user by, goes, and so do
its events. A running experiment counts units, so within one experiment the user becomes one new unit of a random name.
Logs that only grow hold no pseudonyms, so none of them has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import sqlalchemy as sa

from oracle.progress import Progress, silent
from oracle.store.store import Store
from oracle.store.tables import EVENTS, PREDICTIONS

AT_ONCE = 5000
"""Predictions looked at in one go; a transaction changes that many at most."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What was taken out."""

    predictions: int = 0
    """Cut from their user."""
    events: int = 0
    """Deleted."""
    experiments: tuple[str, ...] = ()
    """In which the user was a unit."""

    def __add__(self, other: Erased) -> Erased:
        names = tuple(sorted({*self.experiments, *other.experiments}))
        return Erased(self.predictions + other.predictions, self.events + other.events, names)


def erase(
    store: Store, pseudonyms: Collection[str], new_unit: Callable[[], str], *, progress: Progress = silent
) -> Erased:
    """Take the user of these pseudonyms out of everything written so far, and return what that was.

    In many small transactions: stopped half-way it goes on when it is asked again, and asked again it finds nothing.

    Args:
        store: Where.
        pseudonyms: What stands for the user, under each key that was ever in use.
        new_unit: Makes a name that nothing leads to.
        progress: Passes items through and shows how far it is.

    Raises:
        Unavailable: the database did not answer.
    """
    c = PREDICTIONS.c
    names = sorted(pseudonyms)
    last = int(
        store.database.read(lambda x: x.execute(sa.select(sa.func.coalesce(sa.func.max(c.seq), 0))).scalar_one())
    )
    units: dict[str, str] = {}
    done = Erased()
    for begin in progress(range(0, last, AT_ONCE), "predictions"):
        theirs = sa.or_(c.user.in_(names), c.unit.in_(names)) & (c.seq > begin) & (c.seq <= begin + AT_ONCE)
        wanted = sa.select(c.seq, c.prediction_id, c.experiment, c.race_key).where(theirs)
        if store.database.read(lambda x, w=wanted: x.execute(w.limit(1)).first()) is not None:  # type: ignore[misc]
            done += store.database.write(lambda x, w=wanted: _cut(x, w, units, new_unit), in_order=True)  # type: ignore[misc]
    if done.predictions:
        store.database.overwrite()
    return done


def _cut(
    connection: sa.Connection,
    wanted: sa.Select[tuple[int, str, str, str]],
    units: dict[str, str],
    new: Callable[[], str],
) -> Erased:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    rows = connection.execute(wanted).all()
    events = 0
    for row in rows:
        if row.experiment is not None and row.experiment not in units:
            units[row.experiment] = new()
        unit = row.race_key if row.experiment is None else units[row.experiment]
        events += connection.execute(sa.delete(EVENTS).where(EVENTS.c.prediction_id == row.prediction_id)).rowcount
        change = sa.update(PREDICTIONS).where(PREDICTIONS.c.seq == row.seq)
        connection.execute(change.values(user=None, request_id=None, unit=unit))
    return Erased(len(rows), events, tuple(sorted({row.experiment for row in rows if row.experiment is not None})))
