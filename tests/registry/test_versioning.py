import dataclasses

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oracle.errors import BadInput
from oracle.registry.versioning import FIRST, ModelFacts, SemVer, bump, digest_of, is_semver, parse

VERSIONS = st.builds(SemVer, *(st.integers(0, 10**6),) * 3)
FACTS = st.builds(
    ModelFacts,
    families=st.lists(st.sampled_from(["lambdarank", "win", "logit", "market"]), min_size=1, max_size=4).map(tuple),
    aggregation=st.sampled_from(["log_pool", "mean"]),
    hyperparameters=st.sampled_from("ab"),
    features=st.sampled_from(["form@1", "form@2"]),
    data=st.text(max_size=3),
    code=st.text(max_size=3),
)


@given(VERSIONS)
def test_a_version_reads_back_from_each_form_it_is_written_in(version: SemVer) -> None:
    for text in (str(version), str(version)[1:], version.alias):
        assert is_semver(text)
        assert parse(text) == version


@given(VERSIONS)
def test_the_alias_form_is_one_that_mlflow_takes(version: SemVer) -> None:
    assert set(version.alias) <= set("v-0123456789")
    assert version.alias.count("-") == 2


@given(st.lists(VERSIONS))
def test_versions_are_ordered_as_numbers_and_not_as_text(versions: list[SemVer]) -> None:
    assert sorted(versions) == sorted(versions, key=dataclasses.astuple)
    assert SemVer(1, 9, 0) < SemVer(1, 10, 0) < SemVer(2, 0, 0)


@pytest.mark.parametrize("text", ["", "v1", "latest", "1.2", "v1.2.3.4", "v01.2.3", "v1.2.x", "1.2.3 ", "production"])
def test_any_other_text_is_no_version(text: str) -> None:
    assert not is_semver(text)
    with pytest.raises(BadInput, match="oracle model list"):
        parse(text)


@given(FACTS)
def test_the_first_model_is_version_one(now: ModelFacts) -> None:
    assert bump(None, None, now) == FIRST


@given(VERSIONS, st.none() | FACTS, FACTS)
def test_a_new_model_is_always_above_the_highest_there_is(
    previous: SemVer, before: ModelFacts | None, now: ModelFacts
) -> None:
    assert bump(previous, before, now) > previous


@given(VERSIONS, FACTS, FACTS)
def test_another_composition_is_a_major_version_whatever_else_changed(
    previous: SemVer, before: ModelFacts, now: ModelFacts
) -> None:
    same = sorted(before.families) == sorted(now.families) and before.aggregation == now.aggregation
    assert (bump(previous, before, now) == previous.next_major()) is not same


@given(VERSIONS, FACTS, FACTS)
def test_another_setting_or_feature_version_of_the_same_composition_is_a_minor_version(
    previous: SemVer, before: ModelFacts, now: ModelFacts
) -> None:
    now = dataclasses.replace(now, families=before.families[::-1], aggregation=before.aggregation)
    assume((before.hyperparameters, before.features) != (now.hyperparameters, now.features))
    assert bump(previous, before, now) == previous.next_minor()


@given(VERSIONS, FACTS, st.text(max_size=3), st.text(max_size=3))
def test_newer_data_or_code_alone_is_a_patch_and_so_is_no_change_at_all(
    previous: SemVer, before: ModelFacts, data: str, code: str
) -> None:
    assert bump(previous, before, dataclasses.replace(before, data=data, code=code)) == previous.next_patch()


@given(VERSIONS, FACTS)
def test_where_the_facts_were_not_kept_nothing_is_said_to_be_the_same(previous: SemVer, now: ModelFacts) -> None:
    assert bump(previous, None, now) == previous.next_major()


@given(FACTS)
def test_facts_read_back_from_what_the_registry_keeps(facts: ModelFacts) -> None:
    assert ModelFacts.from_json(facts.to_json()) == facts


@pytest.mark.parametrize("text", ["{}", "[]", "not json", '{"families": ["a"]}', '{"families": 1}'])
def test_other_texts_are_not_taken_for_facts(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ModelFacts.from_json(text)


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.floats(allow_nan=False)))
def test_the_digest_of_settings_does_not_depend_on_their_order(settings: dict[str, float]) -> None:
    assert digest_of(settings) == digest_of(dict(reversed(settings.items())))
    assert digest_of(settings) != digest_of({**settings, "one more": 1})
