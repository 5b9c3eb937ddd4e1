from __future__ import annotations

import doctest
from pathlib import Path

from oracle.ranking.report import Report
from oracle.settings import EvaluationPolicy

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_worked_example_has_the_numbers_it_shows():
    failed, tried = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert tried > 10
    assert failed == 0


def test_the_document_names_every_number_of_the_report_and_every_setting_behind_it():
    text = DOCUMENT.read_text(encoding="utf-8")
    missing = [name for name in Report.__dataclass_fields__ if name != "races" and f"`{name}`" not in text]
    assert not missing
    policy = EvaluationPolicy()
    assert f"`evaluation.min_finishers` runners ({policy.min_finishers} unless" in text
    assert f"`evaluation.calibration_bins` ({policy.calibration_bins})" in text
    assert "`evaluation.relevance`" in text
