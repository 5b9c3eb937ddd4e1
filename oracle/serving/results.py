"""`POST /v1/results`: what became of the races, told by whoever knows it.

A message has the fields of a card, and of each runner how it fared, under the names of the canonical runner table. Its
form must be right or the whole request is refused; what it says is then judged by the rules of `oracle ingest`
(`oracle.data.check`), race by race: what is accepted is stored, what is not comes back with its reason. Told again, a
result adds nothing; told differently, it corrects the earlier telling. The handler is a plain function.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import pandas as pd

from oracle.data.check import Checked, check
from oracle.data.results import results
from oracle.data.sources.base import DTYPES, Batch
from oracle.serving.body import MAX_PROBLEMS, Malformed, Problem, Wanted, path, read
from oracle.serving.result_messages import (
    RaceMessage,
    RefusedRow,
    ResultReceipt,
    ResultsMessage,
    ResultsReceipt,
    RunnerResult,
)
from oracle.settings import CheckPolicy
from oracle.store import Receipt, Store

SOURCE = "api"
DOCS = "see docs/results.md for every field"


class MalformedResults(Malformed):
    """The body is not a list of results, or none of them could be accepted."""


WANTED = Wanted("list of results", "the results", DOCS, MalformedResults, {"runners": "declared runners"})


def read_results(body: bytes) -> ResultsMessage:
    """Return the results in `body` (UTF-8 JSON).

    Raises:
        MalformedResults: with the field and the reason of each problem.
    """
    return read(body, ResultsMessage, WANTED)


def take(body: bytes, store: Store, now: dt.datetime, policy: CheckPolicy | None = None) -> ResultsReceipt:
    """Store what is acceptable of the results in `body`, and return what became of each race.

    Args:
        body: A `ResultsMessage` as UTF-8 JSON.
        store: Where results are kept; on return they are committed.
        now: The moment of judgement: a race that is off later cannot have been run.
        policy: Limits of what is possible in racing.

    Raises:
        MalformedResults: the body is not in the form of results, or no race of it could be accepted.
        Unavailable: the store did not take them; sending them again is safe.
    """
    message = read_results(body)
    batch = _batch(message, now)
    checked = check(batch, now, policy)
    accepted = _without_invented_ids(checked, message)
    told_now = list(results(accepted, now))
    stored = zip(told_now, store.results.add(told_now) if told_now else [], strict=True)
    receipts = {each.race_key: receipt for each, receipt in stored}
    receipt = ResultsReceipt(
        races=tuple(_receipts(message, checked, receipts)), notes={code: n for code, n in checked.notes.items() if n}
    )
    if all(each.what == "refused" for each in receipt.races):
        raise MalformedResults(_problems(receipt)[:MAX_PROBLEMS])
    return receipt


def _batch(message: ResultsMessage, now: dt.datetime) -> Batch:
    rows = [_row(race, runner) for race in message.races for runner in race.runners]
    frame = pd.DataFrame(rows, columns=list(DTYPES))
    frame["off"] = pd.to_datetime(frame["off"], utc=True)
    frame["date"] = pd.to_datetime(frame["date"])
    early = [race.off > now for race in message.races for _ in race.runners]
    reason = [f"race_in_future: off={row['off']}" if soon else None for row, soon in zip(rows, early, strict=True)]
    return Batch(
        rows=frame.astype(dict(DTYPES)),
        raw=pd.DataFrame(index=range(len(rows))),
        file=pd.Series([SOURCE] * len(rows), dtype="str"),
        line=pd.Series(np.arange(1, len(rows) + 1)),
        reason=pd.Series(reason, dtype=object),
    )


def _row(race: RaceMessage, runner: RunnerResult) -> dict[str, object]:
    return {
        **{name: getattr(race, name) for name in RaceMessage.model_fields if name != "runners"},
        **{name: getattr(runner, name) for name in RunnerResult.model_fields if name != "withdrawn"},
        "race_id": race.key,
        "date": race.date or race.off.date(),
        "off": race.off.astimezone(dt.UTC).isoformat(),
        "off_estimated": False,
        "horse_id": runner.horse_id or runner.horse,
        "status": runner.outcome,
        "source": SOURCE,
    }


def _places(message: ResultsMessage) -> list[tuple[int, int]]:
    """Return the race and the runner that each row of the batch is."""
    return [(r, i) for r, race in enumerate(message.races) for i in range(len(race.runners))]


def _without_invented_ids(checked: Checked, message: ResultsMessage) -> pd.DataFrame:
    """Return the accepted rows with the horse's id empty where the message gave none.

    The check knows horses by a name where there is no id; the form must not take it for an id.
    """
    given = [runner.horse_id for race in message.races for runner in race.runners]
    kept = np.array([given[at] is not None for at in checked.accepted_at], dtype=np.bool_)
    return checked.accepted.assign(horse_id=checked.accepted["horse_id"].where(kept, None))


def _receipts(message: ResultsMessage, checked: Checked, receipts: Mapping[str, Receipt]) -> list[ResultReceipt]:
    places = _places(message)
    refused: dict[int, list[RefusedRow]] = {}
    for at, reason in zip(checked.quarantined.tolist(), checked.reasons, strict=True):
        race, runner = places[at]
        row = RefusedRow(runner=runner, horse=message.races[race].runners[runner].horse, reason=reason)
        refused.setdefault(race, []).append(row)
    return [_receipt(race, refused.get(at, []), receipts) for at, race in enumerate(message.races)]


def _receipt(race: RaceMessage, refused: list[RefusedRow], receipts: Mapping[str, Receipt]) -> ResultReceipt:
    stored = receipts.get(race.key)
    if stored is None and len({row.reason for row in refused}) == 1:
        refused = [RefusedRow(runner=None, horse=None, reason=refused[0].reason)]
    return ResultReceipt(
        race_id=race.race_id,
        race_key=race.key,
        what="refused" if stored is None else stored.what,
        seq=None if stored is None else stored.seq,
        predictions=0 if stored is None else stored.predictions,
        refused=tuple(refused),
    )


def _problems(told: ResultsReceipt) -> list[Problem]:
    """Return why each race was refused, as a malformed message says it."""
    return [
        Problem(
            kind="".join(word.capitalize() for word in row.reason.split(":", 1)[0].split("_")),
            message=f"{path(where)} is not acceptable: {row.reason}",
            field=path(where),
            value=row.horse,
            next_step=DOCS,
        )
        for at, race in enumerate(told.races)
        for row in race.refused
        for where in [("races", at) if row.runner is None else ("races", at, "runners", row.runner)]
    ]
