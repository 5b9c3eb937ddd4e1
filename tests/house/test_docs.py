"""The documents are true: links lead somewhere, and every command line in them is one that the command understands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from oracle.cli.app import app
from tests.house.commands import COMMANDS, called

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([REPOSITORY / "README.md", *REPOSITORY.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELLS = {"", "bash", "sh", "console"}


def command_lines(page: Path) -> list[str]:
    """Return each `oracle ...` line of the fenced shell blocks of a page, without prompt, path, comment and pipe."""
    found = []
    for language, block in FENCE.findall(page.read_text("utf-8")):
        if language in SHELLS:
            for line in block.replace("\\\n", " ").splitlines():
                match = re.match(r"\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?oracle (.+)", line)
                if match:
                    found.append(re.split(r"\s(?:[|>&]|#|2>)", match[1])[0].strip())
    return found


def jobs_in(page: Path) -> list[str]:
    return re.findall(r"python (jobs/\w+\.py[^\n`]*)", page.read_text("utf-8"))


def understood(line: str) -> None:
    """Parse a command line without running it; whatever the parser refuses raises."""
    words = shlex.split(line)
    if words[0].startswith("--"):
        return
    name, rest = called(words)
    assert name, f"there is no command {words[0]}; there are {', '.join(COMMANDS)}"
    command = COMMANDS[name]
    if "..." in rest:
        rest = [word for word in rest if word != "..."]
    with typer.main.get_command(app).make_context("oracle", [], resilient_parsing=True) as parent:
        command.make_context(name, rest, parent=parent)


LINES = [pytest.param(line, id=f"{page.name}: {line}") for page in PAGES for line in command_lines(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = [
        t.split("#")[0] for t in LINK.findall(page.read_text("utf-8")) if "://" not in t and not t.startswith("#")
    ]
    assert not [t for t in targets if t and not (page.parent / t).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_of_ours_leads_to_one(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        file, _, heading = target.partition("#")
        if heading and "://" not in target:
            text = ((page.parent / file) if file else page).read_text("utf-8")
            slugs = {
                re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-")
                for h in re.findall(r"^#+ (.+)$", text, re.M)
            }
            assert heading in slugs, target


@pytest.mark.parametrize("line", LINES)
def test_every_command_line_in_the_documents_is_understood(line: str) -> None:
    understood(line)


def test_the_documents_show_the_main_commands() -> None:
    shown = {line.split()[0] for page in PAGES for line in command_lines(page)}
    assert {"ingest", "train", "predict", "serve"} <= shown


def test_every_job_in_the_documents_is_there_and_takes_its_options() -> None:
    for page in PAGES:
        for line in jobs_in(page):
            file, *rest = shlex.split(line)
            assert (REPOSITORY / file).is_file(), file
            command = re.search(r"main\(([^)]*)\"--json\"", (REPOSITORY / file).read_text("utf-8"))
            assert command, f"{file} does not say which command it is"
            understood(shlex.join([*re.findall(r"\w+", command[1]), *rest]))


@pytest.mark.parametrize("line", ["ingset x", "train --dta x", "train", "ingest x --out"])
def test_a_command_line_that_is_wrong_is_found(line: str) -> None:
    with pytest.raises((AssertionError, typer.BadParameter.__mro__[1])):
        understood(line)
