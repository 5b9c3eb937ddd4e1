"""`oracle train` and `oracle evaluate` as a user meets them: one document, one sentence, an exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tracking.stores import fresh_home
from tests.training.commands import oracle


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_dataset_or_model_that_is_not_there_is_one_error_document_and_exit_code_2(
    tmp_path_factory: pytest.TempPathFactory, command: str
):
    home = fresh_home(tmp_path_factory)
    ended = oracle(home, command, "--data", home / "nowhere", "--json")
    assert ended.code == 2, ended.err
    error = ended.document["error"]
    assert error["kind"] in {"NoSuchDataset", "NoSuchModel"}
    assert error["next_step"]
    assert "Traceback" not in ended.err


def test_without_a_dataset_the_usage_is_shown(tmp_path: Path):
    ended = oracle(tmp_path, "train", "--json")
    assert ended.code == 2
    assert ended.document["error"]["kind"] == "BadUsage"
    assert "--data" in ended.err
