"""A log that never keeps whoever writes to it waiting."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

CAPACITY = 10_000
"""Lines that wait for their reader; those that come when it is full are dropped."""
PATIENCE = 1.0
"""Seconds that the reader has to take what is left when the log closes."""


class AccessLog:
    """Lines for a file descriptor, written by a thread of their own.

    A reader that stops reading loses lines, and is told how many; one that goes away ends the
    log. Neither is noticed by whoever writes.

    Args:
        descriptor: Where the lines go; it is not closed.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._dropped = 0
        self._closed = False
        # A daemon, since a blocked write ends with its reader only.
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)
        self._thread.start()

    def __enter__(self) -> AccessLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, line: str) -> None:
        """Log a line; returns at once."""
        with self._changed:
            if len(self._lines) < CAPACITY:
                self._lines.append(f"{line}\n")
            else:
                self._dropped += 1
            self._changed.notify()

    def close(self) -> None:
        """Write what is left, as far as somebody reads it."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        with suppress(OSError):  # nobody reads any more, and there is nowhere else to say so
            while unwritten := self._next():
                while unwritten:
                    unwritten = unwritten[os.write(self._descriptor, unwritten) :]

    def _next(self) -> bytes:
        """Wait for lines; empty once there are none to come."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closed)
            lines, self._lines = self._lines, []
            if self._dropped:
                lines.append(f"({self._dropped} lines dropped: they were not read in time)\n")
                self._dropped = 0
        return "".join(lines).encode("utf-8", "backslashreplace")
