"""An MLflow artifact repository that seals on the way up and opens on the way down, over MLflow's own S3 or local one.

MLflow finds it (`plugin`) by the scheme of an address: `sealed+s3://bucket/prefix`, `sealed+file:///path`. It works in
a client that reaches the store itself and in a server that does so for its clients (`--artifacts-destination`). What
would hand out or take in the bytes of the store without passing here is not offered: presigned addresses and multipart
uploads are classes of MLflow that this one does not derive from, and the server refuses them with a sentence.
"""

from __future__ import annotations

import asyncio
import copy
import os
import posixpath
import tempfile
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mlflow.entities import FileInfo
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED
from mlflow.store.artifact.artifact_repo import ArtifactRepository, StreamUploadMixin, verify_artifact_path
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from oracle.artifacts import files, keyring
from oracle.artifacts.envelope import plain_size
from oracle.artifacts.place import SEALED, bound_name, place
from oracle.errors import OracleError

ROOTS = ("_MLFLOW_SERVER_ARTIFACT_ROOT", "_MLFLOW_SERVER_ARTIFACT_DESTINATION")
"""How `mlflow server` tells its workers which stores are its own."""


class SealedRepository(ArtifactRepository, StreamUploadMixin):
    """Files of one run or model, sealed under their whole address."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        _of_this_server(artifact_uri)
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        plain = artifact_uri.removeprefix(SEALED)
        where = place(artifact_uri)
        local = where.bucket is None
        self._inner: Any = (LocalArtifactRepository if local else S3ArtifactRepository)(
            plain, tracking_uri=tracking_uri
        )
        self._root = where.root
        self._refused: list[OracleError] = []

    def _name(self, path: str) -> str:
        return bound_name(self._root, path)

    def log_artifact(self, local_file: str | Path, artifact_path: str | None = None) -> None:
        """Seal a file and upload it."""
        with Path(local_file).open("rb") as stream:
            self._upload(files.pieces(stream), Path(local_file).name, artifact_path)

    def log_artifacts(self, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Seal and upload all files below a folder."""
        for folder, _, names in os.walk(local_dir):
            below = Path(folder).relative_to(local_dir).as_posix()
            where = posixpath.normpath(posixpath.join(artifact_path or "", below))
            for name in sorted(names):
                self.log_artifact(Path(folder) / name, None if where == "." else where)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Seal what a client of the server sends, without a copy in the clear."""
        self._upload(files.pieces(stream), artifact_file_name, artifact_path)

    async def log_artifact_from_async_stream(
        self, chunks: AsyncIterable[bytes], artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Do the same where the server is asynchronous."""
        verify_artifact_path(artifact_path)  # type: ignore[no-untyped-call]  # MLflow declares it so
        name = Path(artifact_file_name).name
        with _as_mlflow(), tempfile.TemporaryDirectory(prefix="oracle-sealed-") as scratch:
            file = Path(scratch) / name
            sealer = files.sealer(keyring.at(self.tracking_uri).sealing, self._name(_below(artifact_path, name)))
            with file.open("xb") as out:
                async for chunk in chunks:
                    await asyncio.to_thread(out.write, sealer.update(chunk))
                out.write(sealer.finish())
            await asyncio.to_thread(self._inner.log_artifact, str(file), artifact_path)

    def _upload(self, pieces: Iterable[bytes], file_name: str, artifact_path: str | None) -> None:
        verify_artifact_path(artifact_path)  # type: ignore[no-untyped-call]  # MLflow declares it so
        name = Path(file_name).name
        with _as_mlflow(), tempfile.TemporaryDirectory(prefix="oracle-sealed-") as scratch:
            file = Path(scratch) / name
            files.seal(pieces, file, keyring.at(self.tracking_uri).sealing, self._name(_below(artifact_path, name)))
            self._inner.log_artifact(str(file), artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return what is directly under a path, with the sizes that files have once they are opened."""
        found = self._inner.list_artifacts(path)
        return [f if f.is_dir else FileInfo(f.path, False, plain_size(f.file_size)) for f in found]

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file or all below a folder; no key is needed."""
        self._inner.delete_artifacts(artifact_path)

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Download and open a file, or all below a folder, and return where it lies.

        Raises:
            MlflowException: a file does not open. Its cause is our own error, which says which key is missing.
        """
        call = copy.copy(self)  # a server shares one repository among its threads
        call._refused = []
        try:
            found = ArtifactRepository.download_artifacts(call, artifact_path, dst_path)  # type: ignore[no-untyped-call]
            return str(found)
        except MlflowException as error:
            if call._refused:
                raise _refusal(call._refused[0]) from call._refused[0]
            raise error

    def _is_directory(self, artifact_path: str) -> bool:
        return bool(self._inner._is_directory(artifact_path))

    def _download_file(self, remote_file_path: str, local_path: str | Path) -> None:
        target = Path(local_path)
        with tempfile.TemporaryDirectory(prefix="oracle-sealed-") as scratch:
            fetched = Path(scratch) / "fetched"
            self._inner._download_file(remote_file_path, str(fetched))
            try:
                files.open_to(fetched, target, keyring.at(self.tracking_uri), self._name(remote_file_path))
            except OracleError as error:
                self._refused.append(error)
                raise


def _below(folder: str | None, name: str) -> str:
    return posixpath.join(folder, name) if folder else name


def _refusal(error: OracleError) -> MlflowException:
    return MlflowException(str(error), error_code=PERMISSION_DENIED)


@contextmanager
def _as_mlflow() -> Iterator[None]:
    """Turn our refusals into MLflow's, which its server answers with; the cause stays ours."""
    try:
        yield
    except OracleError as error:
        raise _refusal(error) from error


def _of_this_server(uri: str, environment: Callable[[str], str | None] = os.environ.get) -> None:
    """Let a server open its own store only: a client may write any address into an experiment.

    Raises:
        MlflowException: this process is a server, and the address is not below one that it was started with.
    """
    if environment(ROOTS[0]) is None:
        return
    own = [place(root) for name in ROOTS if (root := environment(name) or "").startswith(SEALED)]
    if ".." in uri.split("/") or not any(root.holds(place(uri)) for root in own):
        raise MlflowException(f"this server keeps no sealed artifacts there: {uri}", error_code=INVALID_PARAMETER_VALUE)
