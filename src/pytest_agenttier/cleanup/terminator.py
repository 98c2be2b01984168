"""Deletes the sandboxes that this process made, by name, however far their making got."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PARALLEL = 8


class Terminator:
    """Remembers names from before their create until their delete has been accepted.

    Args:
        delete: sends one DELETE; a sandbox that is not there counts as deleted. Called from
            several threads at once by ``finish``.
    """

    def __init__(self, delete: Callable[[str], None]) -> None:
        self._delete = delete
        self._names: dict[str, None] = {}
        self._lock = threading.Lock()

    def intend(self, name: str) -> None:
        """Note a name that is about to be created: from now on it will be deleted."""
        with self._lock:
            self._names[name] = None

    def forget(self, name: str) -> None:
        """Drop a name that is certainly gone, or was never ours."""
        with self._lock:
            self._names.pop(name, None)

    @property
    def remaining(self) -> list[str]:
        """The names not deleted yet, oldest first."""
        with self._lock:
            return list(self._names)

    def terminate(self, name: str) -> None:
        """Delete one sandbox now, without waiting for its removal.

        Raises:
            Exception: what ``delete`` raised; the name stays, and ``finish`` tries it again.
        """
        self._delete(name)
        self.forget(name)

    def finish(self) -> dict[str, Exception]:
        """Delete all that remain, several at a time.

        Returns:
            For each sandbox that could not be deleted, why.
        """
        names = self.remaining
        if not names:
            return {}
        with ThreadPoolExecutor(min(_PARALLEL, len(names))) as pool:
            outcomes = list(pool.map(self._attempt, names))
        return {
            name: error for name, error in zip(names, outcomes, strict=True) if error is not None
        }

    def _attempt(self, name: str) -> Exception | None:
        try:
            self.terminate(name)
        except Exception as error:  # one that fails must not keep the others
            return error
        return None
