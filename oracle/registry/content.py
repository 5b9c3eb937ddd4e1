"""What a folder says, as one number: the digest by which the registry knows a package again.

A package proves itself file by file when it is loaded. That proof travels with the package; this digest stays in the
registry, so that a package exchanged as a whole, proof included, is noticed too.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from oracle.errors import UnreadableFile, UntrustedPackage


def content_digest(folder: Path) -> str:
    """Return the SHA-256 of all files below the folder, names and bytes, as 64 hexadecimal digits.

    Neither the folder's own name, nor times, nor the order in which a file system lists files make a difference.

    Raises:
        UnreadableFile: there is no such folder, or it holds no file.
        UntrustedPackage: it holds a symbolic link, whose target could change without the folder changing.
    """
    plain = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    files = sorted((path.relative_to(folder).as_posix(), path) for path in plain)
    if not files:
        raise UnreadableFile("there is no model package", value=str(folder), allowed="a folder with files")
    total = hashlib.sha256()
    for name, path in files:
        if path.is_symlink():
            raise UntrustedPackage("the package holds a symbolic link", value=name, allowed="plain files")
        with path.open("rb") as file:
            own = hashlib.file_digest(file, "sha256")
        total.update(len(name.encode()).to_bytes(8, "little") + name.encode() + own.digest())
    return total.hexdigest()


def prove(folder: Path, digest: str) -> None:
    """Return silently if the folder says what the digest was taken of.

    Raises:
        UntrustedPackage: it says something else.
    """
    found = content_digest(folder)
    if found != digest:
        raise UntrustedPackage(
            "the package is not the one that was registered",
            value=f"sha256 {found[:16]}... in {folder.name}",
            allowed=f"sha256 {digest[:16]}...",
            next_step="find out who changed the artifact store; oracle train registers a new version",
        )
