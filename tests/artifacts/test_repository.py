"""MLflow reads and writes through the sealing without knowing of it, and the store never holds a word in the clear."""

from __future__ import annotations

import asyncio
import importlib.metadata
import io
import shutil
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.store.artifact import artifact_repo

from oracle.artifacts import keyring
from oracle.artifacts.envelope import FRAME, Key
from oracle.artifacts.plugin import sealed_repository
from oracle.artifacts.repository import SealedRepository
from oracle.errors import OracleError, Refused, Unopened
from oracle.settings import Settings
from oracle.tracking.connection import reaching

MARKER = b"Happy Valley 2031, race 8: not to be read by anybody. "
STORE = "of a test"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    settings = Settings(home=tmp_path / "home")
    keyring.add(keyring.file_of(settings), bytes(32))
    keyring.announce(STORE, settings)
    (tmp_path / "store").mkdir()
    return tmp_path / "store"


def at(store: Path, below: str = "1/run/artifacts") -> SealedRepository:
    return sealed_repository(f"sealed+file://{store}/{below}", STORE)


def written(folder: Path) -> Path:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a.bin").write_bytes(MARKER * 10)
    (folder / "sub" / "b.txt").write_bytes(b"")
    (folder / "sub" / "deep" / "c.txt").write_bytes(MARKER * (FRAME // 20))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_a_folder_goes_up_and_comes_down_equal_and_the_store_holds_no_word_of_it(store: Path, tmp_path: Path) -> None:
    source = written(tmp_path / "source")
    at(store).log_artifacts(source, "model")
    kept = contents(store)
    assert len(kept) == 3
    assert not [name for name, content in kept.items() if MARKER[:12] in content]
    found = at(store).download_artifacts("model", str(tmp_path))
    assert contents(Path(found)) == contents(source)


def test_lists_show_what_a_reader_will_get(store: Path, tmp_path: Path) -> None:
    at(store).log_artifacts(written(tmp_path / "source"))
    listed = {f.path: (f.is_dir, f.file_size) for f in [*at(store).list_artifacts(), *at(store).list_artifacts("sub")]}
    assert listed == {
        "a.bin": (False, len(MARKER) * 10),
        "sub": (True, None),
        "sub/b.txt": (False, 0),
        "sub/deep": (True, None),
    }


def test_streams_of_a_server_are_sealed_without_a_copy_in_the_clear(store: Path, tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield MARKER

    at(store).log_artifact_from_stream(io.BytesIO(MARKER * 2), "one", "a")
    asyncio.run(at(store).log_artifact_from_async_stream(chunks(), "two", "a"))
    found = Path(at(store).download_artifacts("a", str(tmp_path)))
    assert [(found / name).read_bytes() for name in ("one", "two")] == [MARKER * 2, MARKER * 3]
    assert not [c for c in contents(store).values() if MARKER in c]


def test_what_is_deleted_is_gone(store: Path, tmp_path: Path) -> None:
    at(store).log_artifacts(written(tmp_path / "source"))
    at(store).delete_artifacts("sub")
    assert list(contents(store)) == ["1/run/artifacts/a.bin"]


def refused(store: Path, path: str, tmp_path: Path) -> OracleError:
    with pytest.raises(MlflowException) as error:
        at(store).download_artifacts(path, str(tmp_path))
    assert error.value.error_code == "PERMISSION_DENIED"
    assert isinstance(error.value.__cause__, OracleError)
    return error.value.__cause__


def test_two_files_exchanged_in_the_store_are_refused_and_nothing_of_them_is_left(store: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("champion", "challenger"):
        (source / name).write_bytes(MARKER + name.encode())
    at(store).log_artifacts(source)
    shutil.copy(store / "1/run/artifacts/challenger", store / "1/run/artifacts/champion")
    down = tmp_path / "down"
    down.mkdir()
    assert isinstance(refused(store, "champion", down), Unopened)
    assert list(down.iterdir()) == []


def test_a_run_moved_over_another_is_refused(store: Path, tmp_path: Path) -> None:
    at(store, "1/a").log_artifacts(written(tmp_path / "source"))
    shutil.copytree(store / "1/a", store / "1/b")
    with pytest.raises(MlflowException, match="another place"):
        at(store, "1/b").download_artifacts("a.bin", str(tmp_path))


def test_a_file_in_the_clear_put_in_by_somebody_else_is_refused(store: Path, tmp_path: Path) -> None:
    (store / "1/run/artifacts").mkdir(parents=True)
    (store / "1/run/artifacts/a.bin").write_bytes(b"a model of mine")
    assert "not sealed" in str(refused(store, "a.bin", tmp_path))


def test_a_missing_key_is_named_by_its_id_and_nothing_is_written_in_the_clear_instead(
    store: Path, tmp_path: Path
) -> None:
    at(store).log_artifacts(written(tmp_path / "source"))
    keyring.announce(STORE, Settings(home=tmp_path / "elsewhere"))
    told = str(refused(store, "a.bin", tmp_path))
    assert Key(bytes(32)).id in told
    assert keyring.written(Key(bytes(32))) not in told
    before = contents(store)
    with pytest.raises(MlflowException, match="no key to seal"):
        at(store).log_artifact(tmp_path / "source" / "a.bin", "new")
    assert contents(store) == before


def test_a_path_that_climbs_out_of_the_run_is_refused(store: Path, tmp_path: Path) -> None:
    at(store).log_artifacts(written(tmp_path / "source"))
    for path in ("../other", "/etc", "a/../../b"):
        with pytest.raises(MlflowException):
            at(store).log_artifact(tmp_path / "source" / "a.bin", path)
        with pytest.raises(MlflowException):
            at(store).download_artifacts(f"{path}/a.bin", str(tmp_path))


def test_what_would_go_round_the_sealing_is_not_offered(store: Path) -> None:
    ours = at(store)
    for way in ("MultipartUploadMixin", "MultipartDownloadMixin", "PresignedUploadMixin"):
        assert not isinstance(ours, getattr(artifact_repo, way))
    assert ours.get_local_path("a") is None


def test_every_way_of_mlflow_to_write_or_read_a_file_is_ours_or_built_on_ours() -> None:
    """What MLflow's own repositories override beyond the base class would bypass us if we derived from them."""
    assert SealedRepository.__mro__[1:3] == (artifact_repo.ArtifactRepository, artifact_repo.StreamUploadMixin)
    abstract = {name for c in SealedRepository.__mro__[1:3] for name in vars(c) if _abstract(c, name)}
    assert abstract <= set(vars(SealedRepository))


def _abstract(kind: type, name: str) -> bool:
    return bool(getattr(vars(kind)[name], "__isabstractmethod__", False))


def test_a_server_opens_the_stores_it_was_started_with_and_no_others(
    monkeypatch: pytest.MonkeyPatch, store: Path
) -> None:
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_ROOT", "mlflow-artifacts:/")
    monkeypatch.setenv("_MLFLOW_SERVER_ARTIFACT_DESTINATION", f"sealed+file://{store}/own")
    at(store, "own"), at(store, "own/1/run")
    for below in ("", "other", "own/../other", "owner"):
        with pytest.raises(MlflowException, match="no sealed artifacts there"):
            at(store, below)


def test_the_schemes_are_declared_where_mlflow_looks_for_them() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    declared = project["project"]["entry-points"]["mlflow.artifact_repository"]
    assert set(declared) == {"sealed+s3", "sealed+file"}
    for name, value in declared.items():
        entry = importlib.metadata.EntryPoint(name, value, "mlflow.artifact_repository")
        assert entry.load() is sealed_repository


def test_our_error_comes_out_of_mlflow_as_ours(store: Path, tmp_path: Path) -> None:
    at(store).log_artifacts(written(tmp_path / "source"))
    keyring.announce(STORE, Settings(home=tmp_path / "elsewhere"))
    with pytest.raises(Unopened), reaching("sqlite:///x"):
        at(store).download_artifacts("a.bin", str(tmp_path))
    with pytest.raises(Refused), reaching("sqlite:///x"):
        at(store).log_artifact(tmp_path / "source" / "a.bin")
