"""docs/api.md says what the messages say, and its card is answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oracle.race import GOINGS, RaceType, Sex, Surface
from oracle.serving.body import read_card
from oracle.serving.messages import (
    CardMessage,
    ContributionMessage,
    ExplainedMessage,
    ExplanationMessage,
    PredictionMessage,
    RunnerAnswer,
    RunnerMessage,
)
from oracle.serving.query import NAMES
from oracle.serving.version import Target
from oracle.serving.wiring import GatewayArgs

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("message", [CardMessage, RunnerMessage, GatewayArgs, Target])
def test_every_field_that_can_be_sent_is_documented(message):
    missing = [name for name in message.model_fields if f"`{name}`" not in TEXT]
    assert not missing


@pytest.mark.parametrize(
    "message", [PredictionMessage, RunnerAnswer, ExplainedMessage, ExplanationMessage, ContributionMessage]
)
def test_every_field_of_the_answer_stands_in_the_example(message):
    missing = [name for name in message.model_fields if f'"{name}":' not in TEXT]
    assert not missing


def test_every_query_parameter_is_documented():
    assert not [name for name in NAMES if f"`{name}`" not in TEXT]


def test_every_word_of_a_list_is_documented():
    assert not [word for words in (GOINGS, Surface, RaceType, Sex) for word in words if f"`{word}`" not in TEXT]


def test_the_card_of_the_document_is_a_card():
    found = re.search(r"-d '(\{\n.*?\]\})'", TEXT, re.DOTALL)
    assert found is not None
    assert len(read_card(found.group(1).encode()).runners) == 4
