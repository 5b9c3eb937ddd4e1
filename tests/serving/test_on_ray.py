"""The app on a real Ray Serve: as `serve run`, as `serve deploy` on a cluster, and as `oracle serve`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from oracle.cli import serve as command
from oracle.errors import BadInput, NoSuchModel
from oracle.serving.messages import PredictionMessage, RefusalMessage
from tests.serving import hostile
from tests.serving.clusters import (
    BIN,
    ask,
    end,
    fast_ingress,
    free_ports,
    line_of,
    ray_folder,
    running,
    wait_until_healthy,
)
from tests.serving.conftest import World

REPOSITORY = Path(__file__).resolve().parents[2]
JSON = {"content-type": "application/json"}


@pytest.fixture
def environment(world: World) -> Iterator[dict[str, str]]:
    """As deploy/serving.sh leaves it, with files and ports of this test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORACLE_", "RAY_", "MLFLOW_"))}
    with ray_folder() as folder, fast_ingress() as switches:
        yield (
            kept
            | switches
            | {
                "ORACLE_HOME": str(world.home),
                "ORACLE_SERVING__AUTH": "off",
                "RAY_TMPDIR": str(folder),
                "RAY_AUTH_MODE": "disabled",
                "RAY_USAGE_STATS_ENABLED": "0",
                "PYTHONWARNINGS": "ignore",
            }
        )


def config(port: int, folder: Path, **user_config: str) -> Path:
    """Return the repository's own serve_config.yaml on another port, and with another user_config where given."""
    document: dict[str, Any] = yaml.safe_load((REPOSITORY / "serve_config.yaml").read_text())
    document["http_options"]["port"] = port
    if user_config:
        document["applications"][0]["deployments"][0]["user_config"] = user_config
    file = folder / "serve_config.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def priced(port: int, world: World) -> PredictionMessage:
    told = ask(port, "POST", "/v1/predict", world.body, JSON)
    assert told.status == 200, told
    answer = PredictionMessage.model_validate_json(told.body)
    assert abs(sum(runner.win for runner in answer.runners) - 1) < 1e-9
    return answer


@pytest.mark.cluster
def test_serve_run_answers_cards_keeps_answers_and_refuses_hostile_ones(
    world: World, environment: dict[str, str], tmp_path: Path
):
    [port], log = free_ports(1), tmp_path / "log"
    with running([BIN / "serve", "run", config(port, tmp_path)], environment, log):
        wait_until_healthy(port, log)
        first = priced(port, world)
        again = ask(port, "GET", f"/v1/predictions/{first.prediction_id}")
        assert PredictionMessage.model_validate_json(again.body) == first
        for path in ("/docs", "/openapi.json", "/v1/models", "/v1/health"):
            assert ask(port, "GET", path).status == 200
        for each in hostile.every():
            told = ask(port, "POST", "/v1/predict", each.body, each.headers)
            assert told.status == (413 if len(each.body) > 262_144 else 422), each.name
            assert RefusalMessage.model_validate_json(told.body).errors
        assert ask(port, "POST", "/v1/predict", b" " * 3_000_000, JSON).status == 413
        assert ask(port, "GET", "/nothing").status == 404
        assert priced(port, world).runners == first.runners


@pytest.mark.cluster
def test_serve_deploy_brings_the_app_to_a_cluster_and_swaps_the_version_without_a_restart(
    world: World, environment: dict[str, str], tmp_path: Path
):
    port, head, dashboard, client, agent, log = *free_ports(5), tmp_path / "log"
    start = [BIN / "ray", "start", "--head", "--block", "--disable-usage-stats", "--num-cpus=2", f"--port={head}"]
    start += [f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}", "--node-ip-address=127.0.0.1"]
    start += [f"--dashboard-agent-listen-port={agent}", f"--temp-dir={environment['RAY_TMPDIR']}"]

    def deploy(**user_config: str) -> None:
        deployed = [
            BIN / "serve",
            "deploy",
            config(port, tmp_path, **user_config),
            "-a",
            f"http://127.0.0.1:{dashboard}",
        ]
        done = subprocess.run([str(part) for part in deployed], env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def health(**expected: str) -> dict[str, Any]:
        for _ in range(120):
            told: dict[str, Any] = ask(port, "GET", "/v1/health").json()
            if expected.items() <= told.items():
                return told
            priced(port, world)
        raise AssertionError(told)

    with running(start, environment, log):
        until_listening(dashboard)
        deploy()
        loaded_at = wait_until_healthy(port, log).json()["loaded_at"]
        deploy(version="v9.9.9")
        refused = health(status="degraded")
        assert "keeping version 1" in refused["reasons"][0]
        deploy(version="v1.0.0", revision="1")
        assert health(status="ok")["loaded_at"] == loaded_at


def left_of(session: int, folder: str) -> list[str]:
    """Return the processes that stand in the session, or work in the Ray folder."""
    listed = subprocess.run(["ps", "-eo", "sess=,cmd="], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in listed if line.split()[0] == str(session) or folder in line]


def until_listening(port: int, attempts: int = 600) -> None:
    for _ in range(attempts):
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        subprocess.run(["sleep", "0.2"], check=True)
    raise AssertionError(f"nobody listens on {port}")


@pytest.mark.cluster
def test_oracle_serve_says_when_it_is_ready_answers_and_ends_on_a_signal_leaving_nothing(
    world: World, environment: dict[str, str], tmp_path: Path
):
    [port], log = free_ports(1), tmp_path / "log"
    with running([BIN / "oracle", "serve", "--port", port, "--json"], environment, log) as process:
        ready = json.loads(line_of(process.stdout) or log.read_bytes()[-3000:])
        assert ready["url"] == f"http://127.0.0.1:{port}"
        assert priced(port, world).model.semver == "v1.0.0"
        again = subprocess.run(
            [str(BIN / "oracle"), "serve", "--port", str(port)], env=environment, capture_output=True, check=False
        )
        assert again.returncode == 2
        assert b"the port is in use" in again.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == b""
        assert not left_of(process.pid, environment["RAY_TMPDIR"])
        assert end(process) == 0


@pytest.mark.usefixtures("world_home")
def test_a_port_in_use_is_refused_before_anything_starts():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadInput) as caught:
            command.serve(port=taken.getsockname()[1])
    assert "--port" in str(caught.value)


@pytest.mark.usefixtures("world_home")
def test_a_host_that_is_not_ours_is_refused():
    with pytest.raises(BadInput):
        command.serve(host="192.0.2.77", port=free_ports(1)[0])


@pytest.mark.usefixtures("world_home")
def test_a_version_that_is_not_there_is_refused_before_ray_is_started():
    with pytest.raises(NoSuchModel):
        command.serve(port=free_ports(1)[0], model_version="17")
