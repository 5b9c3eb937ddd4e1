"""What a sweep shows and leaves: pictures, the table while it runs, the files of its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.errors import BadInput, Refused, UnreadableFile
from oracle.tuning.ledger import Ledger, Record, State, opened
from oracle.tuning.pictures import pictures
from oracle.tuning.proposals import Told, propose
from oracle.tuning.space import SPACES
from oracle.tuning.table import table

ASKED = {"id": "x", "trials": 4, "seed": 7, "dataset": "abc"}
VARYING = ("id", "trials")


@pytest.mark.slow
def test_every_member_that_was_tried_gets_its_pictures() -> None:
    spaces = {n: SPACES[n] for n in ("win", "market_logit", "conditional_logit")}
    told: list[Told] = []
    for number in range(14):
        told.append(Told(propose("member", spaces, told, 5), 0.01 * ((number * 7) % 5)))
    told.append(Told(propose("member", spaces, told, 5), None, failed=True))
    drawn = pictures("member", spaces, told, 5)
    tried = {str(t.point["member"]) for t in told}
    assert "parallel_coordinates/all.png" in drawn
    assert {f"{kind}/{n}.png" for n in tried for kind in ("parallel_coordinates", "importance")} <= set(drawn)
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())


def test_a_sweep_without_trials_has_no_pictures() -> None:
    assert pictures("member", {"win": SPACES["win"]}, [], 5) == {}


def record(number: int, member: str, state: State, *against: float) -> Record:
    folds = [{"log_loss": 2.0, "against_shipped": a, "seconds": 1.0} for a in against]
    return Record("members", number, {"member": member}, state, folds, against[-1] if against else None)


def test_the_table_says_what_is_done_what_is_best_and_what_runs() -> None:
    running = record(3, "win", State.RUNNING, -0.1)
    records = [
        record(0, "win", State.FINISHED, 0.1, -0.002),
        record(1, "win", State.STOPPED_EARLY, -0.5),
        record(2, "lambdarank", State.FAILED),
        running,
    ]
    text = table("members", "member", records, [running], 10, 90.0)
    assert text.splitlines()[0] == (
        "members: 3 of 10 trials done (1 stopped early, 1 failed), 1 running; 1m30s, about 3m30s left"
    )
    (win,) = (line for line in text.splitlines() if line.strip().startswith("win"))
    assert win.split() == ["win", "2", "-0.00200", "2", "fold", "2"]


def test_a_fresh_folder_is_made_and_held_by_one_process(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "sweep"
    with opened(folder, ASKED, resume=False, varying=VARYING) as ledger:
        assert ledger.asked()["trials"] == 4
        with pytest.raises(Refused, match="another process"), opened(folder, ASKED, resume=True, varying=VARYING):
            pass


def test_a_folder_with_a_sweep_is_refused_and_the_next_step_named(tmp_path: Path) -> None:
    with opened(tmp_path, ASKED, resume=False, varying=VARYING):
        pass
    with pytest.raises(Refused, match="--resume") as caught, opened(tmp_path, ASKED, resume=False, varying=VARYING):
        pass
    assert caught.value.exit_code == 3


def test_there_must_be_a_sweep_to_resume(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no sweep"), opened(tmp_path / "none", ASKED, resume=True, varying=VARYING):
        pass
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("key", "value"), [("seed", 8), ("dataset", "abd")])
def test_a_sweep_is_resumed_as_it_was_begun(tmp_path: Path, key: str, value: object) -> None:
    with opened(tmp_path, ASKED, resume=False, varying=VARYING):
        pass
    with (
        pytest.raises(Refused, match=f"another {key}") as caught,
        opened(tmp_path, ASKED | {key: value}, resume=True, varying=VARYING),
    ):
        pass
    assert str(caught.value.allowed) == str(ASKED[key])
    with opened(tmp_path, ASKED | {"trials": 9, "id": "y"}, resume=True, varying=VARYING) as ledger:
        assert ledger.asked()["id"] == "x"


def test_a_folder_that_is_no_sweep_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(UnreadableFile, match="cannot be read"):
        Ledger(tmp_path).asked()
