"""Every number a user may turn, in one frozen tree: defaults, then oracle.toml, then the environment, then flags.

A number stands on the policy that its consumer takes, and nowhere else. Only the edges (command line, jobs, serving)
call `load`; everything below is handed the policy it needs. Unknown keys are refused, so that a misspelt setting is an
error and never a silent default.
"""

from oracle.settings.policies import (
    CalibrationPolicy,
    CandidatePolicy,
    CheckPolicy,
    DriftPolicy,
    EvaluationPolicy,
    ExperimentPolicy,
    GatePolicy,
    GuardrailPolicy,
    LeakPolicy,
    MarketPolicy,
    Policy,
    RetrainingPolicy,
    SplitPolicy,
)
from oracle.settings.services import (
    LOOPBACK,
    AlertSettings,
    ArtifactSettings,
    GovernanceSettings,
    ServingSettings,
    StoreSettings,
    TrackingSettings,
)
from oracle.settings.tree import BESIDE, OF_A_DATABASE, Settings, environment_name, keys, load

__all__ = [
    "BESIDE",
    "LOOPBACK",
    "OF_A_DATABASE",
    "AlertSettings",
    "ArtifactSettings",
    "CalibrationPolicy",
    "CandidatePolicy",
    "CheckPolicy",
    "DriftPolicy",
    "EvaluationPolicy",
    "ExperimentPolicy",
    "GatePolicy",
    "GovernanceSettings",
    "GuardrailPolicy",
    "LeakPolicy",
    "MarketPolicy",
    "Policy",
    "RetrainingPolicy",
    "ServingSettings",
    "Settings",
    "SplitPolicy",
    "StoreSettings",
    "TrackingSettings",
    "environment_name",
    "keys",
    "load",
]
