"""A package proves itself or is refused: every byte, every name, and nothing in it is ever executed."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.errors import UntrustedPackage
from oracle.models import package
from oracle.models.package import FORMAT, MANIFEST

FILES = {"model.json": b'{"a": 1}', "members/one/forest.txt": b"tree\n" * 20, "empty": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package.save(tmp_path / "package", FILES)
    return tmp_path / "package"


def rewrite(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))


def test_what_was_saved_is_loaded(folder: Path):
    assert package.load(folder) == FILES


@given(st.dictionaries(st.text("abc/", min_size=1).filter(lambda n: n.strip("/") == n and "//" not in n), st.binary()))
def test_the_digest_is_the_same_for_the_same_files_only(files):
    assert package.digest(files) == package.digest(dict(reversed(list(files.items()))))
    for name in files:
        assert package.digest(files | {name: files[name] + b"!"}) != package.digest(files)
        assert package.digest({k: v for k, v in files.items() if k != name}) != package.digest(files)


@pytest.mark.parametrize("name", [*(n for n in FILES if FILES[n]), MANIFEST])
def test_one_flipped_bit_anywhere_is_refused(folder: Path, name: str):
    good = (folder / name).read_bytes()
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << (at % 8)
        (folder / name).write_bytes(bytes(bad))
        with pytest.raises(UntrustedPackage):
            package.load(folder)
    (folder / name).write_bytes(good)
    assert package.load(folder) == FILES


def test_a_file_that_was_added_is_refused_by_name(folder: Path):
    (folder / "members" / "stranger.py").write_text("print('hello')")
    with pytest.raises(UntrustedPackage, match=r"unlisted file.*members/stranger\.py.*next: "):
        package.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_missing_is_refused_by_name(folder: Path, name: str):
    (folder / name).unlink()
    with pytest.raises(UntrustedPackage, match=f"missing file.*{name}"):
        package.load(folder)


@pytest.mark.parametrize("change", [{"format": FORMAT + 1}, {"format": None}, {"format": [FORMAT]}])
def test_another_format_is_refused_with_the_next_step(folder: Path, change: dict[str, Any]):
    rewrite(folder, **change)
    with pytest.raises(UntrustedPackage, match=r"another format.*next: "):
        package.load(folder)


def test_a_manifest_that_lists_other_hashes_is_refused(folder: Path):
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    (folder / "empty").write_bytes(b"not so empty")
    rewrite(folder, files=hashes | {"empty": hashlib.sha256(b"not so empty").hexdigest()})
    with pytest.raises(UntrustedPackage, match="changed manifest"):
        package.load(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "not json",
        "\udcff",
        '{"format": 1, "files": {}}',
        '{"format": 1, "digest": "", "files": []}',
        '{"format": 1, "digest": "", "files": null}',
        '{"format": 1, "digest": "", "files": {"empty": null}}',
    ],
)
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, text: str):
    (folder / MANIFEST).write_text(text, errors="surrogateescape")
    with pytest.raises(UntrustedPackage):
        package.load(folder)


def test_a_folder_without_manifest_or_no_folder_at_all_is_refused(tmp_path: Path):
    with pytest.raises(UntrustedPackage, match="unreadable manifest"):
        package.load(tmp_path)
    with pytest.raises(UntrustedPackage, match="unreadable manifest"):
        package.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["../secret", "members/../../secret", "/etc/hostname", "./model.json"])
def test_a_manifest_that_names_files_elsewhere_reads_none_of_them(folder: Path, name: str):
    secret = b"nobody's business"
    (folder.parent / "secret").write_bytes(secret)
    rewrite(folder, files={name: hashlib.sha256(secret).hexdigest()})
    with pytest.raises(UntrustedPackage):
        package.load(folder)


def test_loading_hands_out_bytes_and_unpickles_nothing(tmp_path: Path):
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    trap = {"trap.pkl": pickle.dumps(Trap())}
    package.save(tmp_path / "package", trap)
    assert package.load(tmp_path / "package") == trap
    assert not (tmp_path / "sprung").exists()
