"""The `oracle` command: which commands there are. Each lives in a file of its own name."""

from __future__ import annotations

import gc
import sys

import typer

from oracle import process
from oracle.cli import output
from oracle.cli.ab import ab
from oracle.cli.alerts import alerts
from oracle.cli.artifacts import artifacts
from oracle.cli.audit import audit
from oracle.cli.backtest import backtest
from oracle.cli.card import card
from oracle.cli.drift import drift
from oracle.cli.explain import explain
from oracle.cli.features import features
from oracle.cli.ingest import ingest
from oracle.cli.leakscan import leakscan
from oracle.cli.model import model
from oracle.cli.monitor import monitor
from oracle.cli.people import people
from oracle.cli.predict import predict
from oracle.cli.predictions import predictions
from oracle.cli.privacy import privacy
from oracle.cli.replay import replay
from oracle.cli.results import results
from oracle.cli.retrain import retrain
from oracle.cli.serve import serve
from oracle.cli.simulate import simulate
from oracle.cli.store import store
from oracle.cli.tokens import tokens
from oracle.cli.train import evaluate, train
from oracle.cli.tune import tune
from oracle.cli.up import down, up

app = typer.Typer(
    name="oracle",
    help="From race results to served, calibrated predictions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """From race results to served, calibrated predictions."""


for command in (
    *(simulate, ingest, leakscan, features, train, evaluate, backtest, tune),
    *(card, predict, explain, serve, monitor, replay, up, down),
):
    app.command()(command)
for group in (
    *(ab, drift, results, predictions, retrain, alerts),
    *(model, people, tokens, privacy, audit, artifacts, store),
):
    app.add_typer(group)


def main(*first: str) -> None:
    """Run the command line and end the process with its exit code.

    Args:
        first: Words put before those of the process: a job is a command with its name given.
    """
    process.settle()
    code = output.run(app, [*first, *sys.argv[1:]])
    gc.freeze()  # what lives now ends with the process: searching it for cycles once more takes a fifth of a second
    sys.exit(code)
