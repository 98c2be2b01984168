"""Rows of the table, and times taken in turns."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure, what stood beside it in the same run, and the goal."""

    what: str
    measured: str
    beside: str = ""
    ratio: float | None = None
    goal: str = ""

    def __str__(self) -> str:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return f"| {self.what} | {self.measured} | {self.beside} | {ratio} | {self.goal} |"


def in_turns(work: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, float]:
    """Seconds per call of each, the median of ``rounds``; one after the other in every round.

    Taking turns lets noise of the machine fall on all alike; a first round is not counted.
    """
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(rounds + 1):
        for name, call in work.items():
            started = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def pytest_in(folder: str | Path, *plugins: str) -> None:
    """Run pytest in a folder with these of the installed plugins, files compiled as users have."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    for installed in entry_points(group="pytest11"):
        if installed.name not in plugins:
            command += ["-p", f"no:{installed.name}"]
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    """A call that makes so many of another."""

    def many() -> None:
        for _ in range(times):
            call()

    return many
