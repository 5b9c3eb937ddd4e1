"""docs/features.md says what the registry holds."""

from __future__ import annotations

import doctest
import re
import runpy
from pathlib import Path

from oracle.features import registry
from oracle.features.feature import Missing
from oracle.features.ledger import KNOWN_AFTER
from oracle.race import ESTIMATED_GAP

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "features.md"
FOLDER = HERE.parents[1] / "oracle" / "features"


def test_the_table_is_the_registry():
    text = DOCUMENT.read_text("utf-8")
    made = runpy.run_path(str(HERE / "document.py"))
    assert text == made["rewritten"](text), "run: python tests/features/document.py"
    assert text.count("\n| `") >= len(registry.features("market"))


def test_the_numbers_and_words_of_the_text_are_those_of_the_code():
    text = DOCUMENT.read_text("utf-8")
    assert f"`KNOWN_AFTER` = {KNOWN_AFTER:.0f} seconds" in text
    assert f"{ESTIMATED_GAP.seconds // 60} minutes later" in text
    assert all(f"| `{word}` |" in text for word in Missing)


def test_every_file_on_the_map_is_in_the_room():
    named = set(re.findall(r"`(\w+\.py)`", DOCUMENT.read_text("utf-8")))
    assert len(named) > 10
    assert not {name for name in named if not (FOLDER / name).is_file()}


def test_the_example_runs():
    failed, tried = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert tried >= 3
    assert failed == 0
