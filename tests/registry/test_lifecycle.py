import dataclasses
import itertools
import json
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from oracle.errors import NoSuchModel, UnreadableFile, UntrustedPackage
from oracle.registry import mlmodel, pyfunc
from oracle.registry.lifecycle import download, register
from oracle.registry.versioning import ModelFacts, SemVer
from oracle.registry.versions import CANDIDATE, ModelVersion, resolve, serving, versions
from oracle.tracking.connection import Tracking
from oracle.tracking.runs import run
from tests.registry.cards import CARD

pytestmark = pytest.mark.slow

FACTS = ModelFacts(("lambdarank", "logit"), "log_pool", "h1", "form@1", "d1", "c1")
NAMES = (f"model-{i}" for i in itertools.count())


@pytest.fixture
def registry(tracking: Tracking) -> Tracking:
    """A registered model of its own, in the one store."""
    return dataclasses.replace(tracking, model_name=next(NAMES))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    (folder / "members").mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "members" / "weights.bin").write_bytes(bytes(range(256)))
    return folder


def trained(registry: Tracking, package: Path, facts: ModelFacts = FACTS) -> ModelVersion:
    with run(registry, "a training") as recorder:
        recorder.metrics({"test.model": {"ndcg_at_3": 0.5, "pseudo_r2": 0.2, "mrr": 0.4}})
        return register(registry, package, CARD, facts, recorder.run_id)


def test_a_registered_model_waits_as_candidate_and_serves_nobody(registry: Tracking, package: Path) -> None:
    first, second = trained(registry, package), trained(registry, package)
    assert (first.number, first.semver, first.aliases) == (1, SemVer(1, 0, 0), (CANDIDATE, "v1-0-0"))
    assert (second.number, second.semver, second.aliases) == (2, SemVer(1, 0, 1), (CANDIDATE, "v1-0-1"))
    assert resolve(registry, 1).aliases == ("v1-0-0",)
    assert {first.lifecycle, second.lifecycle} == {None}
    assert serving(registry) is None


def test_the_number_follows_what_changed_against_the_highest_version(registry: Tracking, package: Path) -> None:
    steps = [
        (FACTS, "v1.0.0"),
        (dataclasses.replace(FACTS, data="d2"), "v1.0.1"),
        (dataclasses.replace(FACTS, features="form@2"), "v1.1.0"),
        (dataclasses.replace(FACTS, features="form@2", families=("logit",)), "v2.0.0"),
    ]
    assert [trained(registry, package, facts).label for facts, _ in steps] == [label for _, label in steps]
    assert [v.facts for v in versions(registry)] == [facts for facts, _ in steps]


def test_a_version_tells_its_run_its_facts_and_its_headline_metrics(registry: Tracking, package: Path) -> None:
    version = trained(registry, package)
    assert versions(registry) == [version]
    assert version.metrics == {"test.model.ndcg_at_3": 0.5, "test.model.pseudo_r2": 0.2}
    kept = registry.client.get_run(version.run_id)
    assert kept.info.status == "FINISHED"
    assert len(kept.outputs.model_outputs) == 1
    tags = registry.client.get_model_version(version.name, str(version.number)).tags
    assert (tags["features"], tags["data_fingerprint"], tags["git_commit"]) == ("form@1", "d1", "c1")


def test_a_version_is_found_by_every_name_it_has(registry: Tracking, package: Path) -> None:
    trained(registry, package)
    second = trained(registry, package)
    for name in (2, "2", "v1.0.1", "1.0.1", "v1-0-1", CANDIDATE, "latest"):
        assert resolve(registry, name) == second


def test_before_the_first_training_the_next_step_is_to_train(registry: Tracking) -> None:
    assert versions(registry) == []
    with pytest.raises(NoSuchModel, match="oracle train"):
        resolve(registry)


def test_an_unknown_version_is_answered_with_those_there_are(registry: Tracking, package: Path) -> None:
    trained(registry, package)
    for name in ("v9.9.9", "7", "staging"):
        with pytest.raises(NoSuchModel, match=r"v1\.0\.0 \(1; candidate; v1-0-0\)") as refused:
            resolve(registry, name)
        assert refused.value.value == name


def test_a_download_is_the_package_that_was_registered(registry: Tracking, package: Path, tmp_path: Path) -> None:
    version = trained(registry, package)
    folder = download(registry, version, tmp_path / "cache")
    assert {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        p.relative_to(package): p.read_bytes() for p in package.rglob("*") if p.is_file()
    }
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [version.digest]
    assert download(registry, version, tmp_path / "cache") == folder


def test_a_spoilt_cache_is_fetched_anew_and_a_spoilt_store_is_refused(
    registry: Tracking, package: Path, tmp_path: Path
) -> None:
    version = trained(registry, package)
    spoilt = download(registry, version, tmp_path / "cache") / "members" / "weights.bin"
    spoilt.write_bytes(b"\1" + spoilt.read_bytes()[1:])
    assert download(registry, version, tmp_path / "cache").joinpath("members", "weights.bin").read_bytes()[0] == 0

    store = Path(registry.client.get_model_version_download_uri(version.name, "1").removeprefix("file://"))
    stored = store / mlmodel.PACKAGE / "members" / "weights.bin"
    stored.write_bytes(b"\1" + stored.read_bytes()[1:])
    with pytest.raises(UntrustedPackage, match="not the one that was registered"):
        download(registry, version, tmp_path / "another")
    assert list((tmp_path / "another").iterdir()) == []


def test_a_version_that_somebody_else_registered_is_listed_and_not_trusted(
    registry: Tracking, package: Path, tmp_path: Path
) -> None:
    registry.client.create_registered_model(registry.model_name)
    registry.client.create_model_version(registry.model_name, package.as_uri())
    foreign = resolve(registry, 1)
    assert (foreign.label, foreign.semver, foreign.facts) == ("1", None, None)
    with pytest.raises(UntrustedPackage, match="without a digest"):
        download(registry, foreign, tmp_path)
    assert trained(registry, package).label == "v1.0.0"


def test_without_a_package_nothing_is_registered(registry: Tracking, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        trained(registry, tmp_path / "nothing")
    assert versions(registry) == []


def test_an_optional_library_travels_only_with_a_model_that_needs_it(package: Path) -> None:
    pytest.importorskip("xgboost")
    (package / "model.json").write_text(json.dumps({"families": {"a": "win", "b": "market"}}))
    assert [line.split("==")[0] for line in mlmodel.requirements(package)] == sorted(mlmodel.LIBRARIES)
    (package / "model.json").write_text(json.dumps({"families": {"a": "win", "b": "xgboost"}}))
    [more] = set(mlmodel.requirements(package)) - {f"{n}=={metadata.version(n)}" for n in mlmodel.LIBRARIES}
    assert more.startswith("xgboost")


def test_the_mlflow_model_carries_code_libraries_signature_and_example_and_names_no_machine(
    registry: Tracking, package: Path
) -> None:
    version = trained(registry, package)
    store = Path(registry.client.get_model_version_download_uri(version.name, "1").removeprefix("file://"))
    meta = yaml.safe_load((store / "MLmodel").read_text())
    assert meta["flavors"]["python_function"]["loader_module"] == pyfunc.__name__
    assert (store / "code" / "oracle" / "registry" / "pyfunc.py").is_file()
    assert not list(store.rglob("__pycache__"))
    assert not list(store.rglob("*.pkl"))
    assert (store / "requirements.txt").read_text().split() == mlmodel.requirements(package)
    inputs = {column["name"]: column["required"] for column in json.loads(meta["signature"]["inputs"])}
    assert [name for name, required in inputs.items() if required] == list(pyfunc.NEEDED)
    assert list(inputs) == list(pyfunc.INPUT)
    example = json.loads((store / "input_example.json").read_text())
    assert len(example["data"]) == len(CARD.runners)
