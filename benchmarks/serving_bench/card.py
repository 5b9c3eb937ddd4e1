"""One card in the dress of each server, with the place where a number of it varies.

A card is varied in the weight that its first runner carries: any weight is a possible one, so each varied card is a
race like the others, with other features of that runner and of all that are compared with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.serving_bench.shooter import number

MARK = "98.7654321"
"""Stands in a body for the number that varies."""
PREDICT = "/v1/predict"


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted."""

    path: str
    before: str
    """The body up to the number that varies."""
    after: str
    runners: int
    """So many chances to win must come back."""
    headers: str = ""
    """More header lines, each ended by CR LF; `{user}` stands for the number of a user."""

    @property
    def head(self) -> str:
        """Request line and headers, all but the length of the body."""
        return f"POST {self.path} HTTP/1.1\r\nHost: localhost\r\n{self.headers}Content-Type: application/json"

    @property
    def body(self) -> str:
        """A body as it is sent first."""
        return f"{self.before}{number(0)}{self.after}"


def plain(card: Mapping[str, Any], path: str = PREDICT, wrapped: str | None = None, headers: str = "") -> Message:
    """Return the card as JSON, as it is or under a name in an object around it."""
    first, *others = card["runners"]
    marked = {**card, "runners": [{**first, "weight_kg": float(MARK)}, *others]}
    return _cut(marked if wrapped is None else {wrapped: marked}, path, len(card["runners"]), headers)


def table(card: Mapping[str, Any], path: str = "/invocations") -> Message:
    """Return the card as the table of runners that our registered MLflow model reads, one row a runner."""
    race = {name: value for name, value in card.items() if name != "runners"}
    rows = [{**race, **runner} for runner in card["runners"]]
    rows[0]["weight_kg"] = float(MARK)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    data = [[row.get(name) for name in columns] for row in rows]
    return _cut({"dataframe_split": {"columns": columns, "data": data}}, path, len(rows))


def matrix(features: int, runners: int, path: str = PREDICT) -> Message:
    """Return runners as rows of ready-made features: what a service without features of its own is asked."""
    rows = [[round((i * 7919 + j * 104729) % 1009 / 1009 - 0.5, 6) for j in range(features)] for i in range(runners)]
    rows[0][0] = float(MARK)
    return _cut({"rows": rows}, path, runners)


def _cut(body: Mapping[str, Any], path: str, runners: int, headers: str = "") -> Message:
    before, after = json.dumps(body, ensure_ascii=False, separators=(",", ":")).split(MARK)
    return Message(path, before, after, runners, headers)
