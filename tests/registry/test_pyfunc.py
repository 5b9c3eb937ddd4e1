import ast
import datetime as dt
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.errors import BadCard
from oracle.race import RaceCard
from oracle.registry import pyfunc
from oracle.registry.pyfunc import OracleModel, cards_of, rows_of
from tests.registry.cards import CARD, MEETINGS, Even


@given(MEETINGS)
@settings(max_examples=25, deadline=None)
def test_cards_read_back_from_their_rows(cards: tuple[RaceCard, ...]) -> None:
    assert [card for card, _ in cards_of(rows_of(cards))] == list(cards)


@settings(max_examples=25, deadline=None)
@given(MEETINGS, st.randoms(use_true_random=False))
def test_each_row_is_answered_in_its_place_in_whatever_order_the_rows_stand(
    cards: tuple[RaceCard, ...], chance: random.Random
) -> None:
    rows = rows_of(cards)
    order = list(range(len(rows)))
    chance.shuffle(order)
    answers = OracleModel(Even()).predict(rows.iloc[order])
    assert list(answers.index) == order
    assert list(answers.columns) == list(pyfunc.OUTPUT)
    assert list(answers["horse"]) == list(rows["horse"].iloc[order])
    wins = answers.groupby("race_id")["win"].sum()
    for card in cards:
        assert wins[card.race_id] == pytest.approx(0 if all(r.withdrawn for r in card.runners) else 1)


def test_numbers_may_come_as_whole_or_real_or_missing_and_the_off_as_text_or_timestamp() -> None:
    plain = rows_of([CARD])
    typed = plain.assign(
        draw=np.array([1.0, 3.0, 2.0]),
        number=pd.array([1, 2, 3], dtype="Int64"),
        weight_kg=[57, 55.5, float("nan")],
        odds=[3.5, 2.2, None],
        off=pd.Timestamp(CARD.off),
        withdrawn=[False, False, True],
    )
    assert cards_of(typed)[0][0] == CARD


def test_columns_that_are_known_only_after_the_race_are_not_read() -> None:
    rows = rows_of([CARD]).assign(position=[1, 2, None], status="finished")
    assert cards_of(rows)[0][0] == CARD


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("off", "2026-05-03T14:30", "time zone"),
        ("off", "tomorrow", "ISO 8601"),
        ("horse", None, "horse is missing"),
        ("race_id", float("nan"), "race_id is missing"),
        ("odds", "evens", "odds is not a number"),
        ("draw", 1.5, "draw is not a whole number"),
        ("draw", float("inf"), "draw is not a whole number"),
        ("age", "three", "age is not a whole number"),
        ("withdrawn", "maybe", "withdrawn"),
        ("course", "Elsewhere", "disagree about course"),
    ],
)
def test_an_impossible_value_is_refused_by_name(column: str, value: object, said: str) -> None:
    rows = rows_of([CARD])
    rows[column] = rows[column].astype(object)
    rows.loc[1, column] = value
    with pytest.raises(BadCard, match=said):
        cards_of(rows)


def test_a_table_without_the_needed_columns_is_refused() -> None:
    with pytest.raises(BadCard, match="course, off"):
        cards_of(pd.DataFrame({"race_id": ["1"], "horse": ["First Light"]}))


def test_an_empty_table_is_answered_by_an_empty_table() -> None:
    answers = OracleModel(Even()).predict(rows_of([CARD]).iloc[:0])
    assert len(answers) == 0
    assert list(answers.columns) == list(pyfunc.OUTPUT)


def test_a_time_with_another_zone_is_the_same_moment() -> None:
    rows = rows_of([CARD])
    rows["off"] = CARD.off.astimezone(dt.timezone(dt.timedelta(hours=8))).isoformat()
    assert cards_of(rows)[0][0].off == CARD.off


def test_the_loader_needs_neither_mlflow_nor_a_cluster() -> None:
    tree = ast.parse(Path(str(pyfunc.__file__)).read_text())
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in named} & {"mlflow", "ray", "sqlalchemy", "boto3"}
