"""`oracle tune`: search hyperparameters and the weighing of members, and compare what is found with what is shipped."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.settings import load

if TYPE_CHECKING:
    from oracle.tuning.phase import Phase

SELDOM = 15.0
"""Seconds between two tables where nobody looks at a screen: a log keeps every one."""


def tune(
    data: Annotated[str, typer.Option("--data", help="The dataset: a folder, or s3://bucket/prefix.")],
    trials: Annotated[int, typer.Option(help="Trials; one in four goes to the weighing of members.")] = 40,
    time_budget: Annotated[
        float | None, typer.Option(help="Seconds for the search, which then stops with the best so far.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep in the folder.")] = False,
    families: Annotated[str | None, typer.Option(help="Families to tune, joined by commas; default: all.")] = None,
    cpus: Annotated[
        int | None, typer.Option(help="Trials at the same time; default: as many as there are processors.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep; default: sweeps/DATASET under home.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Join the Ray at this address; default: start one of our own.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    json: Json = False,
) -> None:
    """Search hyperparameters and weights with Ray Tune, and write the recipe to train with.

    The test dates are looked at once, at the end. A sweep that was stopped or killed goes on with --resume.
    """
    from oracle import cluster

    os.environ.update(cluster.environment(address, os.environ))  # before Ray is imported: it reads it then only
    from oracle.tracking.provenance import provenance
    from oracle.training.history import read
    from oracle.training.record import parameters
    from oracle.tuning.ledger import expect
    from oracle.tuning.sweep import Request, Subject, sweep

    wanted = tuple(f.strip() for f in (families or "").split(",") if f.strip())
    request = Request(trials, time_budget, wanted, cpus, address, resume)
    settings = load(seed=seed)
    name = Path(data.rstrip("/")).name
    folder = (out or settings.root / "sweeps" / name).expanduser().absolute()
    expect(folder, resume=resume)  # before minutes are spent on reading
    history = read(data, bars, settings.market.overround)
    subject = Subject(
        history.name,
        history.summary.fingerprint,
        history.matrix,
        {**provenance().parameters(), **parameters(history, settings)},
    )
    identity = f"{history.name}-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%f}"
    document = sweep(subject, settings, request, folder, identity, Screen())
    emit(document, json=json, text=lambda: told(document))


class Screen:
    """Draws the table of a phase on standard error: in place on a screen, now and then in a log."""

    def __init__(self) -> None:
        self.phase, self.began, self.last, self.drawn = "", 0.0, -SELDOM, 0

    def __call__(self, phase: Phase) -> None:
        """Draw the table as the phase stands."""
        from oracle.tuning.table import table

        now = time.monotonic()
        if phase.name != self.phase:
            self.phase, self.began, self.last, self.drawn = phase.name, now, -SELDOM, 0
        over = not phase.remaining and not phase.running
        if not sys.stderr.isatty() and now - self.last < SELDOM and not over:
            return
        text = table(phase.name, phase.first, phase.records, phase.running, phase.total, now - self.began)
        back = f"\x1b[{self.drawn}A\x1b[J" if sys.stderr.isatty() and self.drawn else ""
        sys.stderr.write(f"{back}{text}\n")
        self.drawn, self.last = text.count("\n") + 1, now


def told(document: Mapping[str, Any]) -> str:
    """Return the outcome as a person reads it."""
    count = document["trials"]
    lines = [
        f"{count['done']} of {count['asked']} trials in {document['seconds']:.0f} s"
        f" ({count['stopped_early']} stopped early, {count['failed']} failed)",
    ]
    for answer, one in document["verdict"].items():
        lines.append(
            f"{answer}: {one['verdict']} than shipped: {one['cause']}".replace("evidence than", "evidence for")
        )
        on_test = ((document["test"] or {}).get("difference") or {}).get(answer)
        hindsight = document["in_hindsight"].get(answer)
        gaps = {"out of fold": one["difference"], "in hindsight": hindsight, "on test": on_test}
        for name, gap in gaps.items():
            if gap and "mean" in gap:
                interval = f"[{gap['low']:+.5f}, {gap['high']:+.5f}]"
                lines.append(f"  log-loss {name:12} {gap['mean']:+.5f} {interval}, {gap['races']:,} races")
    for name, best in document["best"].items():
        lines.append(f"best {name}: trial {best['trial']}, {best['against_shipped']:+.5f} against shipped")
    lines.append(f"recipe ({document['recommends']}): {document['recipe']}")
    more = "" if document["complete"] else "; the rest: the same command with --resume"
    lines.append(f"next: `oracle train --data DATASET --recipe {document['recipe']}`{more}")
    return "\n".join(lines)
