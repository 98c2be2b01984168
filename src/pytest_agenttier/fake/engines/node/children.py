"""The children of a process: woken when one ends, reaped, and killed to the last grandchild."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def wake_at_child_exit() -> int:
    """A descriptor that becomes readable whenever a child of this process has ended."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.signal(signal.SIGCHLD, _wake)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable


def _wake(_signal: int, _frame: object) -> None:
    """Python writes to the descriptor for signals that have a handler."""


def ended_children() -> Sequence[tuple[int, int]]:
    """Reap: process ids and wait statuses of all children that have ended."""
    ended: list[tuple[int, int]] = []
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(found)
    except ChildProcessError:
        return ended
    return ended


def wait_for_children() -> None:
    """Return once there is no child any more."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


def kill_descendants() -> None:
    """Kill all there are, generation by generation; this process has to adopt its orphans."""
    while children := _children():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)


def _children() -> list[int]:
    path = f"/proc/self/task/{os.getpid()}/children"
    try:
        with open(path, "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except FileNotFoundError:  # not Linux: only shells that still run are known, and killed
        return []
