"""A package as an MLflow model: what makes `mlflow.pyfunc.load_model` work on a machine that never heard of us.

The model folder carries the package (no pickle), a copy of our code, the exact versions of the libraries that
predictions need, the signature of its tables and one real card as example.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import oracle
from oracle.race import RaceCard
from oracle.registry import pyfunc
from oracle.tracking.connection import quiet

if TYPE_CHECKING:
    from mlflow.models import Model, ModelSignature

PACKAGE = "data/package"
"""Where the package lies in the model folder."""

LIBRARIES: tuple[str, ...] = (
    "lightgbm",
    "mlflow",
    "numba",
    "numpy",
    "orjson",
    "pandas",
    "pyarrow",
    "pydantic",
    "pydantic-settings",
    "scipy",
)
"""Distributions that a prediction imports. No cluster, no database: those who only predict need neither."""


def requirements(package: Path) -> list[str]:
    """Return the libraries with the versions that are installed here, which are those the model was tried with.

    Args:
        package: The saved package: an optional library travels along only where one of its members needs it.
    """
    return [f"{name}=={importlib.metadata.version(name)}" for name in sorted({*LIBRARIES, *_extras(package)})]


def _extras(package: Path) -> set[str]:
    """Return the distributions of the optional libraries that the members of a package need."""
    from oracle.models.families import FAMILIES

    told = package / "model.json"
    used = json.loads(told.read_text(encoding="utf-8"))["families"].values() if told.exists() else ()
    modules = {extra for family in used if (extra := FAMILIES[family].extra)}
    # The same module comes in several distributions, such as with and without a graphics card's libraries.
    owners = importlib.metadata.packages_distributions() if modules else {}
    return {owners[module][0] for module in modules}


def signature() -> ModelSignature:
    """Return the columns of the input and output tables.

    Numbers and the off time are declared as `any`: MLflow refuses whole numbers where it was told doubles and missing
    ones where it was told whole numbers, and a draw or an age is one or the other from table to table. What a column
    may hold is checked where cards are made of rows, which names the value.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

    anything = AnyType()  # type: ignore[no-untyped-call]  # MLflow declares it so
    loose = pyfunc.WHOLE | pyfunc.REAL | {"off", "withdrawn"}
    return ModelSignature(
        inputs=Schema(
            [
                ColSpec(anything if name in loose else DataType.string, name, required=name in pyfunc.NEEDED)
                for name in pyfunc.INPUT
            ]
        ),
        outputs=Schema([ColSpec(DataType[kind], name) for name, kind in pyfunc.OUTPUT.items()]),
    )


def write(folder: Path, package: Path, example: RaceCard, model: Model) -> None:
    """Write the MLflow model folder.

    Args:
        folder: Where to; must not exist.
        package: The saved package.
        example: A real card, kept as the input example.
        model: What MLflow knows of the model already (its id, its run).
    """
    with quiet():
        import mlflow.pyfunc

    staged = folder.with_name(folder.name + ".staged") / Path(PACKAGE).name
    shutil.copytree(package, staged)
    with quiet():
        mlflow.pyfunc.save_model(
            path=str(folder),
            loader_module=pyfunc.__name__,
            data_path=str(staged),
            code_paths=[str(Path(oracle.__file__).parent)],
            mlflow_model=model,
            signature=signature(),
            input_example=pyfunc.rows_of([example]).dropna(axis="columns", how="all"),
            pip_requirements=requirements(package),
        )
    shutil.rmtree(staged.parent)
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)
