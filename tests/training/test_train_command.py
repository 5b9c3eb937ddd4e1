"""`oracle train` and `oracle evaluate` as a user meets them: one document, one sentence, an exit code."""

from __future__ import annotations

from pathlib import Path

from tests.training.commands import oracle


def test_a_dataset_that_is_not_there_is_one_error_document_and_exit_code_2(tmp_path: Path):
    ended = oracle(tmp_path, "train", "--data", tmp_path / "nowhere", "--json")
    assert ended.code == 2, ended.err
    assert ended.document["error"]["kind"] == "NoSuchDataset"
    assert "oracle " in ended.document["error"]["next_step"]
    assert "Traceback" not in ended.err
    assert not list(tmp_path.iterdir()), "nothing is made before the dataset is found"


def test_without_a_dataset_the_usage_is_shown(tmp_path: Path):
    ended = oracle(tmp_path, "train", "--json")
    assert ended.code == 2
    assert ended.document["error"]["kind"] == "BadUsage"
    assert "--data" in ended.err
