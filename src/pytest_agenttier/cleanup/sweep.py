"""Finds sandboxes that nobody deletes any more: those of runs whose machine is gone with them.

On a doubt a sandbox stays. A sweep that is too wide deletes what others are working with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pytest_agenttier.cleanup.journal import is_alive, journals
from pytest_agenttier.naming import SandboxName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agenttier import AgentTierClient, CurrentUser, SandboxSummary

DEFAULT_AGE = 6 * 3600.0
"""Seconds since its run began, below which a sandbox may still be in use on another machine."""


class Verdict(NamedTuple):
    """Whether a sandbox is an orphan, and why (not)."""

    name: str
    orphan: bool
    why: str


def judge(
    sandbox: SandboxSummary,
    me: CurrentUser,
    *,
    now: float,
    age: float,
    is_run_alive: Callable[[str], bool],
) -> Verdict:
    """Judge one sandbox; every condition must speak for taking it.

    Args:
        sandbox: As the Router lists it.
        me: Who would delete it.
        now: Seconds since the epoch.
        age: Seconds that must have passed since the run of the sandbox began.
        is_run_alive: Whether a run still goes on, on this machine.
    """
    parts = SandboxName.parse(sandbox.name)
    if parts is None:
        return Verdict(sandbox.name, False, "not named by this plugin")
    creator = sandbox.created_by.email if sandbox.created_by else None
    if not creator or creator != me.email:
        return Verdict(
            sandbox.name, False, f"made by {creator or 'nobody known'}, not by {me.email}"
        )
    passed = now - parts.started
    if passed < age:
        return Verdict(sandbox.name, False, f"its run began {_span(passed)} ago, not {_span(age)}")
    if is_run_alive(parts.run):
        return Verdict(sandbox.name, False, "its run still goes on, on this machine")
    return Verdict(sandbox.name, True, f"its run began {_span(passed)} ago, and is gone")


def verdicts(client: AgentTierClient, *, now: float, age: float) -> Iterable[Verdict]:
    """Judge all sandboxes that the client may list.

    Raises:
        AgentTierError: the Router cannot be asked.
    """
    me = client.current_user()
    for sandbox in client.list_sandboxes():
        yield judge(sandbox, me, now=now, age=age, is_run_alive=_is_run_alive)


def _is_run_alive(run: str) -> bool:
    return any(is_alive(path) for path in journals(run, ""))


def _span(seconds: float) -> str:
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
