"""The compiled ledgers against the same sums worked out from scratch, run by run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.features.accounts import Accounts, grown
from oracle.features.ledger import DAY, KNOWN_AFTER, Entry, Ledger, LedgerSpec

ENTRIES = (
    Entry("career", "x"),
    Entry("recent", "x", retention=0.6),
    Entry("last", "x", retention=0.0),
    Entry("month", "x", half_life_days=30.0),
    Entry("both", "x", retention=0.5, half_life_days=90.0),
    Entry("best", "x", best=True),
)
SPEC = LedgerSpec("any", ("horse",), ENTRIES)
WHO = ("a", "b", "c")


def naive(said, at):
    """Return per entry (value, weight) as of a time, from all (time, quantity) that an account was told, in order."""
    out = []
    for entry in ENTRIES:
        there = [(when, x) for when, x in said if not np.isnan(x)]
        if entry.best:
            out.append((max((x for _, x in there), default=np.nan), float(len(there))))
            continue
        half_life = np.inf if entry.half_life_days is None else entry.half_life_days * DAY
        weights = [
            entry.retention ** (len(there) - 1 - i) * 0.5 ** ((at - when) / half_life)
            for i, (when, _) in enumerate(there)
        ]
        total = sum(weights)
        mean = sum(w * x for w, (_, x) in zip(weights, there, strict=True)) / total if total else np.nan
        out.append((mean, total))
    return out


@st.composite
def histories(draw):
    """Races in order: (off, [(account, quantity)]); an account of -1 has no key, a NaN quantity says nothing."""
    off, races = 1_500_000_000, []
    for _ in range(draw(st.integers(1, 12))):
        off += draw(st.sampled_from([0, 300, 599, 600, 1800, 86_400, 40 * 86_400]))
        quantity = st.one_of(st.just(np.nan), st.floats(-10, 10))
        runs = [
            (who, draw(quantity)) for who in draw(st.lists(st.integers(-1, 2), min_size=1, max_size=4, unique=True))
        ]
        races.append((float(off), runs))
    return races


def arrays(races):
    offsets = np.cumsum([0] + [len(runs) for _, runs in races]).astype(np.int64)
    off = np.array([when for when, _ in races])
    codes = np.array([who for _, runs in races for who, _ in runs], dtype=np.int64)
    x = np.array([x for _, runs in races for _, x in runs])
    return offsets, off, codes, np.repeat(x[:, None], len(ENTRIES), axis=1)


@given(histories())
def test_a_walk_reads_what_the_sums_over_all_results_known_by_then_say(races):
    ledger = Ledger(SPEC)
    offsets, off, codes, runs = arrays(races)
    account = ledger.accounts(codes, WHO, open_new=True)
    value, weight, last = ledger.walk(offsets, off, account, runs)
    row = 0
    for when, runners in races:
        for who, _ in runners:
            known = [(t, rs) for t, rs in races if t + KNOWN_AFTER <= when]
            said = [(t, x) for t, rs in known for w, x in rs if w == who and who >= 0]
            expected = naive(said, when)
            if not said:
                expected = [(np.nan, 0.0)] * len(ENTRIES)
            np.testing.assert_allclose(value[row], [v for v, _ in expected], rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(weight[row], [w for _, w in expected], rtol=1e-9, atol=1e-12)
            np.testing.assert_equal(last[row], max((t for t, _ in said), default=np.nan))
            row += 1


@given(histories(), st.data())
def test_walking_in_two_parts_ends_where_one_walk_ends_and_so_does_a_restored_ledger(races, data):
    offsets, off, codes, runs = arrays(races)
    whole = Ledger(SPEC)
    whole.walk(offsets, off, whole.accounts(codes, WHO, open_new=True), runs)
    cut = data.draw(st.integers(0, len(races)))
    parts = Ledger(SPEC)
    for a, b in ((0, cut), (cut, len(races))):
        rows = slice(offsets[a], offsets[b])
        account = parts.accounts(codes[rows], WHO, open_new=True)
        parts.walk(offsets[a : b + 1] - offsets[a], off[a:b], account, runs[rows])
        parts = Ledger.restore(SPEC, parts.dump())
    for name, array in whole.dump().items():
        np.testing.assert_array_equal(array, parts.dump()[name])


@given(histories())
def test_best_is_the_maximum_and_retention_zero_the_last_that_was_said(races):
    ledger = Ledger(SPEC)
    offsets, off, codes, runs = arrays(races)
    ledger.walk(offsets, off, ledger.accounts(codes, WHO, open_new=True), runs)
    for who in range(3):
        said = [x for _, rs in races for w, x in rs if w == who and not np.isnan(x)]
        if said:
            assert ledger.value[who, 5] == max(said)
            assert ledger.value[who, 2] == pytest.approx(said[-1], abs=1e-12)


@given(histories(), st.randoms(use_true_random=False))
def test_results_that_arrive_in_any_order_never_weigh_more_than_their_number(races, random):
    random.shuffle(races)
    ledger = Ledger(SPEC)
    told = dict.fromkeys(range(3), 0)
    for race in races:
        offsets, off, codes, runs = arrays([race])
        account = ledger.accounts(codes, WHO, open_new=True)
        before = ledger.last.copy()
        ledger.walk(offsets, off, account, runs)
        for who, x in race[1]:
            if who >= 0:
                told[who] += not np.isnan(x)
                assert (ledger.weight[who] <= told[who] + 1e-12).all()
                assert not ledger.last[who] < before[who]
    at = np.full(3, min(when for when, _ in races) - DAY)
    _, weight, _ = ledger.read(np.arange(3), at)
    assert all((weight[who] <= told[who] + 1e-12).all() for who in told)


@given(histories())
def test_the_mean_lies_between_the_smallest_and_the_largest_that_was_said(races):
    ledger = Ledger(SPEC)
    offsets, off, codes, runs = arrays(races)
    value, weight, _ = ledger.walk(offsets, off, ledger.accounts(codes, WHO, open_new=True), runs)
    there = runs[~np.isnan(runs)]
    said = ~np.isnan(value)
    assert (value[said] <= np.max(there, initial=-np.inf) + 1e-9).all()
    assert (value[said] >= np.min(there, initial=np.inf) - 1e-9).all()
    assert (weight[~said] == 0).all()
    assert (weight >= 0).all()


def test_a_runner_without_a_key_has_no_account_and_moves_none():
    ledger = Ledger(SPEC)
    account = ledger.accounts(np.array([-1, -1]), [], open_new=True)
    assert account.tolist() == [-1, -1]
    ledger.walk(np.array([0, 2]), np.array([0.0]), account, np.ones((2, len(ENTRIES))))
    assert len(ledger.holders) == 0
    value, weight, last = ledger.read(account, np.array([1e9, 1e9]))
    assert np.isnan(value).all()
    assert (weight == 0).all()
    assert np.isnan(last).all()


def test_a_run_that_says_nothing_lets_time_pass_and_keeps_the_mean():
    ledger = Ledger(SPEC)
    account = ledger.accounts(np.array([0, 0, 0]), ["a"], open_new=True)
    times = np.array([0.0, 30 * DAY, 60 * DAY])
    runs = np.repeat(np.array([[4.0], [np.nan], [np.nan]]), len(ENTRIES), axis=1)
    value, weight, _ = ledger.walk(np.arange(4), times, account, runs)
    assert value[2].tolist() == [4.0] * len(ENTRIES)
    assert weight[2].tolist() == pytest.approx([1, 1, 1, 0.25, 0.5 ** (2 / 3), 1])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True))
def test_accounts_keep_their_numbers_through_a_dump_whatever_the_names_hold(names):
    accounts = Accounts()
    accounts.find(np.arange(len(names)), names, open_new=True)
    assert list(Accounts.restore(accounts.dump()).index.items()) == list(accounts.index.items())


def test_a_table_grows_with_empty_rows_and_never_shrinks():
    table = grown(np.ones((3, 2)), 4, np.nan)
    assert len(table) >= 4
    assert (table[:3] == 1).all()
    assert np.isnan(table[3:]).all()
    assert grown(table, 2, 0.0) is table
