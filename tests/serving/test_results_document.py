"""docs/results.md says what the messages say, and its examples are accepted."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from oracle.serving.events import EventMessage, EventsMessage, EventsReceipt
from oracle.serving.result_messages import (
    RaceMessage,
    RefusedRow,
    ResultReceipt,
    ResultsMessage,
    ResultsReceipt,
    RunnerResult,
)
from oracle.serving.results import read_results

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
SENT = re.findall(r"-d '(\{.*?\})'\n", TEXT, re.DOTALL)


@pytest.mark.parametrize("message", [ResultsMessage, RaceMessage, RunnerResult, EventsMessage, EventMessage])
def test_every_field_that_can_be_sent_is_documented(message):
    assert not [name for name in message.model_fields if f"`{name}`" not in TEXT]


@pytest.mark.parametrize("message", [ResultsReceipt, ResultReceipt, RefusedRow, EventsReceipt])
def test_every_field_of_the_answer_stands_in_an_example(message):
    assert not [name for name in message.model_fields if f'"{name}":' not in TEXT]


def test_the_receipt_of_the_document_is_one():
    [told] = re.findall(r"^```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    assert len(ResultsReceipt.model_validate(orjson.loads(told)).races) == 2


def test_the_messages_of_the_document_are_messages():
    results, events = SENT
    assert len(read_results(results.encode()).races[0].runners) == 4
    assert EventsMessage.model_validate(orjson.loads(events)).events[0].kind == "bet"
