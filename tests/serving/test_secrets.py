"""Secrets stay where they belong: real commands with marked ones, and a search of all that they leave behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.serving.conftest import World

REPOSITORY = Path(__file__).resolve().parents[2]
MARK = "marked5ecret"
"""Every secret of these commands has it."""
GONE = "postgresql://oracle:marked5ecret-of-the-database@127.0.0.1:1/oracle"
FAR = "http://me:marked5ecret-of-mlflow@127.0.0.1:1"
SECRETS = {
    "ORACLE_SERVING__PSEUDONYM_KEY": "marked5ecret of pseudonyms",
    "ORACLE_ALERTS__SECRET": "marked5ecret of webhooks",
    "ORACLE_ALERTS__WEBHOOKS": '["http://127.0.0.1:1/alerts"]',
    "MLFLOW_TRACKING_PASSWORD": "marked5ecret of a person",
    "AWS_SECRET_ACCESS_KEY": "marked5ecret of the bucket",
}


def command(*words: str, home: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORACLE_", "RAY_", "MLFLOW_"))}
    environment = {**kept, **SECRETS, "ORACLE_HOME": str(home), "PYTHONPATH": str(REPOSITORY), **more}
    program = [sys.executable, "-c", "from oracle.cli.app import main; main()", *words]
    return subprocess.run(program, env=environment, cwd=home, capture_output=True, check=False)


@contextmanager
def watching_processes() -> Iterator[list[bytes]]:
    """Look at the list of processes again and again; yields what was seen of command lines with the mark."""
    seen: list[bytes] = []
    looks, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            looks[0] += 1
            listed = subprocess.run(["ps", "-ewwo", "args="], capture_output=True, check=False).stdout
            seen.extend(line for line in listed.splitlines() if MARK.encode() in line)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        assert looks[0] > 3


@pytest.mark.slow
def test_no_command_tells_a_secret_to_anybody_but_who_asked_for_it(world: World, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(world.home, home)
    (home / "card.json").write_bytes(world.body)
    with watching_processes() as seen, ThreadPoolExecutor(4) as pool:
        made = json.loads(command("tokens", "create", "app", "--scope", "predict", "--json", home=home).stdout)
        asked = [
            (("tokens", "revoke", made["token"]), {}),
            (("predict", "card.json", "--json"), {"ORACLE_STORE__URI": GONE}),
            (("serve", "--json"), {"ORACLE_TRACKING__URI": FAR}),
            (("alerts", "test"), {}),
        ]
        done = list(pool.map(lambda each: command(*each[0], home=home, **each[1]), asked))
    assert [each.returncode for each in done] == [2, 1, 1, 1], [each.stderr[-300:] for each in done]
    said = b"".join(each.stdout + each.stderr for each in done)
    left = {file: file.read_bytes() for file in home.rglob("*") if file.is_file()}
    assert any(made["id"].encode() in content for content in left.values()), "the search sees what is there"
    for secret in (MARK, made["token"].split("_")[2]):
        assert secret.encode() not in said
        assert not [file for file, content in left.items() if secret.encode() in content]
    assert not seen
