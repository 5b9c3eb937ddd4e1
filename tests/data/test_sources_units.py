"""Laws of the parsers: what is written in one unit is read back in ours, and nothing odd passes silently."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.data.sources import units
from oracle.data.sources.words import going


@given(stone=st.integers(4, 14), pound=st.integers(0, 13))
def test_stones_and_pounds_weigh_the_same(stone: int, pound: int) -> None:
    assert units.stones(f"{stone}-{pound}") == units.pounds(str(14 * stone + pound))


@given(mile=st.integers(0, 4), half=st.integers(1, 15))
def test_miles_and_furlongs_are_as_far_as_furlongs(mile: int, half: int) -> None:
    text = (f"{mile}m" if mile else "") + f"{half // 2 or ''}{'½' if half % 2 else ''}f"
    assert (
        units.imperial(text) == units.furlongs(str(8 * mile + half / 2)) == units.yards(str(1760 * mile + 110 * half))
    )


@given(minute=st.integers(0, 9), hundredths=st.integers(1, 5999))
def test_a_time_is_the_same_with_colons_and_with_dots(minute: int, hundredths: int) -> None:
    second, rest = divmod(hundredths, 100)
    expected = pytest.approx(60 * minute + hundredths / 100)
    assert units.seconds(f"{minute}:{second:02d}.{rest:02d}") == expected
    assert units.seconds(f"{minute}.{second:02d}.{rest:02d}") == expected
    assert units.seconds(f"00:{minute:02d}:{second:02d}.{rest:02d}00000") == expected


@given(top=st.integers(1, 500), bottom=st.integers(1, 100), mark=st.sampled_from(["", "F", "J", "C", "JF", "CF", " F"]))
def test_fractions_are_profit_per_stake_whatever_the_favourite_mark(top: int, bottom: int, mark: str) -> None:
    assert units.fractional_odds(f"{top}/{bottom}{mark}") == pytest.approx(1 + top / bottom, abs=1e-4)


@given(full=st.integers(1, 40), quarter=st.sampled_from(["1/4", "1/2", "3/4"]))
def test_mixed_lengths_are_read_with_a_dash_a_dot_or_a_space(full: int, quarter: str) -> None:
    expected = full + int(quarter[0]) / int(quarter[2])
    assert {units.lengths(f"{full}{mark}{quarter}") for mark in "-. "} == {expected}


@pytest.mark.parametrize("missing", ["", "-", "--", "---", "–", "NA", "n/a", "計不"])
@pytest.mark.parametrize(
    "parser",
    [
        units.number,
        units.whole,
        units.counted,
        units.seconds,
        units.pounds,
        units.stones,
        units.imperial,
        units.furlongs,
        units.fractional_odds,
        units.american_odds,
        units.lengths,
    ],
)
def test_every_way_to_write_nothing_is_nothing(parser: Callable[[str], float | None], missing: str) -> None:
    assert parser(missing) is None


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        (units.number, "inf"),
        (units.number, "1e9"),
        (units.number, "12kg"),
        (units.whole, "3.5"),
        (units.whole, "-1"),
        (units.whole, "99999"),
        (units.seconds, "1:2:3:4"),
        (units.seconds, "fast"),
        (units.stones, "11-14"),
        (units.stones, "78"),
        (units.imperial, "far"),
        (units.fractional_odds, "5/0"),
        (units.fractional_odds, "5.5"),
        (units.american_odds, "50"),
        (units.lengths, "1/0"),
        (units.lengths, "a lot"),
        (units.day, "2024-13"),
    ],
)
def test_what_is_not_understood_is_said_so(parser: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parser(text)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *[
            ("鼻位", 0.05),
            ("短馬頭位", 0.1),
            ("頭位", 0.2),
            ("頸位", 0.3),
            ("ハナ", 0.05),
            ("アタマ", 0.2),
            ("クビ", 0.3),
        ],
        *[
            ("nse", 0.05),
            ("SH", 0.1),
            ("hd", 0.2),
            ("snk", 0.25),
            ("nk.", 0.3),
            ("大", 11.0),
            ("同着", 0.0),
            ("ML", None),
        ],
    ],
)
def test_margins_in_words_have_the_documented_lengths(word: str, value: float | None) -> None:
    assert units.lengths(word) == value


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        *[("GOOD TO FIRM", "good_to_firm"), ("Standard / Slow", "standard_to_slow"), ("Bog", "bog"), ("", None)],
        *[("Good (Good to Soft in places)", "good"), ("Soft, heavy in places", "soft")],
    ],
)
def test_goings_become_our_words_and_unknown_ones_stay(words: str, expected: str | None) -> None:
    assert going(words) == expected
