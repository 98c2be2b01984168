"""Waiting for a sandbox to get somewhere (contract 4)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agenttier._arguments import seconds
from agenttier._operation import NOW, Flow, Sleep
from agenttier._resources.sandboxes import get_sandbox, is_gone
from agenttier.exceptions import (
    AgentTierError,
    APIConnectionError,
    APITimeoutError,
    HTTPError,
    NotFoundError,
    SandboxErrorState,
    SandboxTimeoutError,
)
from agenttier.models import SandboxPhase

if TYPE_CHECKING:
    from agenttier.models import SandboxSummary

DEFAULT_TIMEOUT = 120.0

_TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
_TEMPLATE_FAILED = "Template resolution failed"
_RESTART_ANNOUNCED = re.compile(r"waiting \S+ before restart attempt \d+/\d+")


@dataclass(frozen=True)
class Goal:
    """Where a wait ends.

    Attributes:
        name: What the message calls it.
        phase: The phase to reach; None for none but being gone.
        dead_ends: Phases from which it is not reached any more.
        longer: The line that makes the wait longer, for the error.
    """

    name: str
    phase: SandboxPhase | None
    dead_ends: frozenset[SandboxPhase]
    longer: str


RUNNING = Goal(
    "Running",
    SandboxPhase.RUNNING,
    frozenset({SandboxPhase.STOPPED, SandboxPhase.ERROR}),
    "wait_until_running(timeout={:g})",
)
CREATED = replace(RUNNING, longer="create_sandbox(..., wait={:g}). What was made is being deleted.")
STOPPED = Goal(
    "Stopped",
    SandboxPhase.STOPPED,
    frozenset({SandboxPhase.ERROR}),
    "wait_until_stopped(timeout={:g})",
)
GONE = Goal("gone", None, frozenset(), "wait_until_terminated(timeout={:g})")


def wait_for(
    sandbox_id: str, goal: Goal, *, timeout: float, poll_interval: float | None = None
) -> Flow[SandboxSummary]:
    """Look at a sandbox until it has reached the goal, or cannot, or time is up."""
    seconds("timeout", timeout, zero="looks once")
    if poll_interval is not None:
        seconds("poll_interval", poll_interval)
    start: float = yield NOW
    history = History(sandbox_id, goal, timeout)
    looks = 0
    while True:
        at_least = 0.0
        try:
            seen: SandboxSummary = yield get_sandbox(sandbox_id, deadline=start + timeout)
        except AgentTierError as error:
            if not _is_transient(error):
                raise
            at_least = getattr(error, "retry_after", None) or 0.0
            history.failed((yield NOW) - start, error)
        else:
            if seen.phase is goal.phase:
                return seen
            history.saw((yield NOW) - start, seen)
            if _is_dead_end(seen, goal):
                raise history.dead_end(seen)
        waited: float = (yield NOW) - start
        if waited >= timeout:
            raise history.timed_out() from history.last_failure
        pause = pause_after(looks, waited) if poll_interval is None else poll_interval
        yield Sleep(min(max(pause, at_least), timeout - waited))
        looks += 1


def wait_until_gone(sandbox_id: str, *, timeout: float, poll_interval: float | None) -> Flow[None]:
    """Look at a sandbox until it is not there any more."""
    try:
        yield from wait_for(sandbox_id, GONE, timeout=timeout, poll_interval=poll_interval)
    except NotFoundError as error:
        if not is_gone(error):
            raise


def pause_after(looks: int, waited: float) -> float:
    """Seconds between two looks: 2 ms, doubling to 0.25 s, then a tenth of the time waited.

    At most 1 s.
    """
    doubled = 0.002 * 2 ** min(looks, 7)
    return doubled if doubled < 0.25 else min(max(0.25, waited / 10), 1.0)


class History:
    """What a wait has seen, and the errors that tell it."""

    def __init__(self, sandbox_id: str, goal: Goal, timeout: float) -> None:
        self.last_failure: AgentTierError | None = None
        self._sandbox_id = sandbox_id
        self._goal = goal
        self._timeout = timeout
        self._seen: list[tuple[float, str]] = []
        self._message = ""

    def saw(self, waited: float, summary: SandboxSummary) -> None:
        """Remember a look."""
        self.last_failure = None
        self._message = summary.message or ""
        self._add(waited, summary.status or "(no phase)")

    def failed(self, waited: float, error: AgentTierError) -> None:
        """Remember a look that brought nothing."""
        self.last_failure = error
        self._add(waited, str(error).partition("\n")[0])

    def timed_out(self) -> SandboxTimeoutError:
        """The error for a goal not reached in time."""
        error = SandboxTimeoutError(
            self._told(
                f"sandbox {self._sandbox_id} was not {self._goal.name} after {self._timeout:g} s."
            )
        )
        error.hint = "Longer: " + self._goal.longer.format(max(self._timeout * 2, 60))
        return error

    def dead_end(self, summary: SandboxSummary) -> SandboxErrorState:
        """The error for a goal that cannot be reached any more."""
        error = SandboxErrorState(
            self._told(
                f"sandbox {self._sandbox_id} is {summary.status} and will not be {self._goal.name}."
            )
        )
        error.summary = summary
        if summary.phase is SandboxPhase.STOPPED:
            error.hint = "resume() starts it again."
        elif _TEMPLATE_FAILED in (summary.message or ""):
            error.hint = "client.list_templates() shows what sandboxes can be made from."
        return error

    def _add(self, waited: float, what: str) -> None:
        if not self._seen or self._seen[-1][1] != what:
            self._seen.append((waited, what))

    def _told(self, headline: str) -> str:
        lines = [headline, *(f"  {waited:.1f} s  {what}" for waited, what in self._seen)]
        if self._message:
            lines.append(f"  Router says: {self._message}")
        return "\n".join(lines)


def _is_dead_end(summary: SandboxSummary, goal: Goal) -> bool:
    """Whether waiting is in vain; a failed pod that is to be restarted is not (contract 4.3)."""
    if summary.phase is SandboxPhase.ERROR and _RESTART_ANNOUNCED.search(summary.message or ""):
        return False
    return summary.phase in goal.dead_ends


def _is_transient(error: AgentTierError) -> bool:
    if isinstance(error, HTTPError):
        return error.status_code in _TRANSIENT_STATUSES
    return isinstance(error, APIConnectionError | APITimeoutError)
