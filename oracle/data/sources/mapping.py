"""Any other table, told by a TOML file which column means what, in which unit and in which words.

`docs/data.md` explains every key of such a file, with a complete example.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from oracle.data.sources.base import Batch, Source
from oracle.data.sources.files import Layout, find
from oracle.data.sources.mapped_rows import translate
from oracle.data.sources.mapping_model import Mapping
from oracle.data.sources.reading import read
from oracle.errors import BadInput
from oracle.progress import Progress, silent


@dataclass(frozen=True)
class Mapped:
    """A source made from a mapping."""

    mapping: Mapping

    @property
    def name(self) -> str:
        """The name the mapping gives itself."""
        return self.mapping.name

    @property
    def layout(self) -> Layout:
        """How the table is recognised and read."""
        columns = self.mapping.columns
        told_by = [columns[part] for part in (*self.mapping.parts, "date", "off") if part in columns]
        return Layout(
            self.name,
            required=tuple(dict.fromkeys(columns.values())),
            race=tuple(dict.fromkeys(told_by[: len(self.mapping.parts)] or told_by)),
            encoding=self.mapping.encoding,
            delimiter=self.mapping.delimiter,
        )

    def read(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Batch]:
        """Yield the rows of all files; see `Source.read`."""
        files = find(paths, self.layout)
        for text in read(progress(files, f"reading {self.name}", len(files)), self.layout):
            yield translate(text, self.mapping)


def mapped(mapping_file: Path) -> Source:
    """Return the source that a mapping file describes.

    Raises:
        BadInput: the file cannot be read, or a key or value in it is not allowed; names the key, the value and what is
            allowed.
    """
    try:
        return Mapped(Mapping.model_validate(tomllib.loads(mapping_file.read_text("utf-8"))))
    except ValidationError as error:
        raise _named(mapping_file, error) from error
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(
            f"the mapping {mapping_file} cannot be read: {error}",
            allowed="a TOML file in UTF-8",
            next_step="docs/data.md has a complete example",
        ) from error


def _named(file: Path, error: ValidationError) -> BadInput:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    context = first.get("ctx", {})
    allowed = context.get("allowed") or context.get("expected") or context.get("pattern")
    message = first["msg"]
    value = context.get("value", first.get("input"))
    if first["type"] == "extra_forbidden":
        message, value, allowed = "is no key of a mapping", first["loc"][-1], ", ".join(_siblings(first["loc"]))
    return BadInput(
        f"mapping {file}: {where or 'the mapping'}: {message}",
        value=value,
        allowed=None if allowed is None else str(allowed),
        next_step="docs/data.md explains every key",
    )


def _siblings(loc: tuple[int | str, ...]) -> list[str]:
    model: Any = Mapping
    for part in loc[:-1]:
        model = model.model_fields[str(part)].annotation
    return list(model.model_fields)
