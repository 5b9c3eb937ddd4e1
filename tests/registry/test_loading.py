"""The registered model as a stranger meets it: through MLflow alone."""

import json
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from oracle.data.simulate import simulate
from oracle.ensemble import blend
from oracle.ensemble.race_model import About, RaceModel, feature_version
from oracle.errors import UntrustedPackage
from oracle.features import build
from oracle.features.races import from_frame
from oracle.features.state import State
from oracle.models.families import FAMILIES
from oracle.progress import silent
from oracle.race import RaceCard, Runner
from oracle.ranking.plackett_luce import Discount
from oracle.registry import mlmodel
from oracle.registry.lifecycle import download, register
from oracle.registry.pyfunc import OUTPUT, OracleModel, rows_of
from oracle.registry.versioning import ModelFacts
from oracle.registry.versions import ModelVersion
from oracle.tracking.connection import Tracking, quiet
from oracle.tracking.runs import run

MEMBERS = ("conditional_logit", "market")
"""The members that learn in a second; what is tried here does not depend on how good the model is."""


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    return pd.concat([block.runners for block in simulate(150, seed=7)], ignore_index=True)


@pytest.fixture(scope="module")
def model(history: pd.DataFrame) -> RaceModel:
    state = State()
    matrix = build.history(from_frame(history), "market", state)
    members = {name: FAMILIES[name].ranker().fit(matrix, matrix, 7, 1, silent) for name in MEMBERS}
    scores = {name: member.score(matrix) for name, member in members.items()}
    form, market = blend.fit(scores, matrix, MEMBERS[:1]), blend.fit(scores, matrix, MEMBERS)
    return RaceModel(members, form, market, Discount(), state, About(feature_version=feature_version()))


@pytest.fixture(scope="module")
def cards(history: pd.DataFrame) -> list[RaceCard]:
    """Two cards with horses of the history: one with odds, one without, with a withdrawn runner and a stranger."""
    known = history.drop_duplicates("horse_id").head(12)
    runners = tuple(
        Runner(horse=row.horse, horse_id=row.horse_id, jockey_id=row.jockey_id, draw=i + 1, odds=2.0 + i)
        for i, row in enumerate(known.itertuples())
    )
    off = history["off"].max() + pd.Timedelta(days=3)
    course = str(history["course"].iloc[0])
    plain = (*(Runner(r.horse, r.horse_id, withdrawn=i == 2) for i, r in enumerate(runners[7:])), Runner("A Stranger"))
    return [
        RaceCard(course=course, off=off.to_pydatetime(), runners=runners[:7], distance_m=1600, race_id="with-odds"),
        RaceCard(course=course, off=off.to_pydatetime(), runners=plain, going="good", race_id="without"),
    ]


@pytest.fixture(scope="module")
def package(model: RaceModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    model.save(folder)
    return folder


@pytest.fixture(scope="module")
def version(tracking: Tracking, package: Path, cards: list[RaceCard]) -> ModelVersion:
    facts = ModelFacts(MEMBERS, blend.LOG_LINEAR, "h", feature_version(), "d", "c")
    with run(tracking, "a training") as recorder:
        return register(tracking, package, cards[0], facts, recorder.run_id)


@pytest.fixture
def stored(tracking: Tracking, version: ModelVersion, tmp_path: Path) -> Path:
    """A copy of the MLflow model folder as it lies in the artifact store."""
    source = tracking.client.get_model_version_download_uri(version.name, str(version.number))
    return Path(shutil.copytree(source.removeprefix("file://"), tmp_path / "model"))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch):
    """MLflow's own loading; it leaves the model's code on the path, which must not outlive a test."""
    import mlflow.pyfunc

    def loaded(folder: Path):
        monkeypatch.setattr(sys, "path", list(sys.path))
        with quiet():
            return mlflow.pyfunc.load_model(str(folder))

    return loaded


def flip_a_byte(folder: Path) -> None:
    file = folder / "state.npz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def test_mlflow_predicts_what_the_model_predicts(stored: Path, load, model: RaceModel, cards: list[RaceCard]) -> None:
    answers = load(stored).predict(rows_of(cards))
    expected = [
        (card.race_id, p.ensemble, r) for card, p in zip(cards, model.predict(cards), strict=True) for r in p.runners
    ]
    assert list(answers["ensemble"]) == [ensemble for _, ensemble, _ in expected]
    assert {"market", "form"} == set(answers["ensemble"])
    for name in ("rank", "score", "win", "place", "fair_odds", "edge"):
        own = np.array([getattr(r, name) for _, _, r in expected], dtype=float)
        np.testing.assert_array_equal(answers[name].to_numpy(), own)
    np.testing.assert_allclose(answers.groupby("race_id")["win"].sum(), 1, atol=1e-9)


def test_the_stored_example_is_a_card_that_the_model_answers(stored: Path, load) -> None:
    loaded = load(stored)
    answers = loaded.predict(loaded.input_example)
    assert list(answers.columns) == list(OUTPUT) == loaded.metadata.get_output_schema().input_names()
    assert answers["win"].sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows,
        lambda rows: rows.assign(draw=pd.array([1, 2, 3, 4, 5, 6, 7], dtype="Int64")),
        lambda rows: rows.assign(draw=[1, 2, 3, 4, 5, 6, 7], distance_m=1600, odds=[2, 3, 4, 5, 6, 7, 8]),
        lambda rows: rows.assign(draw=[1.0, 2, 3, 4, 5, 6, 7], off=pd.to_datetime(rows["off"]), sire=None),
        lambda rows: rows.assign(weight_kg=float("nan"), withdrawn=False, comment="a column of one's own"),
    ],
    ids=["as written", "nullable", "whole", "real", "extra"],
)
def test_the_signature_takes_tables_as_people_have_them(
    stored: Path, load, cards: list[RaceCard], model: RaceModel, change
) -> None:
    answers = load(stored).predict(change(rows_of(cards[:1])))
    assert list(answers["win"]) == [r.win for r in model.predict(cards[:1])[0].runners]


def test_one_flipped_byte_is_refused_by_mlflow_too(stored: Path, load) -> None:
    flip_a_byte(stored / mlmodel.PACKAGE)
    with pytest.raises(UntrustedPackage, match="changed file"):
        load(stored)


def test_a_package_exchanged_as_a_whole_is_refused_by_the_registry(
    tracking: Tracking, version: ModelVersion, model: RaceModel, tmp_path: Path
) -> None:
    folder = download(tracking, version, tmp_path / "cache")
    assert RaceModel.load(folder).about == model.about
    shutil.rmtree(folder)
    folder.mkdir()
    replace(model, market=None).save(folder)
    assert RaceModel.load(folder).market is None
    assert RaceModel.load(download(tracking, version, tmp_path / "cache")).market is not None


STRANGER = """
import json, sys
repository, uri, address, rows, store = sys.argv[1:]
sys.path = [p for p in sys.path if p != repository]
sys.meta_path = [f for f in sys.meta_path if "editable" not in type(f).__name__.lower()]
import warnings; warnings.simplefilter("ignore")
import mlflow, pandas
mlflow.set_tracking_uri(uri)
model = mlflow.pyfunc.load_model(address)
answers = model.predict(pandas.read_json(rows, dtype=False, convert_dates=False))
import oracle
with open(store, "r+b") as file:
    file.seek(100); byte = file.read(1); file.seek(100); file.write(bytes([byte[0] ^ 1]))
try:
    mlflow.pyfunc.load_model(address); refused = "loaded"
except Exception as error:
    refused = type(error).__name__
ours = sorted(name for name, module in sys.modules.items() if name.split(".")[0] == "oracle")
print(json.dumps({"win": answers["win"].tolist(), "code": oracle.__file__, "refused": refused, "ours": ours}))
"""


@pytest.mark.services
def test_a_fresh_interpreter_without_this_repository_loads_and_predicts_the_same_and_refuses_a_flipped_byte(
    tracking: Tracking, package: Path, cards: list[RaceCard], model: RaceModel, tmp_path: Path
) -> None:
    repository = str(Path(__file__).parents[2])
    facts = ModelFacts(MEMBERS, blend.LOG_LINEAR, "h", feature_version(), "d", "c")
    with run(tracking, "a training") as recorder:
        spoilt = register(tracking, package, cards[0], facts, recorder.run_id)
    source = tracking.client.get_model_version_download_uri(spoilt.name, str(spoilt.number)).removeprefix("file://")
    files = (str(tmp_path / "rows.json"), f"{source}/{mlmodel.PACKAGE}/state.npz")
    rows_of(cards).to_json(files[0], orient="records")
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER, repository, tracking.uri, spoilt.uri, *files],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert not told["code"].startswith(repository)
    assert told["win"] == [r.win for p in model.predict(cards) for r in p.runners]
    assert told["refused"] == "UntrustedPackage"
    assert not {"oracle.registry.lifecycle", "oracle.cli", "oracle.serving"} & set(told["ours"])


def closure(names: tuple[str, ...]) -> set[str]:
    """Distributions that installing these brings along."""
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        queue += [r.name for r in map(Requirement, requires) if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


@pytest.mark.services
def test_the_libraries_that_travel_with_the_model_are_all_that_it_imports(package: Path, cards: list[RaceCard]) -> None:
    code = (
        "import sys; from oracle.registry.pyfunc import _load_pyfunc; _load_pyfunc(sys.argv[1])\n"
        "print(' '.join({n.split('.')[0] for n in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(package)], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert not imported & {"ray", "mlflow", "sqlalchemy", "boto3"}
    owners = metadata.packages_distributions()
    third_party = {owners[n][0].lower().replace("_", "-") for n in imported if n in owners} - {"equine-oracle"}
    taken_where_present = {"rich", "setuptools"}
    assert third_party - closure(mlmodel.LIBRARIES) <= taken_where_present
    declared = {Requirement(r).name for r in metadata.requires("equine-oracle") or []}
    assert set(mlmodel.LIBRARIES) <= declared


def test_a_table_is_answered_without_mlflow_as_well(model: RaceModel, cards: list[RaceCard]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(OracleModel(model).predict(rows_of(cards))) == sum(len(card.runners) for card in cards)
