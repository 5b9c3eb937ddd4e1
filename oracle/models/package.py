"""The folder a model is kept in, and the proof that it is still what was saved.

A package is files and a manifest that names each with its SHA-256. Loading reads every byte once, compares, and only
then hands anything out: a file that changed, is missing, or was added is refused, and so is a format or a feature
version this installation does not have. Nothing in it is executable and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from oracle.errors import UntrustedPackage
from oracle.models.ranker import Files

MANIFEST = "manifest.json"
FORMAT = 1


def digest(files: Files) -> str:
    """Return one SHA-256 over all files and their names: the identity of a package."""
    lines = [f"{name} {hashlib.sha256(data).hexdigest()}" for name, data in sorted(files.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def save(folder: Path, files: Files) -> str:
    """Write files and manifest and return the digest of the package.

    Args:
        folder: A new or empty folder.
        files: Name -> content; names may have slashes.
    """
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    manifest = {
        "format": FORMAT,
        "digest": digest(files),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
    return str(manifest["digest"])


def load(folder: Path) -> dict[str, bytes]:
    """Return the files of a package that is proven whole.

    Raises:
        UntrustedPackage: names what does not match, and what to do.
    """
    manifest = _manifest(folder)
    listed: dict[str, str] = manifest["files"]
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {MANIFEST}
    for what, names in (("missing", set(listed) - there), ("unlisted", there - set(listed))):
        if names:
            raise _refused(folder, f"{what} file", ", ".join(sorted(names)))
    files = {}
    for name, expected in listed.items():
        files[name] = (folder / name).read_bytes()
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise _refused(folder, "changed file", name)
    if digest(files) != manifest["digest"]:
        raise _refused(folder, "changed manifest", MANIFEST)
    return files


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refused(folder, "unreadable manifest", str(error)) from error
    if not isinstance(manifest, dict) or not {"format", "digest", "files"} <= set(manifest):
        raise _refused(folder, "incomplete manifest", MANIFEST)
    if manifest["format"] != FORMAT:
        raise UntrustedPackage(
            "the model package has another format",
            value=manifest["format"],
            allowed=str(FORMAT),
            next_step="load it with the version of equine-oracle that wrote it, or train again",
        )
    if not isinstance(manifest["files"], dict):
        raise _refused(folder, "incomplete manifest", MANIFEST)
    return manifest


def _refused(folder: Path, what: str, which: str) -> UntrustedPackage:
    return UntrustedPackage(
        f"model package {folder.name} is not what was saved: {what}",
        value=which,
        next_step="download it from the registry again, or train again",
    )
