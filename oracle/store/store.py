"""The store as a whole: one database with all that the house remembers of its own work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from oracle.errors import Unavailable
from oracle.settings import Settings
from oracle.store import experiments, results
from oracle.store.alerts import Alerts
from oracle.store.approvals import Approvals
from oracle.store.audit import Audit
from oracle.store.checks import Checks
from oracle.store.database import PATIENCE, Database
from oracle.store.events import Events
from oracle.store.experiments import Experiments
from oracle.store.migrations import migrate
from oracle.store.people import People
from oracle.store.predictions import Predictions
from oracle.store.promotions import Promotions
from oracle.store.results import Results
from oracle.store.retrainings import Retrainings
from oracle.store.scorings import Scorings
from oracle.store.tokens import Tokens
from oracle.store.trials import Trials


@dataclass(frozen=True, slots=True)
class Pulse:
    """How far the store has come; a reader that polls it sees in one query whether there is anything new."""

    results_seq: int
    experiments_seq: int


_PULSE = sa.select(results.LATEST, experiments.LATEST)


class Store:
    """What the house remembers; one instance per process, safe to use from several threads."""

    def __init__(
        self, address: str, *, patience: float = PATIENCE, silence: float | None = None, later: bool = False
    ) -> None:
        """Open the store and bring its tables to the newest version.

        Args:
            address: SQLAlchemy address, such as `sqlite:////home/you/.equine-oracle/oracle.db`.
            patience: Seconds for which a lost or busy database is tried again.
            silence: Seconds after which a PostgreSQL that says nothing is given up; None: never.
            later: Open a store that is away for the moment all the same; `complete` looks after its tables.

        Raises:
            BadSetting: the address is impossible.
            Unavailable: the database cannot be opened or written.
        """
        self.database = Database(address, patience=patience, silence=silence)
        self.made = False
        """Whether the tables are known to be there, and the newest."""
        self.trouble: Unavailable | None = None
        """Why they are not."""
        try:
            self.complete()
        except BaseException as error:
            if not (later and isinstance(error, Unavailable) and error.passing):
                self.database.close()
                raise
            self.database.away = True
        self.predictions = Predictions(self.database)
        self.scorings = Scorings(self.database)
        self.results = Results(self.database)
        self.events = Events(self.database)
        self.experiments = Experiments(self.database)
        self.trials = Trials(self.database)
        self.checks = Checks(self.database)
        self.retrainings = Retrainings(self.database)
        self.alerts = Alerts(self.database)
        self.audit = Audit(self.database)
        self.approvals = Approvals(self.database)
        self.promotions = Promotions(self.database)
        self.people = People(self.database)
        self.tokens = Tokens(self.database)

    def complete(self) -> None:
        """Bring the tables to the newest version, where that has not been done yet.

        Raises:
            Unavailable: the database cannot be opened or written.
        """
        if self.made:
            return
        try:
            self.database.read(lambda connection: connection.exec_driver_sql("SELECT 1").all())
            self.database.away = False
            with self.database.at_leisure():
                migrate(self.database)
        except Unavailable as error:
            self.trouble = error
            raise
        self.made, self.trouble = True, None

    def pulse(self, *, patience: float | None = None) -> Pulse:
        """Return how far results and experiments have come, in one cheap query.

        Raises:
            Unavailable: the database did not answer.
        """
        return Pulse(*self.database.read(lambda connection: connection.execute(_PULSE).one(), patience=patience))

    def check(self, *, patience: float | None = None) -> None:
        """Return if the database answers.

        Raises:
            Unavailable: it does not.
        """
        asked = "SELECT 1 FROM predictions LIMIT 1"
        self.database.read(lambda connection: connection.exec_driver_sql(asked).all(), patience=patience)

    def close(self) -> None:
        """Close every connection."""
        self.database.close()


def embedded(root: Path) -> Store:
    """Return the store that lives in a file under `root`, which is created where it is missing.

    Raises:
        Unavailable: the folder cannot be made, or the file cannot be opened.
    """
    return Store(_file(root))


def open(settings: Settings, *, silence: float | None = None, later: bool = False) -> Store:
    """Return the store that the settings name: `store.uri`, or the file under `home`.

    Args:
        settings: The settings.
        silence: Seconds after which a PostgreSQL that says nothing is given up; None: never.
        later: Open one that is away for the moment all the same.

    Raises:
        BadSetting: the address is impossible.
        Unavailable: the database cannot be opened or written.
    """
    return Store(_address(settings), silence=silence, later=later)


def database_of(settings: Settings) -> Database:
    """Return the database of that store as it stands: nothing is opened or brought up to date.

    Raises:
        BadSetting: the address is impossible.
        Unavailable: the folder of its file cannot be made.
    """
    return Database(_address(settings))


def _address(settings: Settings) -> str:
    return _file(settings.root) if settings.store.uri is None else settings.store.uri.get_secret_value()


def _file(root: Path) -> str:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the home folder cannot be made: {error}", value=root, next_step="set ORACLE_HOME"
        ) from error
    return f"sqlite:///{root / 'oracle.db'}"
