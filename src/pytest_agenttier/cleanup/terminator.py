"""Deletes the sandboxes that this process made, by name, however far their making got."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pytest_agenttier.cleanup.journal import DELETED, INTENDED, MADE, REFUSED, UNSURE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PARALLEL = 8


class Terminator:
    """Remembers names from before their create until their delete has been accepted.

    Args:
        delete: Sends one DELETE; a sandbox that is not there counts as deleted. Called from
            several threads at once by ``finish``.
        note: Puts an event and a name on disk, before what it announces happens.
        pauses: Seconds before each further attempt of ``finish``.
    """

    def __init__(
        self,
        delete: Callable[[str], None],
        note: Callable[[str, str], None],
        pauses: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
    ) -> None:
        self._delete = delete
        self._note = note
        self._pauses = pauses
        self._names: dict[str, None] = {}
        self._unsure: dict[str, None] = {}
        self._lock = threading.Lock()

    def intend(self, name: str) -> None:
        """Book a name of ours that is about to be created: from now on it will be deleted."""
        self._note(INTENDED, name)
        with self._lock:
            self._names[name] = None

    def attempt(self, name: str) -> None:
        """Book a name that a test chose, before its create: it may be somebody else's yet."""
        self._note(UNSURE, name)
        with self._lock:
            self._unsure[name] = None

    def settle(self, name: str, *, made: bool) -> None:
        """Book what came of an attempt."""
        self._note(MADE if made else REFUSED, name)
        with self._lock:
            self._unsure.pop(name, None)
            if made:
                self._names[name] = None

    def forget(self, name: str) -> None:
        """Drop a name whose delete has been accepted."""
        with self._lock:
            if name not in self._names:
                return
            del self._names[name]
        self._note(DELETED, name)

    @property
    def remaining(self) -> list[str]:
        """The names not deleted yet, oldest first."""
        with self._lock:
            return list(self._names)

    @property
    def unsure(self) -> list[str]:
        """Names that a test chose, for creates of which nobody knows what became."""
        with self._lock:
            return list(self._unsure)

    def terminate(self, name: str) -> None:
        """Delete one sandbox now, if that is still to be done, without waiting for its removal.

        Raises:
            Exception: what ``delete`` raised; the name stays, and ``finish`` tries it again.
        """
        with self._lock:
            if name not in self._names:
                return
        self._delete(name)
        self.forget(name)

    def finish(self) -> dict[str, Exception]:
        """Delete all that remain, several at a time, again after each pause where that failed.

        Returns:
            For each sandbox that could not be deleted, why.
        """
        failed = self._round()
        for pause in self._pauses:
            if not failed:
                break
            time.sleep(pause)
            failed = self._round()
        return failed

    def _round(self) -> dict[str, Exception]:
        names = self.remaining
        if not names:
            return {}
        with ThreadPoolExecutor(min(_PARALLEL, len(names))) as pool:
            outcomes = list(pool.map(self._try, names))
        return {
            name: error for name, error in zip(names, outcomes, strict=True) if error is not None
        }

    def _try(self, name: str) -> Exception | None:
        try:
            self.terminate(name)
        except Exception as error:  # one that fails must not keep the others
            return error
        return None
