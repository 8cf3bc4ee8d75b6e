"""LangGraph's saver on PostgreSQL, patient with a database that goes away. Needs the extra `[postgres]`."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from langgraph.checkpoint.postgres import PostgresSaver
from psycopg.rows import dict_row
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from agent.settings.addresses import secrets_of
from agent.settings.config import TrackingConfig
from agent.settings.secrets import MASK, mask
from tools.errors import AugurError, ConfigurationError, first_line

_LONGEST_WAIT = 30.0
_TABLES_LOCK = 4_801_990
"""Number of the advisory lock under which the tables are made: two studies may start at once."""
_PERMANENT = re.compile(
    r"authentication|no password supplied|permission denied|does not exist|no pg_hba\.conf entry|"
    r"certificate verify|does not support SSL|invalid connection option|must be owner",
    re.IGNORECASE,
)
"""In the words of PostgreSQL, what trying again does not change."""
_Result = TypeVar("_Result")


class DatabaseFault(AugurError):
    """The database that keeps where studies stand does not answer, or refuses; the study can be resumed."""

    resumable = True


class TeamSaver(PostgresSaver):
    """The checkpoints of one study, in a thread of its own whatever thread is asked for.

    Each call is made again, over a new connection, while the database does not answer.
    """

    def __init__(
        self, address: str, bare: str, thread: str, tracking: TrackingConfig, tell: Callable[[str], None]
    ) -> None:
        """Connects with the first call.

        Args:
            address: with its password.
            bare: the same without, as it may be shown.
            thread: of the study.
            tracking: the time that the database is given, and how often it is tried again.
            tell: is told while it does not answer.
        """
        super().__init__(_Closed())  # pyright: ignore[reportArgumentType]
        self._address, self._bare, self._thread = address, bare, thread
        self._tracking, self._tell = tracking, tell

    @property
    def _connection(self) -> Any:
        return self.conn

    def close(self) -> None:
        """Ends the connection."""
        with suppress(psycopg.Error):
            self._connection.close()

    def setup(self) -> None:
        """Make the tables, where they are missing."""

        def make() -> None:
            self._connection.execute("SELECT pg_advisory_lock(%s)", (_TABLES_LOCK,))
            try:
                super(TeamSaver, self).setup()
            finally:
                with suppress(psycopg.Error):
                    self._connection.execute("SELECT pg_advisory_unlock(%s)", (_TABLES_LOCK,))

        self._retried(make)

    def list(self, config: Any, **how: Any) -> Iterator[Any]:
        """As in the base class."""
        return iter(self._retried(lambda: [*super(TeamSaver, self).list(self._own(config), **how)]))

    def get_tuple(self, config: Any) -> Any:
        """As in the base class."""
        return self._retried(lambda: super(TeamSaver, self).get_tuple(self._own(config)))

    def put(self, config: Any, *what: Any) -> Any:
        """As in the base class."""
        return self._retried(lambda: super(TeamSaver, self).put(self._own(config), *what))

    def put_writes(self, config: Any, *what: Any) -> None:
        """As in the base class."""
        self._retried(lambda: super(TeamSaver, self).put_writes(self._own(config), *what))

    def delete_thread(self, thread_id: str) -> None:
        """Deletes the study's."""
        self._retried(lambda: super(TeamSaver, self).delete_thread(self._thread))

    def _own(self, config: Any) -> Any:
        return {**config, "configurable": {**config["configurable"], "thread_id": self._thread}}

    def _retried(self, call: Callable[[], _Result]) -> _Result:
        def once() -> _Result:
            if self._connection.closed or self._connection.broken:
                self.conn = self._connected()
            return call()

        policy = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(self._tracking.retries + 1),
            wait=wait_exponential_jitter(initial=1, max=_LONGEST_WAIT, jitter=0.5),
            before_sleep=self._before_sleep,
            reraise=True,
        )
        try:
            result = policy(once)
        except psycopg.Error as error:
            raise self._fault(error) from error
        if policy.statistics.get("attempt_number", 1) > 1:
            self._tell("The database answers again.")
        return result

    def _before_sleep(self, state: Any) -> None:
        count = f"{state.attempt_number} of {self._tracking.retries}"
        fault = self._fault(state.outcome.exception())
        self._tell(f"{fault} Trying again in {state.upcoming_sleep:.0f} s ({count}).")
        self.close()

    def _connected(self) -> Any:
        """A new connection.

        Raises:
            ConfigurationError: the database's encoding is not UTF8.
        """
        patience = max(1, round(self._tracking.timeout))
        connection = psycopg.connect(
            self._address,
            autocommit=True,
            prepare_threshold=0,
            row_factory=dict_row,  # pyright: ignore[reportArgumentType]
            connect_timeout=patience,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=1000 * patience,
            application_name="augur",
        )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            connection.close()
            raise ConfigurationError(
                f"The database {self._bare} (tracking.checkpoints) is encoded in {encoding}, in which a study's texts "
                "cannot be kept: create another one with CREATE DATABASE augur ENCODING 'UTF8' TEMPLATE template0"
            )
        return connection

    def _fault(self, error: BaseException) -> DatabaseFault:
        reason = first_line(error, limit=300).rstrip(".")
        for secret in secrets_of(self._address):
            reason = reason.replace(secret, MASK)
        hint = "Start it, or check the network and tracking.checkpoints."
        if _PERMANENT.search(reason):
            hint = (
                "User and password come from the full address in AGENT_TRACKING__CHECKPOINTS, or from PGUSER, "
                "PGPASSWORD and ~/.pgpass."
            )
        return DatabaseFault(
            mask(f"The database {self._bare}, which keeps where the study stands: {reason}. {hint}")
        )


class _Closed:
    """In the place of the first connection, so that it is tried again like all others."""

    closed = broken = True

    def close(self) -> None:
        """Nothing."""


def _may_pass(error: BaseException) -> bool:
    broken = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return broken and not _PERMANENT.search(str(error))
