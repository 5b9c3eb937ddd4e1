"""MLflow's client, with what people write masked before it leaves: parameters, tags, descriptions, names, texts.

One place for every room that records or registers. It holds also where MLflow's own server would take anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from oracle.governance.glance import kept_value
from oracle.governance.privacy import masked


class MaskingClient(MlflowClient):
    """Does as its parent does."""

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> Any:
        """Record metrics, parameters and tags."""
        params = [Param(kept_value(each.key), kept_value(each.value)) for each in params]
        tags = [RunTag(kept_value(each.key), kept_value(each.value)) for each in tags]
        return super().log_batch(run_id, metrics, params, tags, synchronous)

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Record a parameter."""
        return super().log_param(run_id, kept_value(key), kept_value(str(value)), synchronous)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Set a tag of a run."""
        return super().set_tag(run_id, kept_value(key), kept_value(str(value)), synchronous)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment."""
        super().set_experiment_tag(experiment_id, kept_value(key), kept_value(str(value)))

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Any:
        """Open a run."""
        return super().create_run(experiment_id, start_time, _clean(tags), _said(run_name))

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Change a run."""
        super().update_run(run_id, status, _said(name))

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Keep a text under a run."""
        super().log_text(run_id, kept_value(text), kept_value(artifact_file))

    def log_dict(self, run_id: str, dictionary: Mapping[str, Any], artifact_file: str) -> None:
        """Keep a document under a run."""
        super().log_dict(run_id, masked(dictionary), kept_value(artifact_file))

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        model_type: str | None = None,
    ) -> Any:
        """Open a model of a run."""
        return super().create_logged_model(
            experiment_id, name, source_run_id, _clean(tags), _clean(params), _said(model_type)
        )

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a model of a run."""
        super().set_logged_model_tags(model_id, _clean(tags) or {})

    def create_registered_model(
        self, name: str, tags: Mapping[str, Any] | None = None, description: str | None = None, *more: Any, **named: Any
    ) -> Any:
        """Make a registered model."""
        return super().create_registered_model(name, _clean(tags), _said(description), *more, **named)

    def update_registered_model(self, name: str, description: str | None = None, *more: Any, **named: Any) -> Any:
        """Describe a registered model."""
        return super().update_registered_model(name, _said(description), *more, **named)

    def set_registered_model_tag(self, name: str, key: str, value: Any) -> None:
        """Set a tag of a registered model."""
        super().set_registered_model_tag(name, kept_value(key), kept_value(str(value)))

    def create_model_version(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        *more: Any,
        **named: Any,
    ) -> Any:
        """Make a version of a registered model."""
        said = _said(description)
        return super().create_model_version(name, source, run_id, _clean(tags), run_link, said, *more, **named)

    def update_model_version(self, name: str, version: str, description: str | None = None) -> Any:
        """Describe a version."""
        return super().update_model_version(name, version, _said(description))

    def set_model_version_tag(
        self,
        name: str,
        version: str | None = None,
        key: str | None = None,
        value: Any = None,
        stage: str | None = None,
    ) -> None:
        """Set a tag of a version."""
        super().set_model_version_tag(
            name, version, _said(key), None if value is None else kept_value(str(value)), stage
        )


def _said(text: str | None) -> str | None:
    return None if text is None else kept_value(text)


def _clean(texts: Mapping[str, Any] | None) -> dict[str, str] | None:
    return None if texts is None else {kept_value(name): kept_value(str(value)) for name, value in texts.items()}
