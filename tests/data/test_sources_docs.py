"""docs/data.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oracle.data.sources import SOURCES
from oracle.data.sources.mapping_model import Formats, Mapping, Position, Units, Words
from oracle.data.sources.units import MARGINS
from oracle.race import COLUMNS, GOINGS, Status

DOCS = Path(__file__).parents[2] / "docs"
KINDS = {
    "string": "text",
    "int16": "whole number",
    "int32": "whole number",
    "double": "number",
    "bool": "true/false",
    "date32[day]": "date",
    "timestamp[s, tz=UTC]": "time (UTC)",
}


@pytest.fixture(scope="module")
def text() -> str:
    return (DOCS / "data.md").read_text("utf-8")


def test_the_tables_of_columns_are_the_schema(text: str) -> None:
    row = re.compile(r"^\| `(\w+)`( \*)? \| ([^|]+) \| (declared|off|result) \| (.+) \|$", re.MULTILINE)
    expected = [(c.name, " *" if c.required else "", KINDS[str(c.type)], c.known.value, c.meaning) for c in COLUMNS]
    assert row.findall(text) == expected


def test_every_status_going_layout_and_margin_is_explained(text: str) -> None:
    for word in [*(s.value for s in Status), *SOURCES, *GOINGS]:
        assert f"`{word}`" in text, word
    for name, value in GOINGS.items():
        assert f"`{name}` ({value:g})" in text
    for word in (w for w in MARGINS if not w.isascii() and w != "馬頭位" and w != "馬頸位"):
        assert word in text, word


def test_every_key_of_a_mapping_is_explained(text: str) -> None:
    tables = {"formats": Formats, "units": Units, "position": Position, "words": Words}
    for key in Mapping.model_fields:
        if key in tables:
            assert all(f"`{key}.{inner}`" in text for inner in tables[key].model_fields), key
        else:
            assert f"`{key}`" in text or f"`[{key}]`" in text, key


@pytest.mark.parametrize("file", ["mapping.toml", "results.csv"])
def test_the_example_in_the_text_is_the_one_that_is_run(file: str, text: str) -> None:
    assert (DOCS / "examples" / file).read_text("utf-8").strip() in text
