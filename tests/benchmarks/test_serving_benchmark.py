from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from benchmarks.serving_bench import card, report, rounds, shooter
from benchmarks.serving_bench.environments import fingerprint, pins_of
from benchmarks.serving_bench.processes import Process, living, tree, usage
from benchmarks.serving_bench.rounds import Sample

KEEPER = Path(rounds.__file__).with_name("keeper.py")
CARD = {"course": "Redmile", "runners": [{"horse": "A", "weight_kg": 57.0}, {"horse": "B"}]}


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if condition():
            return True
        threading.Event().wait(0.02)
    return False


def test_a_tree_holds_all_descendants_and_nobody_else() -> None:
    told = [Process(1, 0, "init", 9), Process(5, 1, "a", 1), Process(7, 5, "b", 2), Process(9, 7, "c", 4)]
    assert [p.pid for p in tree(told, 5)] == [5, 7, 9]


def test_processor_time_of_a_tree_grows_with_the_work_of_children_that_ended() -> None:
    before = usage(os.getpid()).seconds
    subprocess.run([sys.executable, "-c", "sum(range(8_000_000))"], check=True)
    assert usage(os.getpid()).seconds > before


ORPHANING = """
import subprocess, sys, time
parent = "import subprocess; print(subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL).pid)"
print(subprocess.check_output([sys.executable, "-c", parent], text=True), flush=True)
time.sleep(600)
"""


def test_what_is_let_go_by_its_parent_ends_with_its_keeper() -> None:
    command = [sys.executable, str(KEEPER), sys.executable, "-c", ORPHANING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdout is not None
        orphan = int(keeper.stdout.readline())
        assert until(lambda: any(p.pid == orphan and p.parent == keeper.pid for p in living()))
        keeper.send_signal(signal.SIGTERM)
        keeper.wait(30)
    assert orphan not in {p.pid for p in living()}


@pytest.mark.parametrize(
    "message",
    [card.plain(CARD), card.plain(CARD, "/predict", "card"), card.table(CARD), card.matrix(3, 2)],
    ids=["card", "wrapped", "table", "matrix"],
)
def test_every_dress_of_a_card_is_json_and_varies_in_one_number(message: card.Message) -> None:
    one, two = (json.loads(message.before + shooter.number(i) + message.after) for i in (0, 1))
    assert one != two
    assert "50.0001" in json.dumps(two)
    assert message.runners == 2


def test_no_number_comes_twice_and_all_are_possible_weights() -> None:
    numbers = {shooter.number(i) for i in range(0, 400_000, 7)}
    assert len(numbers) == len(range(0, 400_000, 7))
    assert all(30 <= float(n) <= 100 and len(n) == 7 for n in numbers)


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wrong = False

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        runners = len(json.loads(body)["runners"])
        answer = json.dumps({"runners": [{"win": 0.5}] * (0 if self.wrong else runners)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("wrong", [False, True], ids=["right answers", "wrong answers"])
def test_the_generator_counts_whole_answers_only(wrong: bool) -> None:
    handler = type("Handler", (Answers,), {"wrong": wrong})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        message = card.plain(CARD)
        found = shooter.shoot(
            shooter.Order(
                port=server.server_port,
                head=message.head,
                bodies=(message.before, message.after),
                first=0,
                distinct=True,
                runners=2,
                connections=1,
                seconds=0.1,
            )
        )
        server.shutdown()
    assert bool(found.latencies) is not wrong
    assert bool(found.errors) is wrong
    assert found.sent == len(found.latencies) + found.errors


def sample(requests: int, cpu: float) -> Sample:
    return Sample(requests, 0, 2.0, cpu, 0.0, 1.0, 2.0)


def test_cpu_per_request_is_told_with_and_without_what_an_idle_server_uses() -> None:
    found = rounds.summary([sample(100, 0.5), sample(100, 0.7), sample(100, 0.3)], idle_cores=0.1)
    assert found["cpu_ms"] == rounds.Spread(5.0, 3.0, 7.0)
    assert found["cpu_ms_net"] == rounds.Spread(3.0, 1.0, 5.0)


def test_a_server_that_never_answered_has_no_figures_but_its_errors() -> None:
    found = rounds.summary([Sample(0, 7, 2.0, 0.1, 0.0, float("nan"), float("nan"), "refused")], 0.0)
    assert found == {"requests": 0, "errors": 7, "first_error": "refused"}
    assert "7" in report.table({("oracle", "distinct"): {16: found}}, {})


def test_a_target_is_met_or_missed_by_the_ratio_of_net_processor_time() -> None:
    def row(cpu: float) -> dict[int, dict[str, object]]:
        return {16: rounds.summary([sample(1000, cpu)], 0.0)}

    figures = {("oracle", "identical"): row(1.0), ("oracle", "distinct"): row(2.0), ("fastapi", "distinct"): row(2.5)}
    told = report.ratios(figures)
    assert [(t["found"], t["met"]) for t in told] == [(0.4, True), (0.8, False)]
    assert "MISSED" in report.verdicts(told)


def test_other_pins_or_another_interpreter_make_an_environment_anew(tmp_path: Path) -> None:
    pins = tmp_path / "a.txt"
    pins.write_text("x==1")
    before = fingerprint([pins], "3.11")
    assert fingerprint([pins], "3.12") != before
    pins.write_text("x==2")
    assert fingerprint([pins], "3.11") != before


@pytest.mark.parametrize("name", ["fastapi", "bentoml", "mlflow", "ray"])
def test_every_library_of_a_peer_is_pinned(name: str) -> None:
    lines = [line for file in pins_of(name) for line in file.read_text().splitlines()]
    named = [line for line in lines if line and not line.startswith(("#", "-r "))]
    assert named
    assert all("==" in line for line in named)
