"""A version at work on past races, without a cluster: cards before the off, results after it, form carried forward."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, replace

import orjson
import pandas as pd

from oracle.data.cards import cards_of
from oracle.data.results import results
from oracle.ensemble.race_model import RaceModel
from oracle.race import RaceCard
from oracle.serving.answers import signed, written
from oracle.serving.form import LiveForm
from oracle.serving.messages import CardMessage, ModelMessage
from oracle.serving.scoring import card_key, here
from oracle.store import Prediction, RaceResult, Store, race_key

BEFORE, AFTER = dt.timedelta(minutes=5), dt.timedelta(minutes=12)


def message(card: RaceCard) -> CardMessage:
    """Return the card as a client sends it."""
    plain = {k: v for k, v in asdict(card).items() if v is not None}
    runners = [{k: v for k, v in runner.items() if v is not None} for runner in plain.pop("runners")]
    return CardMessage(**{**plain, "off": card.off.isoformat()}, runners=runners)


def answered(model: RaceModel, card: RaceCard, seq: int, version: str, at: dt.datetime) -> Prediction:
    """Return what a replica writes for a card."""
    sent = message(card)
    (scored,) = here(model, [sent.as_card()])
    text = sent.model_dump_json(exclude_unset=True)
    name = f"{race_key(card.race_id, card.course, card.off)} {at:%H%M}"
    rest = written(sent, scored.said, ModelMessage(name="equine-oracle", version=version, semver=None))
    return Prediction(
        prediction_id=name,
        at=at,
        race_id=card.race_id,
        race_key=race_key(card.race_id, card.course, card.off),
        course=card.course,
        off=card.off,
        unit="u",
        model_name="equine-oracle",
        model_version=version,
        card_key=card_key(text.encode(), seq),
        features=scored.features,
        form=seq,
        card=text,
        answer=signed(rest, name, at).decode(),
    )


def serve(
    model: RaceModel,
    store: Store,
    frame: pd.DataFrame,
    version: str = "1",
    *,
    odds: bool = True,
    late: frozenset[str] = frozenset(),
    untold: frozenset[str] = frozenset(),
) -> None:
    """Answer the card of every race five minutes before its off, and tell its result twelve minutes after.

    Args:
        model: The version.
        store: Where both are written.
        frame: Whole races, later than the model's state.
        version: Number of the version.
        odds: Whether the cards carry odds.
        late: Races whose results are told a week later.
        untold: Races whose results nobody tells.
    """
    form = LiveForm(model.state, model.about)
    told = {each.race_key: each for each in results(frame, dt.datetime(1970, 1, 1, tzinfo=dt.UTC))}
    cards = [card for card in cards_of(frame) if sum(not r.withdrawn for r in card.runners) > 1]
    events: list[tuple[dt.datetime, int, RaceCard]] = [(card.off - BEFORE, 1, card) for card in cards]
    wait = {card.race_id: AFTER if card.race_id not in late else dt.timedelta(days=7) for card in cards}
    events += [(card.off + wait[card.race_id], 0, card) for card in cards if card.race_id not in untold]
    predictions: list[Prediction] = []
    for at, asks, card in sorted(events, key=lambda event: event[:2]):
        if asks:
            asked = card if odds else replace(card, runners=tuple(replace(r, odds=None) for r in card.runners))
            snapshot = form.fold(store.results.since(form.snapshot.seq))
            predictions.append(answered(snapshot.of(model), asked, snapshot.seq, version, at))
        else:
            store.results.add([replace(told[str(card.race_id)], received_at=at)])
    store.predictions.add(predictions)


def keys(given: Iterable[RaceResult]) -> list[str]:
    """Return the races of results."""
    return [each.race_key for each in given]


def rows(prediction: Prediction) -> list[dict[str, object]]:
    """Return the answer's starters."""
    return [runner for runner in orjson.loads(prediction.answer)["runners"] if not runner["withdrawn"]]
