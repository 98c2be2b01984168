"""Time as a dependency: what waits and retries read and sleep on.

A client takes the clock of its transport, where that has an attribute ``clock``: in process with
the fake Router, time is the fake's and a pause takes none. Everywhere else it is real.
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

import anyio


@runtime_checkable
class Clock(Protocol):
    """Seconds that pass, and a way to let them pass."""

    def now(self) -> float:
        """Monotonic seconds; only differences have a meaning."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return once ``seconds`` have passed."""
        ...

    async def sleep_async(self, seconds: float) -> None:
        """Return once ``seconds`` have passed, and let other tasks run meanwhile."""
        ...


class SystemClock:
    """Real time; asynchronously on asyncio and trio alike."""

    def now(self) -> float:
        """Monotonic seconds; only differences have a meaning."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return once ``seconds`` have passed."""
        time.sleep(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Return once ``seconds`` have passed, and let other tasks run meanwhile."""
        await anyio.sleep(seconds)
