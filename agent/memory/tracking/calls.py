"""How MLflow is called: every fault becomes a StoreError, and what may pass is tried again, as the screen is told.

MLflow's own retries are silent and take minutes, so that they are switched off; tenacity does ours.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Param, RunTag

from agent.memory.tracking.faults import StoreError, as_store_error
from agent.memory.tracking.store import Address
from agent.settings.config import TrackingConfig
from agent.settings.secrets import mask
from tools.errors import first_line
from tools.text import clean

_LONGEST_WAIT = 30.0
_Result = TypeVar("_Result")
Tell = Callable[[str], None]


class Calls:
    """Calls of one store."""

    def __init__(self, address: Address, settings: TrackingConfig, tell: Tell) -> None:
        self.address, self._settings, self._tell = address, settings, tell
        self.retries = settings.retries
        """How often a call is repeated; 0 while a store is only checked, or a study already stops."""

    def retried(self, call: Callable[[], _Result]) -> _Result:
        """The result of `call`, which is made again, after a growing wait, while its fault may pass.

        Raises:
            StoreError: the fault will not pass, or has not passed.
        """
        from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

        policy = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, StoreError) and error.transient),
            stop=stop_after_attempt(self.retries + 1),
            wait=wait_exponential_jitter(initial=1, max=_LONGEST_WAIT, jitter=0.5),
            before_sleep=self._before_sleep,
            reraise=True,
        )
        result = policy(call)
        if policy.statistics.get("attempt_number", 1) > 1:
            self._tell("The MLflow store answers again.")
        return result

    def _before_sleep(self, state: Any) -> None:
        count = f"{state.attempt_number} of {self.retries}"
        self._tell(f"{state.outcome.exception()} Trying again in {state.upcoming_sleep:.0f} s ({count}).")

    @contextmanager
    def told(self, doing: str) -> Iterator[None]:
        """In this block, what MLflow raises becomes a StoreError.

        Raises:
            StoreError: see there.
        """
        try:
            yield
        except Exception as error:
            fault = as_store_error(error, self.address, doing)
            if fault is None or fault is error:
                raise
            raise fault from error

    def client(self, *, retried: bool = True) -> MlflowClient:
        """MLflow's client on this store, each call of which goes through here.

        Args:
            retried: False for the parts of a larger call that is itself `retried`.
        """
        with self.told("open"):
            client = MlflowClient(tracking_uri=self.address.uri)
        return _Client(client, self, retried)  # type: ignore[return-value]  # it has every method of MlflowClient


class _Client:
    """Stands for an MlflowClient."""

    def __init__(self, client: MlflowClient, calls: Calls, retried: bool) -> None:
        self._client, self._calls, self._retried = client, calls, retried

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        @wraps(found)
        def call(*arguments: Any, **named: Any) -> Any:
            safe, safely_named = _cleaned(arguments), _cleaned(named)

            def once() -> Any:
                with self._calls.told(name):
                    return found(*safe, **safely_named)

            return self._calls.retried(once) if self._retried else once()

        return call


def _cleaned(value: Any) -> Any:
    """`value` with all texts in it cleaned: no database takes half a character, and no page should show an escape."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_cleaned(item) for item in value)
    if isinstance(value, Param | RunTag):
        return type(value)(clean(value.key), clean(value.value))
    return value


class _ToScreen(logging.Handler):
    """MLflow's warnings, as ours. What it logs before it raises is told by the fault itself."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the library."""
        if record.name.startswith(("mlflow.store.db", "mlflow.store.tracking", "mlflow.utils", "alembic")):
            return
        text = f"MLflow: {mask(first_line(Exception(record.getMessage()), limit=300))}"
        if text not in self._told:
            self._told.add(text)
            self._tell(text)


def set_up(address: Address, settings: TrackingConfig, tell: Tell) -> None:
    """Set MLflow's switches of this process, and give it the credentials of `address` in its own variables."""
    os.environ.setdefault("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(1, round(settings.timeout)))
    if address.username and address.password:
        os.environ["MLFLOW_TRACKING_USERNAME"] = address.username
        os.environ["MLFLOW_TRACKING_PASSWORD"] = address.password
    for name in ("mlflow", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_ToScreen(tell)], False
        logger.setLevel(logging.WARNING)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


@contextmanager
def kept_variable(name: str) -> Iterator[None]:
    """In this block, MLflow may set the variable `name`, which then gets its value back.

    `set_tracking_uri` writes the address, with its password, for processes that inherit it; ours have no use for it.
    """
    before = os.environ.get(name)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
