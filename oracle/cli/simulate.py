"""`oracle simulate`: a racing world with known true strengths, as a dataset."""

from __future__ import annotations

import datetime as dt
import io
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oracle.cli.output import Json, bars, emit
from oracle.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from oracle.data.simulate import Block, Shock

BLOCK_MONTHS = 6
"""Months that are held in memory and appended together."""
TRUTH = "_truth"


def simulate(
    races: Annotated[int, typer.Option("--races", min=1, help="How many races; about 8,000 fill a year.")],
    out: Annotated[str, typer.Option("--out", help="A new dataset: a folder, or s3://bucket/prefix.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same world.")] = 7,
    sharpness: Annotated[
        float, typer.Option(help="Divides the noise of the results: 1 resembles racing, 20 is nearly certain.")
    ] = 1.0,
    insight: Annotated[
        float, typer.Option(help="Divides what bettors do not know: 1 resembles racing, 50 is nearly all-knowing.")
    ] = 1.0,
    drift: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:DATE[:SIZE]",
            help="From that date on a number of the world is SIZE times what it was, by default -1: turned round."
            " `draw:2016-01-01` flips the draw bias. May be given several times.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make a racing world with known true strengths, and write it as a dataset.

    The truth stands beside the races, in `_truth/` of the dataset, never in them.
    """
    from oracle.data.dataset import Dataset  # here, so that `oracle --help` does not wait for pandas
    from oracle.data.simulate import simulate as blocks_of

    began = time.perf_counter()
    shocks = [_shock(word) for word in drift or ()]
    dataset = Dataset(out)
    if dataset.exists():
        raise BadInput("a dataset stands there already", value=out, next_step="name a new folder, or remove this one")
    with dataset.writing() as writer:
        blocks = blocks_of(
            races, seed=seed, shocks=shocks, sharpness=sharpness, insight=insight, block_months=BLOCK_MONTHS
        )
        for block in _shown(blocks, races):
            writer.append(block.runners)
            writer.keep(f"{TRUTH}/from-{block.runners['date'].iloc[0]:%Y-%m}.parquet", _parquet(block.truth))
    seconds = time.perf_counter() - began
    summary = dataset.summary()
    document = {
        "races": summary.races,
        "rows": summary.rows,
        "first_date": str(summary.first_date),
        "last_date": str(summary.last_date),
        "seed": seed,
        "sharpness": sharpness,
        "insight": insight,
        "drift": [{"kind": shock.kind, "at": str(shock.at), "size": shock.size} for shock in shocks],
        "dataset": out,
        "truth": f"{out.rstrip('/')}/{TRUTH}",
        "fingerprint": summary.fingerprint,
        "seconds": round(seconds, 3),
    }
    emit(document, json=json, text=lambda: _told(document))


def _shock(word: str) -> Shock:
    """Return the change of the world that `KIND:DATE[:SIZE]` means; a kind may be short of its `_effect`."""
    from oracle.data.simulate import SHOCKABLE, Shock

    kind, _, rest = word.partition(":")
    date, _, size = rest.partition(":")
    kind = f"{kind}_effect" if f"{kind}_effect" in SHOCKABLE else kind
    try:
        return Shock(kind, dt.date.fromisoformat(date), float(size or -1.0))
    except ValueError as error:
        allowed = "KIND:DATE or KIND:DATE:SIZE, such as draw:2016-01-01"
        raise BadInput("--drift is no change of the world", value=word, allowed=allowed) from error


def _shown(blocks: Iterable[Block], races: int) -> Iterator[Block]:
    """Pass the blocks through while a bar counts their races."""
    bar = bars(range(races), "simulating races", total=races)
    for block in blocks:
        yield block
        for _ in range(block.races):
            next(bar, None)


def _parquet(truth: pd.DataFrame) -> bytes:
    sink = io.BytesIO()
    truth.to_parquet(sink, index=False, compression="zstd")
    return sink.getvalue()


def _told(document: dict[str, Any]) -> str:
    """Return the summary as a person reads it."""
    return (
        f"{document['dataset']}: {document['races']:,} races, {document['rows']:,} runners, "
        f"{document['first_date']} to {document['last_date']}, seed {document['seed']}\n"
        f"  true strengths and chances: {document['truth']}"
    )
