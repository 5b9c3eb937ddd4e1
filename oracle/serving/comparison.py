"""The same card explained by two model versions, side by side. Pure."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from oracle.serving.messages import ContributionMessage, ExplainedMessage, ExplainedRunner, ModelMessage


class _Pair(BaseModel):
    """The same thing said by the model and by the one it is compared with."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class NumberPair(_Pair):
    """A number in both; null where one of them has none."""

    model: float | None
    against: float | None


class FeaturePair(_Pair):
    """What a feature adds in both."""

    feature: str
    value: NumberPair = Field(description="The feature's value: the form that two versions know may differ.")
    model: float = Field(description="Contribution in the first; 0 where it does not use the feature.")
    against: float = Field(description="Contribution in the second.")
    difference: float = Field(description="The first minus the second.")


class RunnerPair(_Pair):
    """One runner in both; features by the size of their difference."""

    number: int | None
    horse: str
    withdrawn: bool
    rank: NumberPair
    score: NumberPair
    win: NumberPair
    base: NumberPair
    features: tuple[FeaturePair, ...]
    others: NumberPair


class ComparisonMessage(_Pair):
    """A card explained by two versions; runners in the order of the card."""

    race_id: str | None
    model: ModelMessage
    against: ModelMessage
    ensemble: str
    against_ensemble: str
    prediction_ids: tuple[str, str]
    runners: tuple[RunnerPair, ...]
    meanings: dict[str, str]


def side_by_side(model: ExplainedMessage, against: ExplainedMessage, top: int | None = None) -> ComparisonMessage:
    """Return two full explanations of one card side by side.

    Args:
        model: Of the one version.
        against: Of the other.
        top: Of each runner, list so many features, those that differ most, and sum up the others; None for all.
    """
    return ComparisonMessage(
        race_id=model.race_id,
        model=model.model,
        against=against.model,
        ensemble=model.ensemble,
        against_ensemble=against.ensemble,
        prediction_ids=(model.prediction_id, against.prediction_id),
        runners=tuple(_runner(a, b, top) for a, b in zip(model.runners, against.runners, strict=True)),
        meanings=against.meanings | model.meanings,
    )


def _runner(a: ExplainedRunner, b: ExplainedRunner, top: int | None) -> RunnerPair:
    features = _features(a, b)
    kept, left = features[:top], features[len(features) if top is None else top :]
    bases = [None if r.explanation is None else r.explanation.base for r in (a, b)]
    return RunnerPair(
        number=a.number,
        horse=a.horse,
        withdrawn=a.withdrawn,
        rank=NumberPair(model=a.rank, against=b.rank),
        score=NumberPair(model=a.score, against=b.score),
        win=NumberPair(model=a.win, against=b.win),
        base=NumberPair(model=bases[0], against=bases[1]),
        features=tuple(kept),
        others=NumberPair(model=sum(f.model for f in left), against=sum(f.against for f in left)),
    )


def _features(a: ExplainedRunner, b: ExplainedRunner) -> list[FeaturePair]:
    first, second = _by_name(a), _by_name(b)
    pairs = []
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name), second.get(name)
        own, others = (0.0 if c is None else c.contribution for c in (one, other))
        value = NumberPair(model=one and one.value, against=other and other.value)
        pairs.append(FeaturePair(feature=name, value=value, model=own, against=others, difference=own - others))
    return sorted(pairs, key=lambda f: (-abs(f.difference), -abs(f.model), f.feature))


def _by_name(runner: ExplainedRunner) -> dict[str, ContributionMessage]:
    return {} if runner.explanation is None else {c.feature: c for c in runner.explanation.contributions}
