import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.tracking import catalogue
from oracle.tracking.entries import PLACEHOLDERS, Direction, Entry, Undeclared

DOCS = Path(__file__).parents[2] / "docs" / "tracking.md"

EXAMPLES = {
    "who": ("model", "form", "market", "members.lambdarank"),
    "period": ("test", "validation"),
    "span": ("train", "validation", "test"),
    "ensemble": ("model", "form"),
    "member": ("lambdarank", "conditional_logit"),
    "setting": ("learning_rate", "lambda_l2"),
    "canary": ("constant", "random", "shuffled"),
    "feature": ("days_off",),
    "judged": ("folds", "hindsight", "test"),
    "package": ("lightgbm", "scikit-learn"),
}


def filled(entry: Entry) -> list[str]:
    names = [entry.name]
    for placeholder, values in EXAMPLES.items():
        names = [n.replace(f"{{{placeholder}}}", v) for n in names for v in values]
    return sorted(set(names))


@pytest.mark.parametrize("entry", catalogue.METRICS, ids=lambda e: e.name)
def test_every_filled_in_metric_finds_its_own_declaration_and_is_a_name_mlflow_takes(entry: Entry) -> None:
    for name in filled(entry):
        assert catalogue.metric(name) is entry
        assert re.fullmatch(r"[\w\-./ ]{1,250}", name)


@pytest.mark.parametrize("entry", catalogue.PARAMETERS, ids=lambda e: e.name)
def test_every_filled_in_parameter_is_declared_and_is_a_name_mlflow_takes(entry: Entry) -> None:
    for name in filled(entry):
        assert catalogue.parameter(name).group is entry.group
        assert re.fullmatch(r"[\w\-./ ]{1,250}", name)


def test_no_name_is_declared_twice() -> None:
    for entries in (catalogue.METRICS, catalogue.PARAMETERS):
        names = [e.name for e in entries]
        assert len(names) == len(set(names))


def test_every_entry_says_what_it_means_and_uses_known_placeholders_only() -> None:
    for entry in (*catalogue.METRICS, *catalogue.PARAMETERS):
        assert entry.meaning.endswith(".")
        assert set(re.findall(r"\{(\w+)\}", entry.name)) <= set(PLACEHOLDERS)
        assert dataclasses.is_dataclass(entry)


@pytest.mark.parametrize("who", ["model", "form", "market", "members.gbdt_win"])
def test_the_report_of_a_training_is_covered_name_by_name(who: str) -> None:
    for measure in ("ndcg_at_3", "ndcg_at_5", "mrr", "map", "top1", "pseudo_r2"):
        assert catalogue.metric(f"test.{who}.{measure}").direction is Direction.UP
    for measure in ("log_loss", "brier", "ece"):
        assert catalogue.metric(f"test.{who}.{measure}").direction is Direction.DOWN


def test_a_misspelt_name_is_refused_and_the_right_one_is_named() -> None:
    with pytest.raises(Undeclared, match="ndcg_at_3") as refused:
        catalogue.metric("test.model.ndgc_at_3")
    assert refused.value.value == "test.model.ndgc_at_3"
    assert "catalogue.py" in str(refused.value.next_step)


@given(st.text(max_size=40))
def test_no_other_text_is_a_metric(name: str) -> None:
    covered = [e for e in catalogue.METRICS if e.covers(name)]
    assert len(covered) <= 1
    if not covered:
        with pytest.raises(Undeclared):
            catalogue.metric(name)


LEAVES = st.none() | st.floats(allow_nan=False) | st.integers()
TREES = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAVES), lambda t: st.dictionaries(st.sampled_from("abc"), t | LEAVES)
)


@given(TREES)
def test_flattening_keeps_every_leaf_and_a_flat_tree_is_itself(tree: dict[str, object]) -> None:
    def leaves(node: object) -> int:
        return sum(map(leaves, node.values())) if isinstance(node, dict) else 1

    flat = catalogue.flatten(tree)
    assert len(flat) == leaves(tree)
    assert catalogue.flatten(flat) == flat


def test_the_docs_hold_the_table_of_the_catalogue() -> None:
    page = DOCS.read_text()
    assert catalogue.renewed(page) == page, (
        "write it again: python -m oracle.tracking.catalogue < docs/tracking.md > new.md; mv new.md docs/tracking.md"
    )
