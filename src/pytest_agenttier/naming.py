"""Names of sandboxes: whose they are, and since when. PYTEST_DONT_REWRITE.

A Router stores no labels and lists none, so that ownership can only live in the name:
``pt-<run>-<worker>-<n>-<test>``. The run's part begins with its start time.
"""

from __future__ import annotations

import itertools
import os
import re
from typing import NamedTuple

import pytest

# Port services prepend "pf-" and append "-65535" within their limit of 63 (contract 3.8).
LIMIT = 52

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS = 7  # enough until the year 4453
_RANDOM_DIGITS = 4
_WORKER_LIMIT = 8
_NAME = (  # compiled when a name is first parsed: most runs never do
    rf"pt-(?P<run>[0-9a-z]{{{_TIME_DIGITS + _RANDOM_DIGITS}}})"
    rf"-(?P<worker>[0-9a-z]{{1,{_WORKER_LIMIT}}})-(?P<number>[1-9][0-9]*)"
    r"(?:-(?P<test>[0-9a-z]+(?:-[0-9a-z]+)*))?"
)


def new_run(now: float) -> str:
    """A run's identity: its start (``now``, seconds since the epoch), then a few random digits."""
    random = "".join(_DIGITS[byte % 36] for byte in os.urandom(_RANDOM_DIGITS))
    return _base36(int(now)).rjust(_TIME_DIGITS, "0") + random


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


class SandboxName(NamedTuple):
    """A sandbox's name in its parts; ``str()`` joins them, ``parse`` takes them apart."""

    run: str
    worker: str
    number: int
    test: str = ""

    @classmethod
    def parse(cls, name: str) -> SandboxName | None:
        """The parts of a name that this plugin made; None for any other."""
        match = re.fullmatch(_NAME, name)
        if match is None or len(name) > LIMIT:
            return None
        return cls(match["run"], match["worker"], int(match["number"]), match["test"] or "")

    @property
    def started(self) -> int:
        """When the run began, in seconds since the epoch."""
        return int(self.run[:_TIME_DIGITS], 36)

    def __str__(self) -> str:
        owner = f"pt-{self.run}-{self.worker}-{self.number}"
        room = LIMIT - len(owner) - 1
        test = self.test[: max(room, 0)].strip("-")
        return f"{owner}-{test}" if test else owner


class Namer:
    """Makes the names of one process of a run: no two alike, across workers too."""

    def __init__(self, run: str, worker: str) -> None:
        self.run = run
        self.worker: str = re.sub(r"[^0-9a-z]", "", worker.lower())[:_WORKER_LIMIT] or "w"
        self.test = ""
        """The test that is running; it becomes the readable end of a name."""
        self._numbers = itertools.count(1)

    def next(self) -> str:
        """A name that nobody has; a valid Kubernetes label of at most 52 characters."""
        test = re.sub(r"[^0-9a-z]+", "-", self.test.lower()).strip("-")
        return str(SandboxName(self.run, self.worker, next(self._numbers), test))


KEY = pytest.StashKey[Namer]()
