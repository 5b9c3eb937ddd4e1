"""Writes docs/settings.md out of the settings themselves: `python tests/house/settings_page.py` after any change."""

from __future__ import annotations

import typing
from pathlib import Path
from types import UnionType

import annotated_types
from pydantic.fields import FieldInfo

from oracle.settings import environment_name, keys

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
HEAD = """# Settings

Every number a user may turn. Each is read once, when a command, a job or the server starts: the default below, then
`oracle.toml` in the working folder (or the file that `ORACLE_CONFIG` names), then the environment, then a flag of the
command, the later winning. An unknown key or variable, or a value out of its range, ends the command with exit code 2
and one sentence that names it.

```toml
# oracle.toml
home = "~/races/oracle"

[split]
test_share = 0.25
```

The same in the environment: `ORACLE_HOME=~/races/oracle ORACLE_SPLIT__TEST_SHARE=0.25`. Pairs and lists are JSON there:
`ORACLE_CHECK__WEIGHT_KG='[35, 90]'`. `home` may begin with `~`; a relative one is taken from the working folder.

`ORACLE_CONFIG` and `ORACLE_TEST_DATA` (where the tests find real races) are the only other variables that begin with
`ORACLE_`.

| key | environment | type | default | range | meaning |
|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_row(key, field) for key, field in keys())


def _row(key: str, field: FieldInfo) -> str:
    cells = (f"`{key}`", f"`{environment_name(key)}`", _type(field.annotation), _default(field), _range(field))
    return f"| {' | '.join((*cells, (field.description or '').strip()))} |\n"


def _type(kind: object) -> str:
    inner = typing.get_args(kind)
    if typing.get_origin(kind) is typing.Literal:
        return "word"
    if isinstance(kind, UnionType) or typing.get_origin(kind) is typing.Union:
        return _type(next(one for one in inner if one is not type(None)))
    if typing.get_origin(kind) is tuple:
        return f"list of {_type(inner[0])}s" if inner[-1] is ... else f"pair of {_type(inner[0])}s"
    words = {
        "int": "whole number",
        "float": "number",
        "str": "text",
        "SecretStr": "secret text",
        "bool": "true/false",
        "Path": "path",
        "date": "date",
    }
    return words[getattr(kind, "__name__", "")]


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None:
        return "none"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def _range(field: FieldInfo) -> str:
    signs: dict[type, tuple[str, str]] = {
        annotated_types.Ge: ("ge", "at least {}"),
        annotated_types.Gt: ("gt", "above {}"),
        annotated_types.Le: ("le", "at most {}"),
        annotated_types.Lt: ("lt", "below {}"),
        annotated_types.MinLen: ("min_length", "at least {} letter"),
    }
    told = [
        text.format(getattr(m, name)) for m in field.metadata for kind, (name, text) in signs.items() if type(m) is kind
    ]
    if typing.get_origin(field.annotation) is typing.Literal:
        told.append(f"one of {', '.join(f'`{word}`' for word in typing.get_args(field.annotation))}")
    told += [f"matches `{m.pattern}`" for m in field.metadata if getattr(m, "pattern", None)]
    return ", ".join(told) or "any"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
