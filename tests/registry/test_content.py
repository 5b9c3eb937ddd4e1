from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.errors import UnreadableFile, UntrustedPackage
from oracle.registry.content import content_digest, prove

FILES = st.dictionaries(st.sampled_from(["a", "b", "c/a", "c/b"]), st.binary(max_size=8), min_size=1)


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@given(FILES, FILES)
@settings(max_examples=40, deadline=None)
def test_two_folders_have_one_digest_exactly_if_they_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    first = content_digest(written(tmp_path_factory.mktemp("one"), one))
    second = content_digest(written(tmp_path_factory.mktemp("other"), dict(reversed(other.items()))))
    assert (first == second) == (one == other)


def test_a_folder_that_says_something_else_is_not_trusted(tmp_path: Path) -> None:
    digest = content_digest(written(tmp_path, {"model.txt": b"one"}))
    prove(tmp_path, digest)
    (tmp_path / "model.txt").write_bytes(b"onf")
    with pytest.raises(UntrustedPackage, match="not the one that was registered"):
        prove(tmp_path, digest)


def test_a_symbolic_link_is_not_trusted(tmp_path: Path) -> None:
    written(tmp_path / "package", {"a": b"1"})
    (tmp_path / "package" / "b").symlink_to(tmp_path)
    with pytest.raises(UntrustedPackage, match="symbolic link"):
        content_digest(tmp_path / "package")


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_folder_without_files_is_no_package(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableFile):
        content_digest(tmp_path / name)
