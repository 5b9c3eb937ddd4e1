"""What the house remembers of its own work, from predictions and results to experiments, retrainings and approvals.

One database, SQLite under the home folder by default, PostgreSQL by the setting `store.uri`. A prediction is written
before its answer leaves, so that whatever a caller acted upon can be read again and be held against the result; what
comes twice adds nothing. `GroupCommit` is the way of the hot path, the parts of `Store` that of everybody else.
"""

from oracle.store.alerts import Alert, Delivery
from oracle.store.checks import Check
from oracle.store.commit import GroupCommit
from oracle.store.events import Event, EventCounts
from oracle.store.experiments import Change, Experiment
from oracle.store.keys import place_key, race_key
from oracle.store.people import Grant
from oracle.store.predictions import Prediction
from oracle.store.results import RaceResult, Receipt
from oracle.store.retrainings import Decision, Retraining, Step
from oracle.store.scorings import Scoring
from oracle.store.spool import Spool, SpoolFull
from oracle.store.standby import Away, Standby
from oracle.store.store import Pulse, Store, database_of, embedded, open
from oracle.store.tokens import Token, TokenChange

__all__ = [
    "Alert",
    "Away",
    "Change",
    "Check",
    "Decision",
    "Delivery",
    "Event",
    "EventCounts",
    "Experiment",
    "Grant",
    "GroupCommit",
    "Prediction",
    "Pulse",
    "RaceResult",
    "Receipt",
    "Retraining",
    "Scoring",
    "Spool",
    "SpoolFull",
    "Standby",
    "Step",
    "Store",
    "Token",
    "TokenChange",
    "database_of",
    "embedded",
    "open",
    "place_key",
    "race_key",
]
