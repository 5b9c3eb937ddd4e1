"""How far a sweep is, as the lines of a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.tuning.ledger import Record, State


def table(
    name: str, first: str, records: Sequence[Record], running: Sequence[Record], total: int, seconds: float
) -> str:
    """Return a few lines: the trials of a phase, and the best of each member or pool against what is shipped.

    Args:
        name: The phase.
        first: What its points choose first: `member` or `pool`.
        records: Its trials so far.
        running: The trials that run, those that only measure what is shipped included.
        total: Trials of the phase.
        seconds: How long it has run.
    """
    done = [r for r in records if r.ended]
    early, failed = (sum(r.state is s for r in done) for s in (State.STOPPED_EARLY, State.FAILED))
    head = (
        f"{name}: {len(done)} of {total} trials done ({early} stopped early, {failed} failed), {len(running)} running"
    )
    lines = [f"{head}; {_clock(seconds)}{_left(len(done), total, seconds)}"]
    if done or running:
        lines.append(f"  {first:20} {'trials':>6} {'best':>9} {'folds':>5}  running on")
    for which in dict.fromkeys(str(r.point[first]) for r in (*running, *records)):
        own = [r for r in done if r.point[first] == which]
        best = min((r for r in own if r.value is not None), key=_rank, default=None)
        told = "" if best is None or best.value is None else f"{best.value:+.5f}"
        at = ", ".join(f"fold {len(r.folds) + 1}" for r in running if r.point[first] == which)
        lines.append(f"  {which:20} {len(own):6} {told:>9} {len(best.folds) if best else '':>5}  {at}".rstrip())
    return "\n".join(lines)


def _rank(record: Record) -> tuple[bool, float]:
    """Order trials by value, those that saw every fold first."""
    return record.state is not State.FINISHED, record.value or 0.0


def _left(done: int, total: int, seconds: float) -> str:
    return f", about {_clock(seconds / done * (total - done))} left" if 0 < done < total else ""


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"
