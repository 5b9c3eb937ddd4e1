"""One tree of settings: where a value comes from, what is refused, and that the page about it is true."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from pydantic import ValidationError

from oracle.errors import BadSetting, Unavailable
from oracle.settings import Settings, environment_name, keys, load
from oracle.tracking.connection import connect


@pytest.fixture(autouse=True)
def alone(oracle_home: Path) -> Path:
    """No setting of the machine is seen."""
    return oracle_home


def write(home: Path, text: str) -> None:
    (home / "oracle.toml").write_text(text, "utf-8")


def test_the_page_lists_every_key_as_it_is() -> None:
    spec = importlib.util.spec_from_file_location("settings_page", Path(__file__).with_name("settings_page.py"))
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    assert page.PAGE.read_text("utf-8") == page.page(), "run: python tests/house/settings_page.py"


def test_every_key_has_a_meaning_and_its_default_is_allowed() -> None:
    for key, field in keys():
        assert field.description, key
    Settings.model_validate(Settings().model_dump())


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load().seed == 7
    write(alone, "seed = 1\n")
    assert load().seed == 1
    monkeypatch.setenv("ORACLE_SEED", "2")
    assert load().seed == 2
    assert load(seed=3).seed == 3
    assert load(seed=None).seed == 2


def test_sources_are_joined_key_by_key_inside_a_group(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(alone, "[split]\ntest_share = 0.3\npurge_days = 4\n")
    monkeypatch.setenv("ORACLE_SPLIT__TEST_SHARE", "0.25")
    split = load().split
    assert (split.test_share, split.purge_days, split.validation_share) == (0.25, 4, 0.15)


AN_ADDRESS = "s3://bucket/prefix"


def test_every_key_can_be_set_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, field in keys():
        value = Settings().model_dump(mode="json")
        for part in key.split("."):
            value = value[part]
        blank = {float | None: "0.5", int | None: "5"}.get(
            field.annotation, AN_ADDRESS if key == "artifacts.uri" else "x"
        )
        monkeypatch.setenv(environment_name(key), blank if value is None else str(value).replace("'", '"'))
    assert load().tracking.uri == "x"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ORACLE_NONSENSE", "ORACLE_"),
        ("ORACLE_SPLIT__TEST_SHAR", "ORACLE_SPLIT__TEST_SHARE"),
        ("ORACLE_SPLIT_TEST_SHARE", "ORACLE_SPLIT__TEST_SHARE"),
        ("ORACLE_TEST_SHARE", "ORACLE_SPLIT__TEST_SHARE"),
        ("ORACLE_SEDE", "ORACLE_SEED"),
    ],
)
def test_a_misspelt_variable_is_refused_and_the_nearest_named(
    name: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(BadSetting) as caught:
        load()
    assert caught.value.value == name
    assert nearest in str(caught.value.allowed)


@pytest.mark.parametrize("name", ["ORACLE_TEST_DATA", "ORACLE_HOME", "ORACLE_SPLIT", "oracle_seed", "ORACLES"])
def test_known_variables_and_those_of_others_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, '{"test_share": 0.4}' if name == "ORACLE_SPLIT" else "5")
    load()


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("sede = 1\n", "sede", "seed"),
        ("[split]\ntest_shar = 0.3\n", "split.test_shar", "split.test_share"),
        ("[splits]\ntest_share = 0.3\n", "splits", "split"),
    ],
)
def test_a_misspelt_key_in_the_file_is_refused_and_the_nearest_named(
    alone: Path, text: str, key: str, nearest: str
) -> None:
    write(alone, text)
    with pytest.raises(BadSetting) as caught:
        load()
    assert caught.value.value == key
    assert nearest in str(caught.value.allowed)


@pytest.mark.parametrize("text", ["[split]\ntest_share = 1.5\n", "seed = 'many'\n", "seed = -1\n", "split = 3\n"])
def test_an_impossible_value_is_refused_by_its_key(alone: Path, text: str) -> None:
    write(alone, text)
    with pytest.raises(BadSetting, match=r"setting (split|seed)"):
        load()


@pytest.mark.parametrize("content", [b"= broken", b"\xff\xfe", b"seed = 1\nseed = 2\n"])
def test_a_file_that_is_no_toml_is_refused(alone: Path, content: bytes) -> None:
    (alone / "oracle.toml").write_bytes(content)
    with pytest.raises(BadSetting, match=r"oracle\.toml"):
        load()


def test_nothing_can_be_changed_once_it_is_read() -> None:
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 1  # type: ignore[misc]  # the point of the test
    with pytest.raises(ValidationError, match="frozen"):
        settings.split.test_share = 0.5  # type: ignore[misc]  # the point of the test


def test_a_relative_home_and_a_tilde_become_absolute(
    alone: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(alone))
    monkeypatch.setenv("ORACLE_HOME", "here")
    assert load().root == tmp_path / "here"
    assert load().tracking_uri == f"sqlite:///{tmp_path / 'here' / 'mlflow.db'}"
    monkeypatch.setenv("ORACLE_HOME", "~/there")
    assert load().root == alone / "there"


def test_a_home_that_cannot_be_made_is_named_with_the_next_step(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "file").write_text("in the way")
    monkeypatch.setenv("ORACLE_HOME", str(alone / "file" / "home"))
    with pytest.raises(Unavailable, match="ORACLE_HOME"):
        connect(load())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORACLE_ALERTS", '{"webhooks": ["https://x.example/"], "secret": "marked"}'),
        ("ORACLE_ALERTS__WEBHOOKS", '["https://me:marked@x.example/"]'),
        ("ORACLE_SERVING__TOKEN", "marked"),
        ("ORACLE_SERVING__AUTH", "http://me:marked@x/"),
    ],
)
def test_a_refused_setting_repeats_no_secret(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting) as caught:
        load()
    assert "marked" not in str(caught.value) + str(caught.value.as_dict())
