"""Which stores a command is about: those it is told, or those that the settings and the experiments name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oracle.artifacts.place import Place, place
from oracle.errors import BadInput
from oracle.settings import Settings

Stores = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[URI]...",
        help="s3://bucket/prefix, a folder, or either with sealed+ before it; by default where artifacts are kept.",
        show_default=False,
    ),
]


def places(settings: Settings, named: list[str] | None) -> list[Place]:
    """Return the stores, none of them inside another.

    By default that is `artifacts.uri`, and without a server also wherever an experiment keeps its files; a folder that
    is not there holds none.

    Raises:
        BadInput: a server keeps them, and nothing says where.
    """
    if named:
        return [place(uri) for uri in named]
    server = settings.tracking_uri.startswith("http")
    if server and settings.artifacts.uri is None:
        raise BadInput(
            "the tracking server keeps the artifacts, and does not say where",
            value=settings.tracking_uri,
            allowed="the server's --artifacts-destination as argument, or as artifacts.uri",
        )
    found = [place(settings.artifacts.uri or (settings.root / "artifacts").as_uri())]
    if not server and (settings.tracking.uri or (settings.root / "mlflow.db").exists()):
        from oracle.tracking.connection import artifact_locations, connect

        found += [place(uri) for uri in artifact_locations(connect(settings))]
    found = [each for each in found if each.bucket or Path(each.path).is_dir()]
    return [
        p for i, p in enumerate(found) if not any(q.holds(p) and (not p.holds(q) or i > j) for j, q in enumerate(found))
    ]
