"""The switches of Serve: apart from everybody else's, clear where HAProxy is missing, and the same in both places."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from oracle.serving import ingress
from oracle.serving.ingress import HAPROXY, PORTS, PYTHON_PROXY, SCRIPT, THROUGHPUT, clear, free_block, haproxy, prepare

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "serving.sh"
WRITTEN = """global
    stats socket /x/admin.sock mode 666 level admin expose-fd listeners
frontend prometheus
    bind :9101
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind *:8404
"""


def test_two_clusters_share_neither_files_nor_ports():
    one, two = prepare("haproxy", {}), prepare("haproxy", {})
    try:
        own = {name for name in one.switches if re.search("PATH|LOC|FILE|BASE|PORT$", name)}
        assert len(own) >= 11
        assert {"RAY_SERVE_FALLBACK_PROXY_HTTP_PORT", "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT"} <= own
        assert all(one.switches[name] != two.switches[name] for name in own)
        low, high = (int(one.switches[f"RAY_SERVE_DIRECT_INGRESS_{end}_HTTP_PORT"]) for end in ("MIN", "MAX"))
        assert high - low == PORTS - 1
        assert one.folder
        assert one.folder.stat().st_mode & 0o777 == 0o700
    finally:
        clear(one)
        clear(two)
    assert not one.folder.exists()


def test_what_the_environment_says_already_stays():
    found = prepare("haproxy", {"RAY_SERVE_HAPROXY_NBTHREAD": "4"})
    try:
        assert "RAY_SERVE_HAPROXY_NBTHREAD" not in found.switches
    finally:
        clear(found)


def test_where_haproxy_is_missing_the_python_proxy_listens_and_it_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ingress, "haproxy", lambda _: None)
    found = prepare("haproxy", {})
    assert (found.switches, found.folder) == (dict(PYTHON_PROXY), None)
    assert found.lacking
    clear(found)


def test_the_python_proxy_can_be_wanted():
    assert prepare("python", {}) == ingress.Ingress(dict(PYTHON_PROXY))


def test_a_named_binary_that_is_none_is_missing(tmp_path: Path):
    assert haproxy({"HAPROXY_BINARY": str(tmp_path / "none")}) is None
    assert haproxy({}) is not None


def test_the_stand_in_mends_the_configuration_once_and_becomes_haproxy(tmp_path: Path):
    config = tmp_path / "haproxy.cfg"
    config.write_text(WRITTEN)
    for _ in range(2):
        done = subprocess.run(
            [SCRIPT, "-db", "-f", config, "-sf", "1"],
            env={**os.environ, "HAPROXY_BINARY": "/bin/echo"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == f"-db -f {config} -sf 1\n"
    told = config.read_text()
    assert re.findall(r"bind (.*)", told) == ["127.0.0.1:9101", "127.0.0.1:8000", "127.0.0.1:8404"]
    assert "mode 600 level admin" in told
    assert told.count("unique-id-format") == told.count("set-header x-request-id") == 1
    assert told.count("set-header x-oracle-peer %[src]") == told.count("timeout http-request 10s") == 1


def shell(folder: Path) -> dict[str, str]:
    found = {"PATH": os.environ["PATH"], "HOME": str(folder), "SERVING_FOLDER": str(folder)}
    return {**found, "HAPROXY_BINARY": "/bin/true"}


def test_rays_token_is_made_once_for_its_owner_and_named_but_never_shown(tmp_path: Path):
    runs = [
        subprocess.Popen(["sh", "-c", f'. "{DEPLOY}"; env'], env=shell(tmp_path), cwd=DEPLOY.parents[1], stdout=-1)
        for _ in range(4)
    ]
    told = [run.communicate()[0].decode() for run in runs]
    file = tmp_path / ".equine-oracle" / "ray.token"
    token = file.read_text()
    assert re.fullmatch("[0-9a-f]{64}", token)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["ray.token"]
    for each in told:
        assert "RAY_AUTH_MODE=token\n" in each
        assert f"RAY_AUTH_TOKEN_PATH={file}\n" in each
        assert token not in each


def test_the_switches_for_a_cluster_are_those_of_oracle_serve(tmp_path: Path):
    shown = subprocess.run(
        ["sh", "-c", f'. "{DEPLOY}"; env'],
        env=shell(tmp_path),
        cwd=DEPLOY.parents[1],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    told = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    other_there = {"RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"}  # a load balancer may stand before a cluster
    for name, value in {**THROUGHPUT, **HAPROXY}.items():
        assert told[name] == value or name in other_there, name
    found = prepare("haproxy", {})
    clear(found)
    assert not set(found.switches) - set(told)
    assert told["RAY_SERVE_HAPROXY_BINARY_PATH"] == str(SCRIPT)
    assert os.access(SCRIPT, os.X_OK)


def test_a_block_of_ports_is_free():
    first = free_block(4)
    assert 1024 <= first <= 65_535 - 4
