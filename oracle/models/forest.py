"""LightGBM's forests flattened into arrays and walked by one compiled loop, equal to the last bit.

`Booster.predict` spends most of its time on a card around the trees, not in them. Here a forest is read once from
LightGBM's own text; a row's values are laid out so that every numerical decision is one comparison without a branch,
and all rows of a block go down a tree in step, so that the processor works on several of them at once. Leaves are
added in the order of the trees, as LightGBM does. What it cannot follow exactly (linear leaves, several classes) it
refuses to read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from oracle.compiled import compiled
from oracle.errors import BadInput
from oracle.ranking.races import Floats, Ints

ZERO = float(np.float32(1e-35))
"""LightGBM's zero: whatever lies as near to 0 as this is 0."""
NOTHING, ZEROS, NANS = 0, 1, 2
"""What counts as missing at a decision, in LightGBM's own numbers."""
CATEGORICAL, DEFAULT_LEFT = 1, 2
"""Bits of a decision's type; the two above them say what counts as missing."""
BLOCK = 32
"""Rows that go down the trees together: their values stay in the second cache."""

Nodes = npt.NDArray[np.uint32]
Values = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees as nodes in contiguous rows; a leaf is a node that leads to itself."""

    features: tuple[str, ...]
    asked: Ints
    """int64[S, 2]: the distinct (feature, what of it counts as missing) that decisions ask about."""
    root: Nodes
    """uint32[T]: first node of each tree."""
    depth: Ints
    """int64[T]: decisions on the longest way down."""
    decision: Nodes
    """uint32[M]: 2 * (row of `asked`) + whether what is missing goes left."""
    threshold: Floats
    """float64[M]: values up to it go left; of a leaf infinity."""
    threshold32: npt.NDArray[np.float32]
    """float32[M]: the largest float32 up to `threshold`, which sends every float32 the same way."""
    child: Nodes
    """uint32[2 M]: node to the left and to the right of each."""
    leaf: Floats
    """float64[M]: what a leaf adds; 0 for a decision."""
    categories: Ints
    """int64[M, 2]: first and last (exclusive) word of a categorical decision's bits; -1 for another."""
    bits: npt.NDArray[np.uint32]
    """Categories that go left, 32 a word."""

    def __len__(self) -> int:
        """Return the number of trees."""
        return len(self.root)

    def score(self, values: Values, columns: Ints | None = None) -> Floats:
        """Return float64[N], the sum of each row's leaves: `Booster.predict(values, raw_score=True)` to the last bit.

        Args:
            values: float32 or float64[N, C]; NaN where missing.
            columns: int64[F], the column of each feature; the first F where None.
        """
        if columns is None:
            columns = np.arange(len(self.features), dtype=np.int64)
        values = np.require(values, requirements=["C", "W"])  # one layout, one compiled walk
        out = np.zeros(len(values))
        threshold = self.threshold32 if values.dtype == np.float32 else self.threshold
        trees = (self.root, self.depth, self.decision, threshold, self.child, self.leaf)
        if len(self.bits):
            _walk(values, columns[self.asked[:, 0]], self.asked[:, 1], *trees, self.categories, self.bits, out)
        else:
            _descend(values, columns[self.asked[:, 0]], self.asked[:, 1], *trees, out)
        return out


def parse(text: str) -> Forest:
    """Return the forest of a model in LightGBM's text form.

    Raises:
        BadInput: it is not such a text, or it holds what is not followed here: linear leaves, several classes.
    """
    head, *blocks = re.split(r"^Tree=\d+$", text.partition("\nend of trees")[0], flags=re.MULTILINE)
    facts = _facts(head)
    if facts.get("num_class") != "1" or facts.get("num_tree_per_iteration") != "1":
        raise BadInput(
            "a forest of one score per row is needed", value=f"{facts.get('num_class')} classes", allowed="1"
        )
    if "\nend of trees" not in text:
        raise BadInput("the text of the forest is cut off", next_step="save the model again")
    names = tuple(facts["feature_names"].split())
    try:
        return _joined(names, [_tree(_facts(block), len(names)) for block in blocks])
    except (KeyError, ValueError, IndexError) as error:
        raise BadInput(f"the forest is not what LightGBM writes: {error!r}") from error


@dataclass(frozen=True, slots=True)
class _Tree:
    """One tree with nodes numbered from 0, its root: decisions first, then leaves."""

    depth: int
    decision: Ints
    threshold: Floats
    child: Ints
    leaf: Floats
    categories: Ints
    bits: npt.NDArray[np.uint32]


def _facts(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _floats(told: Mapping[str, str], name: str, count: int) -> Floats:
    found = np.array([float(word) for word in told[name].split()], dtype=np.float64)
    if len(found) != count:
        raise ValueError(f"{count} values of {name}, not {len(found)}")
    return found


def _ints(told: Mapping[str, str], name: str, count: int) -> Ints:
    found = np.array([int(word) for word in told[name].split()], dtype=np.int64)
    if len(found) != count:
        raise ValueError(f"{count} values of {name}, not {len(found)}")
    return found


def _tree(told: Mapping[str, str], features: int) -> _Tree:
    leaves = int(told["num_leaves"])
    if told.get("is_linear", "0") != "0":
        raise BadInput("linear leaves are not followed", value="linear_tree", allowed="constant leaves")
    inner = leaves - 1
    value = np.concatenate([np.zeros(inner), _floats(told, "leaf_value", leaves)])
    itself = np.arange(inner, inner + leaves)
    categories = np.full((inner + leaves, 2), -1, dtype=np.int64)
    bits = np.zeros(0, dtype=np.uint32)
    if not inner:
        return _Tree(0, np.zeros(1, np.int64), np.full(1, np.inf), np.zeros(2, np.int64), value, categories, bits)
    kind = _ints(told, "decision_type", inner)
    feature = _ints(told, "split_feature", inner)
    threshold = _floats(told, "threshold", inner)
    sides = np.stack([_ints(told, f"{side}_child", inner) for side in ("left", "right")], axis=1)
    sides = np.where(sides < 0, inner + ~sides, sides)  # a leaf is written as its complement
    if feature.min() < 0 or feature.max() >= features or sides.max() >= inner + leaves:
        raise ValueError("a decision points nowhere")
    if int(told.get("num_cat", "0")):
        count = int(told["num_cat"]) + 1
        bounds = _ints(told, "cat_boundaries", count)
        bits = _ints(told, "cat_threshold", int(bounds[-1])).astype(np.uint32)
        of = np.flatnonzero(kind & CATEGORICAL)
        which = threshold[of].astype(np.int64)
        categories[of] = np.stack([bounds[which], bounds[which + 1]], axis=1)
    missing = np.where(kind & CATEGORICAL, NANS, (kind >> 2) & 3)  # a category is looked at as it is
    decision = (missing * features + feature) * 2 + ((kind & DEFAULT_LEFT) > 0)
    return _Tree(
        _depth(sides, inner),
        np.concatenate([decision, np.zeros(leaves, np.int64)]),
        np.concatenate([threshold, np.full(leaves, np.inf)]),
        np.concatenate([sides, np.stack([itself, itself], axis=1)]).astype(np.int64).ravel(),
        value,
        categories,
        bits,
    )


def _depth(sides: Ints, inner: int) -> int:
    """Return the decisions on the longest way down; every node is reached once."""
    level, deep, met = [0], 0, 0
    while level:
        met += len(level)
        level = [int(n) for at in level for n in sides[at] if n < inner]
        deep += 1
        if met > inner:
            raise ValueError("a tree leads back into itself")
    return deep


def _joined(features: tuple[str, ...], trees: Sequence[_Tree]) -> Forest:
    sizes = np.array([len(t.leaf) for t in trees], dtype=np.int64)
    words = np.array([len(t.bits) for t in trees], dtype=np.int64)
    root, first = np.cumsum(sizes) - sizes, np.cumsum(words) - words
    nothing, none = np.zeros(0, np.int64), np.zeros(0)
    threshold = np.concatenate([none, *(t.threshold for t in trees)])
    decision = np.concatenate([nothing, *(t.decision for t in trees)])
    asked, row = np.unique(decision >> 1, return_inverse=True)
    return Forest(
        features=features,
        asked=np.stack([asked % len(features), asked // len(features)], axis=1),
        root=root.astype(np.uint32),
        depth=np.array([t.depth for t in trees], dtype=np.int64),
        decision=(2 * row + (decision & 1)).astype(np.uint32),
        threshold=threshold,
        threshold32=_floor32(threshold),
        child=np.concatenate([nothing, *(t.child + at for t, at in zip(trees, root, strict=True))]).astype(np.uint32),
        leaf=np.concatenate([none, *(t.leaf for t in trees)]),
        categories=np.concatenate(
            [
                np.zeros((0, 2), np.int64),
                *(np.where(t.categories < 0, -1, t.categories + at) for t, at in zip(trees, first, strict=True)),
            ]
        ),
        bits=np.concatenate([np.zeros(0, np.uint32), *(t.bits for t in trees)]),
    )


def _floor32(values: Floats) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)


@compiled()
def _lay_out(values, columns, missing, begin, end, x):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Fill a block with each row's values as decisions see them: NaN as 0, zeros as missing (NaN), NaN as missing."""
    for i in range(begin, end):
        row = x[i - begin]
        for k in range(len(columns)):
            value = values[i, columns[k]]
            if abs(value) <= ZERO:
                value = value * 0
            if missing[k] == NOTHING:
                row[k] = value if value == value else 0.0
            elif missing[k] == ZEROS:
                row[k] = value if value != 0.0 else np.nan
            else:
                row[k] = value


@compiled()
def _descend(values, columns, missing, root, depth, decision, threshold, child, leaf, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add each tree's leaf to each row; without categories every decision is one comparison.

    Nodes are unsigned, so that no index is checked for counting from the end.
    """
    rows = len(out)
    x = np.empty((min(BLOCK, rows), len(columns)), dtype=values.dtype)
    at = np.empty(BLOCK, dtype=np.uint32)
    for begin in range(0, rows, BLOCK):
        end = min(begin + BLOCK, rows)
        _lay_out(values, columns, missing, begin, end, x)
        many = end - begin
        for tree in range(len(root)):
            for i in range(many):
                at[i] = root[tree]
            for _ in range(depth[tree]):
                for i in range(many):
                    node = at[i]
                    asked = decision[node]
                    value = x[i, asked >> np.uint32(1)]
                    # NaN is in no order: it goes right unless the decision sends what is missing to the left.
                    left = (value <= threshold[node]) | ((value != value) & ((asked & np.uint32(1)) == 1))
                    at[i] = child[2 * node + (1 - left)]
            for i in range(many):
                out[begin + i] += leaf[at[i]]


@compiled()
def _goes_left(value, first, last, bits):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Tell whether a category is among those that go left; whatever is no whole number of 31 bits is not."""
    if not (-1.0 < value < 2147483648.0):
        return False
    category = np.int64(value)
    word = first + (category >> 5)
    return word < last and (np.int64(bits[word]) >> (category & 31)) & 1 == 1


@compiled()
def _walk(values, columns, missing, root, depth, decision, threshold, child, leaf, categories, bits, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Do what `_descend` does, row by row, with categorical decisions among the others."""
    rows = len(out)
    x = np.empty((1, len(columns)), dtype=values.dtype)
    for i in range(rows):
        _lay_out(values, columns, missing, i, i + 1, x)
        for tree in range(len(root)):
            node = root[tree]
            for _ in range(depth[tree]):
                asked = decision[node]
                value = x[0, asked >> np.uint32(1)]
                if categories[node, 0] >= 0:
                    left = _goes_left(value, categories[node, 0], categories[node, 1], bits)
                else:
                    left = value <= threshold[node] or (value != value and (asked & np.uint32(1)) == 1)
                node = child[2 * node + (0 if left else 1)]
            out[i] += leaf[node]
