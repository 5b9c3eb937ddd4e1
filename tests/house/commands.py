"""Every command by the words it is called with, those of groups included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from oracle.cli.app import app


def _leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    inside = getattr(command, "commands", None)
    if inside is None:
        yield " ".join(words), command
    else:
        if command.invoke_without_command:
            yield " ".join(words), command
        for name, each in inside.items():
            yield from _leaves(each, (*words, name))


COMMANDS: dict[str, Any] = dict(_leaves(typer.main.get_command(app)))
"""Such as "train" and "results ingest"."""


def called(words: list[str]) -> tuple[str, list[str]]:
    """Return the command that a line begins with, and the words that follow it; "" where there is none."""
    for length in (1, 2, 3):
        if " ".join(words[:length]) in COMMANDS:
            return " ".join(words[:length]), words[length:]
    return "", words
