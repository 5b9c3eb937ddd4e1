"""A registry that lives in memory and can be cut off after any call: so that every act is tried at every place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from oracle.registry.versioning import ModelFacts
from oracle.registry.versions import DIGEST, FACTS, SEMVER
from oracle.tracking.connection import Tracking

MODEL = "horses"


class Page(list[Any]):
    token = None


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Registry:
    """As much of MLflow's client as the house uses for versions."""

    entries: dict[int, dict[str, str]] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    """Every change, in its order."""
    after: Callable[[int], None] = lambda _: None
    """Called after each change with its number."""
    metrics: dict[str, float] = field(default_factory=lambda: {"test.model.ndcg_at_3": 0.5})
    status: str = "FINISHED"
    created: int = 0
    """Moment at which every version was registered, milliseconds."""

    def add(self, **tags: str) -> int:
        """Register a version and return its number."""
        number = len(self.entries) + 1
        facts = ModelFacts(("logit",), "pool", "h", "form@1", f"data{number}", f"commit{number}")
        self.entries[number] = {
            SEMVER: f"v1.0.{number - 1}",
            FACTS: facts.to_json(),
            DIGEST: f"{number:064x}",
            **tags,
        }
        return number

    def search_model_versions(self, _wanted: str, page_token: str | None = None) -> Page:
        assert page_token is None
        return Page(
            SimpleNamespace(name=MODEL, version=n, creation_timestamp=self.created, run_id=f"run{n}", tags=dict(tags))
            for n, tags in self.entries.items()
        )

    def get_registered_model(self, _name: str) -> Any:
        return SimpleNamespace(aliases=dict(self.aliases))

    def get_run(self, run_id: str) -> Any:
        return SimpleNamespace(
            info=SimpleNamespace(status=self.status, run_id=run_id), data=SimpleNamespace(metrics=dict(self.metrics))
        )

    def set_model_version_tag(self, _name: str, version: str, key: str, value: str) -> None:
        self.entries[int(version)][key] = value
        self._changed("tag", version, key, value)

    def set_registered_model_alias(self, _name: str, alias: str, version: str) -> None:
        self.aliases[alias] = int(version)
        self._changed("alias", alias, version)

    def delete_registered_model_alias(self, _name: str, alias: str) -> None:
        self.aliases.pop(alias, None)
        self._changed("no alias", alias)

    def _changed(self, *call: str) -> None:
        self.calls.append(call)
        self.after(len(self.calls))

    def tracking(self) -> Tracking:
        return Tracking(self, "memory://", "1", MODEL, "production")  # type: ignore[arg-type]
