"""Messages from one thread to another, as if they came through a pipe."""

import os
import threading
from collections import deque
from contextlib import suppress
from typing import Any


class Inbox:
    """Has a descriptor that `multiprocessing.connection.wait` takes."""

    def __init__(self) -> None:
        self._messages: deque[Any] = deque()
        self._ended = self._closed = False
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._lock = threading.Lock()

    @property
    def has_news(self) -> bool:
        """Whether there is a message, or there will be none any more."""
        return bool(self._messages) or self._ended

    def put(self, message: Any) -> None:
        """Add a message."""
        with self._lock:
            self._messages.append(message)
            self._wake()

    def end(self) -> None:
        """There will be no more."""
        with self._lock:
            self._ended = True
            self._wake()

    def take(self) -> Any:
        """The next message; EOFError where there is none."""
        with self._lock:
            if not self._messages:
                raise EOFError
            message = self._messages.popleft()
            if not self._messages and not self._ended and not self._closed:
                with suppress(BlockingIOError):
                    while os.read(self._read, 4096):
                        pass
            return message

    def fileno(self) -> int:
        """Can be read when there is news."""
        return self._read

    def close(self) -> None:
        """Nobody will read any more."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._read)
                os.close(self._write)

    def _wake(self) -> None:
        if not self._closed:
            with suppress(BlockingIOError):
                os.write(self._write, b"x")
