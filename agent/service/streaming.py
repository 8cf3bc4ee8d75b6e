"""Following a study by server-sent events: what it prints, line by line, and how far it is.

An event `line` carries one printed line and, as its id, the place after it in the log: a client that lost the
connection sends the last id and misses nothing. An event `study` carries the summary whenever that changes. `end` is
the last event, when the study has ended.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from agent.service.answers import Answers
from agent.service.config import ServiceConfig
from agent.service.events import latest_lines
from agent.service.queue import Queue
from agent.service.session import LOG
from agent.service.types import ENDED, Summary
from agent.settings.secrets import mask

_EVERY = 0.5
"""Seconds between two looks."""


class Streams:
    """The streams of events of all who follow."""

    def __init__(self, config: ServiceConfig, queue: Queue, answers: Answers) -> None:
        self._config, self._queue, self._answers = config, queue, answers
        self.ending = threading.Event()
        """Set when the service ends: nobody is followed any longer."""

    def check(self, name: str) -> None:
        """See that there is such a study.

        Raises:
            NoSuchStudy: there is none.
        """
        self._queue.get(name)

    async def events(self, name: str, place: int) -> AsyncIterator[ServerSentEvent]:
        """Events of a study, from a place in its log on, until it has ended."""
        before: Summary | None = None
        while not self.ending.is_set():
            # The state first: what is printed before the end is then told before it.
            summary = await run_in_threadpool(self._answers.summary, name)
            while True:
                lines, after = await run_in_threadpool(latest_lines, self._config.own(name) / LOG, place)
                for number, line in lines:
                    yield ServerSentEvent(raw_data=mask(line), event="line", id=str(number))
                if after == place:
                    break
                place = after
            if summary != before:
                yield ServerSentEvent(data=summary, event="study")
                before = summary
            if summary.state in ENDED:
                yield ServerSentEvent(data=summary, event="end")
                return
            await asyncio.sleep(_EVERY)


def add_events(app: FastAPI, streams: Streams) -> None:
    """Add the address of the events."""
    app.state.streams = streams

    def known(name: str) -> None:
        """Refuse a study that is not there: once the first event is sent, it would be too late."""
        streams.check(name)

    @app.get(
        "/api/studies/{name}/events",
        tags=["studies"],
        response_class=EventSourceResponse,
        dependencies=[Depends(known)],
    )
    async def follow(
        name: str, last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,18}$")] = None
    ) -> AsyncIterator[ServerSentEvent]:
        """What it prints and how far it is, as server-sent events: `line`, `study`, and `end` at its end."""
        async for event in streams.events(name, int(last_event_id or 0)):
            yield event
