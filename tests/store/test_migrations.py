"""A store of an earlier release becomes one of this release, whole or not at all."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import oracle.store.migrations
from oracle.errors import Unavailable
from oracle.store import Store, place_key
from oracle.store.migrations import COMPARED, FOLDER, HEAD, REVISIONS, standing
from oracle.store.tables import METADATA
from tests.store import earlier

REPOSITORY = Path(__file__).parents[2]
RELEASES = [
    pytest.param(n, marks=() if n in (0, 5) else pytest.mark.slow)  # the first, and the last one that counted
    for n in range(len(earlier.STEPS) + 1)
]
OPENS = "import sys; from oracle.store import Store; Store(sys.argv[1]).close(); print('alembic' in sys.modules)"


@pytest.fixture
def engine(address: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(address)
    yield engine
    engine.dispose()


def broken(folder: Path, body: str) -> Path:
    """Copy the revisions and add one that does something else at the end."""
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = f'revision, down_revision = "9999", "{HEAD}"\n\n\ndef upgrade():\n    {body}\n'
    (folder / "versions" / "v9999_breaks.py").write_text(text)
    return folder


@pytest.mark.parametrize("release", RELEASES)
def test_a_filled_store_of_every_earlier_release_goes_forward_with_every_row(
    release: int, engine: sa.Engine, opened: Callable[..., Store]
):
    before = earlier.release(engine, release, rows=40)
    opened()
    after = earlier.kept(engine)
    if release < 2:
        columns = [sa.column(name) for name in ("prediction_id", "at", "race_id", "model_name", "model_version")]
        told = sa.select(*columns, sa.column("card"), sa.column("answer")).select_from(sa.table("predictions"))
        with engine.connect() as connection:
            carried = connection.execute(told.order_by("prediction_id").order_by(sa.text("1"))).all()
        kept = {row[0]: row[2:] for row in before["predictions"]}
        assert {row[0]: tuple(row[2:]) for row in carried} == kept
        assert len(kept) == 40
    else:
        assert {name: after[name] for name in before} == before
    assert not any(rows for name, rows in after.items() if name not in before)
    with engine.connect() as connection:
        assert standing(connection) == oracle.store.migrations.Standing(HEAD, ())


@pytest.mark.slow
def test_every_answer_of_the_first_release_gets_an_arm_a_unit_and_a_race(
    engine: sa.Engine, opened: Callable[..., Store]
):
    earlier.release(engine, 0, rows=1204)
    store = opened()
    assert store.predictions.count() == 1204
    for i in (1, 499, 501, 502, 1202):
        kept = store.predictions.get(f"prediction_id {i} 御 {{}}")
        assert kept.card == earlier.CARD
        assert (kept.answer, kept.model_version) == (f"answer {i} 御 {{}}", f"model_version {i} 御 {{}}")
        assert kept.at == earlier.NOON + dt.timedelta(seconds=i)
        assert kept.off == dt.datetime(2026, 5, 3, 14, 35, tzinfo=dt.UTC)
        assert kept.place_key == "Redmile|2026-05-03T14:35Z"
        assert kept.race_key == kept.unit == (f"race_id {i} 御 {{}}" if i % 3 else kept.place_key)
        assert (kept.arm, kept.experiment, kept.latency_ms) == ("control", None, None)
    odd = store.predictions.get("prediction_id 500 御 {}")
    assert (odd.card, odd.off, odd.place_key) == ("no card", odd.at, place_key("", odd.at))


def test_replicas_that_upgrade_one_database_at_once_do_it_once(engine: sa.Engine, opened: Callable[..., Store]):
    earlier.release(engine, 0, rows=300)
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: opened(), range(4)))
    assert {store.predictions.count() for store in stores} == {300}


@pytest.mark.slow
def test_processes_that_open_a_store_at_once_upgrade_it_once(address: str, engine: sa.Engine):
    earlier.release(engine, 0, rows=300)
    replicas = [subprocess.Popen([sys.executable, "-c", OPENS, address], stdout=subprocess.PIPE) for _ in range(3)]
    assert [(r.communicate()[0], r.returncode)[1] for r in replicas] == [0, 0, 0]
    assert len(earlier.kept(engine)["predictions"]) == 300


def test_an_upgrade_that_fails_half_way_leaves_the_store_as_it_was(
    engine: sa.Engine, opened: Callable[..., Store], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    before = earlier.release(engine, 1, rows=40)
    with monkeypatch.context() as spoilt:
        spoilt.setattr(
            oracle.store.migrations, "FOLDER", broken(tmp_path / "broken", "raise MemoryError('in the middle')")
        )
        spoilt.setattr(oracle.store.migrations, "HEAD", "9999")
        with pytest.raises(MemoryError):
            opened()
    assert earlier.kept(engine) == before
    assert not sa.inspect(engine).has_table("alembic_version")
    assert opened().predictions.count() == 40


@pytest.mark.slow
def test_an_upgrade_that_is_killed_leaves_the_store_as_it_was(
    address: str, engine: sa.Engine, opened: Callable[..., Store], tmp_path: Path
):
    before = earlier.release(engine, 1, rows=40)
    folder = broken(tmp_path / "broken", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    spoilt = f"import pathlib, oracle.store.migrations as m; m.HEAD, m.FOLDER = '9999', pathlib.Path({str(folder)!r}); "
    done = subprocess.run([sys.executable, "-c", spoilt + OPENS, address], check=False)
    assert done.returncode == -9
    assert earlier.kept(engine) == before
    assert opened().predictions.count() == 40


@pytest.mark.parametrize(
    "newer",
    [
        ("alembic_version", "UPDATE alembic_version SET version_num = 'later'"),
        ("two lines", "INSERT INTO alembic_version VALUES ('0001')"),
    ],
)
def test_a_store_of_a_newer_release_is_refused_with_what_to_do(opened: Callable[..., Store], newer: tuple[str, str]):
    store = opened()
    store.database.write(lambda c: c.exec_driver_sql(newer[1]))
    with pytest.raises(Unavailable, match=r"newer release.*next: run the newer release"):
        opened()


def test_a_store_that_counted_further_than_any_release_is_refused(engine: sa.Engine, opened: Callable[..., Store]):
    earlier.release(engine, 5)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO store_versions VALUES (99, 'later')")
    with pytest.raises(Unavailable, match=r"newer release: it is at step 99"):
        opened()


def test_a_database_of_somebody_else_who_uses_alembic_is_left_alone(engine: sa.Engine, opened: Callable[..., Store]):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('bf29a5ff90ea')")
    with pytest.raises(Unavailable, match="it is at bf29a5ff90ea"):
        opened()
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]


def test_a_release_that_counts_its_steps_refuses_a_store_of_this_one(store: Store):
    count = "SELECT max(version) FROM store_versions"
    assert store.database.read(lambda c: c.exec_driver_sql(count).scalar_one()) > len(earlier.STEPS)


def test_the_revisions_make_the_tables_that_are_read_and_written(store: Store):
    found = sa.inspect(store.database._engine)
    for table in METADATA.sorted_tables:
        columns = {c["name"]: c["nullable"] for c in found.get_columns(table.name)}
        wanted = {c.name: c.nullable for c in table.columns}
        if store.database.dialect == "sqlite":  # a rowid alias is told as nullable and never is
            columns.pop("seq", None), wanted.pop("seq", None)
        assert columns == wanted, table.name
        indexes = {i["name"]: (i["column_names"], bool(i["unique"])) for i in found.get_indexes(table.name)}
        assert indexes == {i.name: ([c.name for c in i.columns], bool(i.unique)) for i in table.indexes}
    assert set(found.get_table_names()) == {*METADATA.tables, "store_versions", "alembic_version"}


def test_alembic_finds_nothing_to_do_between_the_tables_and_what_the_revisions_made(store: Store):
    def differences(connection: sa.Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection, opts=COMPARED), METADATA))

    assert not store.database.read(differences)


def test_the_revisions_are_one_line_named_in_their_order():
    scripts = ScriptDirectory(str(FOLDER))
    line = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(line)) == REVISIONS
    assert scripts.get_heads() == [HEAD]
    assert list(REVISIONS) == [f"{n:04}" for n in range(1, len(REVISIONS) + 1)]


@pytest.mark.slow
def test_a_store_that_misses_nothing_is_opened_without_alembic(address: str, store: Store):
    done = subprocess.run([sys.executable, "-c", OPENS, address], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_the_alembic_tool_works_on_the_store_of_the_settings(
    address: str, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
):
    earlier.release(engine, 3, rows=2)
    monkeypatch.setenv("ORACLE_STORE__URI", address)
    tool = Config(toml_file=REPOSITORY / "pyproject.toml")
    command.upgrade(tool, "+1")
    with engine.connect() as connection:
        assert standing(connection).revision == "0004"
    command.upgrade(tool, "head")
    command.check(tool)  # raises where the tables are not what the revisions made


@pytest.mark.slow
def test_the_wheel_carries_every_revision(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = set(wheel.namelist())
    files = {str(f.relative_to(REPOSITORY)) for f in FOLDER.rglob("*") if f.suffix in (".py", ".mako")}
    assert files <= inside
