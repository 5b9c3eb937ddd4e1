"""What docker users get, judged without docker: every command is one that is understood, and no secret is in a file."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from oracle.artifacts import keyring
from oracle.settings import environment_name, keys
from oracle.tracking.connection import load_mlflow, quiet
from tests.house.test_docs import understood

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
START = (DEPLOY / "start.sh").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BRANCHES = set(re.findall(r"^(\w+)\)", START, re.MULTILINE))
OURS = {name: each for name, each in SERVICES.items() if str(each["image"]).startswith("equine-oracle:")}


def branch(name: str) -> str:
    """Return what deploy/start.sh does for a part."""
    found = re.search(rf"^{name}\)(.*?)^    ;;", START, re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def part(each: dict[str, Any]) -> str:
    return str((each.get("entrypoint") or each["command"])[-1])


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_open_beyond_this_machine_nothing_is_root_and_nothing_can_be_written(name: str):
    each = SERVICES[name]
    assert all(str(port).startswith("127.0.0.1:") for port in each.get("ports", []))
    assert each["read_only"] is True
    if each["restart"] != "no":
        assert each["cap_drop"] == ["ALL"]
        assert each["security_opt"] == ["no-new-privileges:true"]
        assert "healthcheck" in each
    assert each.get("user") or name in OURS or name == "bucket"
    assert re.search(r"^USER oracle$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def test_images_are_pinned():
    images = [each["image"] for each in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert all(re.search(r":[\w.-]*\d[\w.-]*$", image) for image in images), images


@pytest.mark.parametrize("name", SERVICES)
def test_every_environment_name_of_ours_is_a_setting_and_none_holds_a_secret(name: str):
    known = {environment_name(key) for key, _ in keys()}
    told = {n: str(value) for n, value in SERVICES[name].get("environment", {}).items()}
    assert {n for n in told if n.startswith("ORACLE_")} <= known
    assert not [
        n for n in told if re.search("PASSWORD|SECRET|TOKEN|_KEY$|STORE__URI", n) and not told[n].startswith("/run/")
    ]


def test_every_setting_that_the_start_exports_is_one():
    known = {environment_name(key) for key, _ in keys()}
    assert set(re.findall(r"\bORACLE_\w+", START)) <= known


@pytest.mark.parametrize("name", SERVICES)
def test_a_part_reads_the_secrets_that_it_is_given_and_no_others(name: str):
    each = SERVICES[name]
    given = set(each.get("secrets", []))
    assert given <= set(COMPOSE["secrets"])
    if name in ("postgresql", "objects"):
        return
    text = branch(part(each))
    read = set(re.findall(r"\$\(secret (\w+)\)", text)) | set(re.findall(r"/run/secrets/(\w+)", text))
    read |= set(re.findall(r"\$\(database (\w+)", text))
    if part(each) == "people":
        read |= {"admin", "approver", "scientist", "serving"}
    assert read == given


def test_only_the_mlflow_server_holds_the_bucket_and_decides_in_the_store():
    holders = {
        n for n, each in OURS.items() if {"bucket_key", "bucket_secret", "governor", "mlflow"} & set(each["secrets"])
    }
    assert holders == {"mlflow"}
    assert "--app-name oracle-auth" in branch("mlflow")
    assert "--serve-artifacts" in branch("mlflow")


def test_what_is_waited_for_is_there_and_says_when_it_is_ready():
    for each in SERVICES.values():
        for other, how in each.get("depends_on", {}).items():
            wanted = "healthcheck" in SERVICES[other] if how["condition"] == "service_healthy" else True
            assert wanted
            assert (how["condition"] == "service_completed_successfully") == (SERVICES[other]["restart"] == "no")


def test_every_part_that_is_started_is_one_that_the_start_knows():
    started = {
        part(each) for each in SERVICES.values() if "start.sh" in str(each.get("entrypoint") or each.get("command"))
    }
    assert started | {"databases"} == BRANCHES
    assert subprocess.run(["sh", "-n", DEPLOY / "start.sh"], check=False).returncode == 0
    asked = subprocess.run(["sh", DEPLOY / "start.sh", "dinner"], capture_output=True, text=True, check=False)
    assert (asked.returncode, "dinner" in asked.stderr) == (2, True)


def test_every_command_line_of_ours_is_understood():
    lines = re.findall(r"^\s*(?:\w+=\$\([^)]*\) )?oracle (.+)$", START, re.MULTILINE)
    assert len(lines) >= 2
    for line in lines:
        understood(line)


@pytest.mark.slow
def test_every_option_of_the_mlflow_server_is_one_of_its_own():
    load_mlflow()
    with quiet():
        from mlflow.cli import server

    words = re.search(r"exec mlflow server ((?:.*\\\n)*.*)", START)
    assert words
    options = {option for each in server.params for option in each.opts}
    assert {word for word in shlex.split(words[1]) if word.startswith("--")} - {"--no-proxy-headers"} <= options


def test_the_secrets_are_made_once_and_the_key_of_artifacts_is_one(tmp_path: Path):
    script = tmp_path / "secrets.sh"
    script.write_text((DEPLOY / "secrets.sh").read_text())
    for _ in range(2):
        subprocess.run(["sh", script], check=True, env={"PATH": os.environ["PATH"]})
        made = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert set(made) == set(COMPOSE["secrets"])
    assert len(set(made.values())) == len(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert len(keyring.parse(made["artifacts"], "a test")) == 1
    before = dict(made)
    subprocess.run(["sh", script], check=True, env={"PATH": os.environ["PATH"]})
    assert {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()} == before
