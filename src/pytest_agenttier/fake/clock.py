"""The fake's own time: it runs with the wall's, and jumps when somebody sleeps on it."""

from __future__ import annotations

import threading
import time


class FakeClock:
    """Seconds that pass by themselves, and at once for whoever sleeps.

    Nothing in the fake ever sleeps on the wall clock: a wait of 30 s moves this clock by 30 s.
    """

    def __init__(self) -> None:
        self._skew = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Monotonic seconds, jumps included."""
        return time.monotonic() + self._skew

    def time(self) -> float:
        """Seconds since the epoch, jumps included: what timestamps on the wire show."""
        return time.time() + self._skew

    def advance(self, seconds: float) -> None:
        """Move the clock forward by ``seconds``; limits and expiries fall due at the next request.

        Raises:
            ValueError: ``seconds`` is negative; time does not run backwards.
        """
        if seconds < 0:
            raise ValueError(f"time does not run backwards: advance({seconds!r})")
        with self._lock:
            self._skew += seconds
