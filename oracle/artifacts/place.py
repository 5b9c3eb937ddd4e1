"""Addresses of artifact stores: which there are, and under which name a file in one is sealed. Pure."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from oracle.errors import BadInput

SEALED = "sealed+"
"""Before a scheme: files are sealed before they leave."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where artifacts are: a bucket with a prefix, or a folder."""

    bucket: str | None
    """None: a folder of this machine."""
    path: str
    """Prefix in the bucket, without slashes at its ends; or the absolute path of the folder."""
    sealed: bool
    """Whether all that is there should be sealed."""

    def __str__(self) -> str:
        return (SEALED if self.sealed else "") + self.root

    @property
    def root(self) -> str:
        """The beginning of the names that files here are sealed under."""
        return f"s3://{self.bucket}/{self.path}".rstrip("/") if self.bucket else f"file://{self.path}"

    def holds(self, other: Place) -> bool:
        """Return whether all that is at another place is here too."""
        return self.bucket == other.bucket and (
            not self.path or self.path == other.path or other.path.startswith(self.path.rstrip("/") + "/")
        )


def place(uri: str) -> Place:
    """Return the place that an address names; a path without a scheme is a folder.

    >>> str(place("sealed+s3://bucket/a/")), str(place("/srv/artifacts"))
    ('sealed+s3://bucket/a', 'file:///srv/artifacts')

    Raises:
        BadInput: artifacts of ours are never there.
    """
    plain = uri.removeprefix(SEALED)
    parts = urlsplit(plain)
    if parts.scheme == "s3" and parts.netloc:
        return Place(parts.netloc, parts.path.strip("/"), plain != uri)
    folder = unquote(parts.path) if parts.scheme == "file" and not parts.netloc else plain if "://" not in plain else ""
    if not folder.startswith("/"):
        raise BadInput(
            "artifacts cannot stand there",
            value=uri,
            allowed="s3://bucket/prefix, file:///path, an absolute path, or sealed+ before it",
        )
    return Place(None, posixpath.normpath(folder), plain != uri)


def bound_name(root: str, path: str) -> str:
    """Return the name that a file is sealed under: its address without `sealed+`.

    >>> bound_name("s3://bucket/a/", "b/../c.txt")
    's3://bucket/a/c.txt'
    """
    scheme, _, rest = root.partition("://")
    return f"{scheme}://{posixpath.normpath(posixpath.join(rest, path))}"
