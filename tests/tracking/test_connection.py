import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.errors import BadSetting, Unavailable
from oracle.settings import Settings
from oracle.tracking.connection import connect, shown
from tests.tracking.stores import fresh_home


def test_connecting_twice_finds_the_same_experiment_and_its_folder_is_under_home(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = Settings(home=fresh_home(tmp_path_factory))
    first, second = connect(settings), connect(settings)
    assert first.experiment_id == second.experiment_id
    found = first.client.get_experiment(first.experiment_id)
    assert found.name == "equine-oracle"
    assert found.artifact_location == (settings.root / "artifacts").as_uri()


def test_a_server_that_is_not_there_is_named_at_once_with_the_next_step() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://me:secret@127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(Unavailable) as refused:
        connect(Settings(tracking={"uri": address}))
    assert refused.value.value == shown(address)
    assert "secret" not in str(refused.value)
    assert "start the tracking server" in str(refused.value)


def test_a_file_that_is_no_database_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("these are notes about horses, and no database at all\n" * 40)
    with pytest.raises(Unavailable, match=r"not a database.*mlflow\.db"):
        connect(Settings(home=tmp_path))


def test_a_home_that_cannot_be_a_folder_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(Unavailable, match="ORACLE_HOME"):
        connect(Settings(home=tmp_path / "home"))


def test_a_database_of_another_mlflow_says_how_to_upgrade(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = fresh_home(tmp_path_factory)
    with sqlite3.connect(home / "mlflow.db") as file:
        file.execute("UPDATE alembic_version SET version_num = '0123456789ab'")
    file.close()
    with pytest.raises(Unavailable, match="mlflow db upgrade"):
        connect(Settings(home=home))


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns", "mlruns"])
def test_a_plain_folder_is_refused_because_mlflow_keeps_no_runs_there(uri: str) -> None:
    with pytest.raises(BadSetting, match="sqlite:///"):
        connect(Settings(tracking={"uri": uri}))


def test_a_deleted_experiment_is_not_written_to(tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = Settings(home=fresh_home(tmp_path_factory), tracking={"experiment": "gone"})
    opened = connect(settings)
    opened.client.delete_experiment(opened.experiment_id)
    with pytest.raises(BadSetting, match="experiments restore"):
        connect(settings)


@pytest.mark.services
def test_two_processes_that_find_no_database_make_one_together_and_say_nothing(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from oracle.settings import Settings\n"
        "from oracle.tracking.connection import connect\n"
        f"print(connect(Settings(home=Path({str(tmp_path)!r}))).experiment_id)"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    (first, noise), (second, more) = [process.communicate(timeout=300) for process in both]
    assert first == second != ""
    assert noise == more == ""
