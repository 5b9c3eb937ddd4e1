"""The main job end to end, on a simulated world: results in, a served and calibrated race card out.

Every step is a command that a person could type, and is printed before it runs. All of it happens under .demo, which
is made anew each time.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pandas as pd

from oracle.data.dataset import Dataset

HOME = Path(".demo")
RACES = 3000
FLIPS = "2015-02-27"
QUICK = {
    "ORACLE_CANDIDATE__HOLDOUT_DAYS": "6",
    "ORACLE_CANDIDATE__LIVE": "never",
    "ORACLE_RETRAINING__ON": '["prediction", "concept", "outcome"]',
}
"""A retraining is judged on the latest six days and not sixty: this world has twenty races a day. It is young, so its
columns change all the time: that alone is no reason to train anew."""
ORACLE = str(Path(sys.executable).with_name("oracle"))


def say(text: str) -> None:
    """Print a line at once: the steps below write to the same terminal."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def oracle(*words: str) -> None:
    """Show a command, run it, and end the demo where it fails."""
    say(f"\n$ oracle {' '.join(words)}")
    subprocess.run([ORACLE, *words], check=True)


def published(world: Path, until: pd.Timestamp) -> tuple[Path, Path]:
    """Write the world's results before a date as somebody else's CSV, and the mapping that explains it."""
    rows = Dataset(world).read(end=(until - pd.Timedelta(days=1)).date())
    mapping = Path("scripts/demo_mapping.toml")
    columns = tomllib.loads(mapping.read_text(encoding="utf-8"))["columns"]
    texts = rows.assign(off=rows["off"].dt.strftime("%Y-%m-%d %H:%M"), date=rows["date"].dt.strftime("%Y-%m-%d"))
    table = HOME / "results.csv"
    texts[list(columns)].rename(columns=columns).to_csv(table, sep=";", index=False)
    return table, mapping


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(url: str, token: str, body: bytes) -> dict[str, object]:
    """Return the answer to a card."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{url}/v1/predict", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        told: dict[str, object] = json.load(answer)
        return told


def main() -> None:
    """Run the demo."""
    began = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    os.environ["ORACLE_HOME"] = str((HOME / "home").absolute())
    world, races = HOME / "world", HOME / "races"
    oracle("simulate", "--races", str(RACES), "--seed", "7", "--out", str(world))
    rows = Dataset(world).read()
    today = rows["date"].max()
    table, mapping = published(world, today)
    oracle("ingest", str(table), "--mapping", str(mapping), "--out", str(races))
    oracle("train", "--data", str(races))

    race = str(rows.loc[rows["date"] == today, "race_id"].iloc[0])
    card = HOME / "card.json"
    say(f"\n$ oracle card --data {world} --race {race} > {card}")
    with card.open("wb") as file:
        subprocess.run([ORACLE, "card", "--data", str(world), "--race", race], check=True, stdout=file)
    say("\n$ TOKEN=$(oracle tokens create demo --scope predict)")
    create = [ORACLE, "tokens", "create", "demo", "--scope", "predict"]
    token = subprocess.run(create, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    port = free_port()
    say(f"$ oracle serve --port {port} &")
    server = subprocess.Popen([ORACLE, "serve", "--port", str(port), "--json"], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline() or "{}")
        if "url" not in ready:
            sys.exit("the server did not start; its messages are above")
        url = ready["url"]
        shown = '-H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json"'
        say(f"$ curl -s {url}/v1/predict {shown} -d @{card}")
        told = post(url, token, card.read_bytes())
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)
    show(told, rows[rows["race_id"] == race])
    loop()
    say(
        f"\nDone in {time.monotonic() - began:.0f} s. Where to look next:\n"
        f"  ORACLE_HOME={HOME}/home .venv/bin/oracle serve              then open http://127.0.0.1:8000/docs\n"
        f"  ORACLE_HOME={HOME}/home .venv/bin/oracle predict {card}   the same answer without a server\n"
        f"  {HOME}/replay.html                                   what the loop did when the draw bias flipped\n"
        f"  .venv/bin/mlflow ui --backend-store-uri sqlite:///{HOME}/home/mlflow.db   every run and model\n"
        "  docs/data.md                                         bring your own results"
    )


def loop() -> None:
    """Play a world whose draw bias flips half-way as live traffic, and let the model look after itself."""
    flipping = HOME / "flipping"
    strong, turned = ("--drift", "draw:2015-01-01:12"), ("--drift", f"draw:{FLIPS}")
    oracle("simulate", "--races", "1640", "--seed", "7", *strong, *turned, "--out", str(flipping))
    os.environ |= QUICK
    words = ["--data", str(flipping), "--from", "2015-02-23", "--recipe", "scripts/demo_recipe.json"]
    words += [
        "--every",
        "4",
        "--cooldown",
        "6",
        "--asks",
        "2",
        "--home",
        str(HOME / "replay"),
        "--html",
        str(HOME / "replay.html"),
    ]
    oracle("replay", *words)


def show(told: dict[str, object], rows: pd.DataFrame) -> None:
    """Print the ranked card, and beside it how the race went in the end."""
    finish = dict(zip(rows["horse"], rows["position"], strict=True))
    say(f"\n{'rank':>4}  {'horse':<24}{'win':>7}{'place':>8}{'fair':>8}{'edge':>8}   finished")
    runners = told["runners"]
    assert isinstance(runners, list)
    for r in sorted((r for r in runners if r["rank"]), key=lambda r: r["rank"]):
        place = finish[r["horse"]]
        edge = "-" if r["edge"] is None else f"{r['edge']:+.2f}"
        ended: str = "-" if pd.isna(place) else str(int(place))
        chances = f"{r['win']:>7.3f}{r['place']:>8.3f}{r['fair_odds']:>8.1f}"
        say(f"{r['rank']:>4}  {r['horse']:<24}{chances}{edge:>8}{ended:>11}")
    say(f"model {told['model']}, ensemble {told['ensemble']}, prediction {told['prediction_id']}")


if __name__ == "__main__":
    main()
