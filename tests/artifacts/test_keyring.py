"""Keys come from the setting or a private file, the first one seals, and nothing ever shows one."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.artifacts import keyring
from oracle.artifacts.envelope import Key
from oracle.errors import BadSetting, Refused
from oracle.settings import Settings

A, B = Key(b"a" * 32), Key(b"b" * 32)


def test_a_home_without_keys_has_an_empty_ring_that_refuses_to_seal(tmp_path: Path) -> None:
    ring = keyring.of(Settings(home=tmp_path))
    assert len(ring) == 0
    with pytest.raises(Refused, match="oracle artifacts key --new"):
        _ = ring.sealing


def test_a_new_key_seals_and_the_older_ones_still_open(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    file = keyring.file_of(settings)
    keyring.add(file, A.secret)
    keyring.add(file, B.secret)
    ring = keyring.of(settings)
    assert (list(ring), ring.sealing) == ([B.id, A.id], B)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_the_setting_goes_before_the_file(tmp_path: Path) -> None:
    keyring.add(tmp_path / "keys", A.secret)
    settings = Settings(home=tmp_path, artifacts={"key": keyring.written(B), "key_file": tmp_path / "keys"})
    assert list(keyring.of(settings)) == [B.id, A.id]


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    keyring.add(file, A.secret)
    for mode in (0o640, 0o604, 0o644):
        file.chmod(mode)
        with pytest.raises(Refused, match="others may read"):
            keyring.read(file)


def test_a_file_that_was_named_and_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="cannot be read"):
        keyring.of(Settings(home=tmp_path, artifacts={"key_file": tmp_path / "none"}))


@pytest.mark.parametrize("change", [lambda w: w[:-1], lambda w: w + "A", lambda w: w[5:], str.upper])
def test_a_mistyped_key_is_refused_without_being_repeated(change: object) -> None:
    wrong = change(keyring.written(A))  # type: ignore[operator]
    with pytest.raises(BadSetting) as error:
        keyring.parse(wrong, "the file")
    assert wrong[:12] not in str(error.value)


def test_comments_commas_and_repetitions_are_read(tmp_path: Path) -> None:
    text = f"# old\n{keyring.written(B)}, {keyring.written(A)} # the first\n\n{keyring.written(B)}\n"
    assert keyring.parse(text, "x") == (B, A)


def test_settings_show_no_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, artifacts={"key": keyring.written(A)})
    assert keyring.written(A) not in f"{settings!r}{keyring.of(settings)!r}{settings.model_dump_json()}"


@pytest.mark.parametrize(
    "uri",
    ["http://x/y", "s3:///x", "sealed+s3:/x", "file://host/x", "file:x", "s3://u:p@b/x", "s3://b/../x", "s3://b?x"],
)
def test_an_address_that_no_artifact_of_ours_has_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uri"):
        Settings(home=tmp_path, artifacts={"uri": uri})
