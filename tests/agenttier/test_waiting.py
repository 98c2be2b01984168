"""Waiting: when it looks, how long it pauses, and what ends it. Driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agenttier import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    RateLimitError,
    SandboxErrorState,
    SandboxPhase,
    SandboxSummary,
    SandboxTimeoutError,
)
from agenttier._operation import Operation, Sleep
from agenttier._resources.waiting import (
    GONE,
    RUNNING,
    STOPPED,
    pause_after,
    wait_for,
    wait_until_gone,
)

if TYPE_CHECKING:
    from agenttier._operation import Flow


class Waited:
    """A flow driven to its end: one look per entry, the last one again and again."""

    def __init__(self, flow: Flow[Any], *looks: str | Exception | SandboxSummary) -> None:
        self.now = 100.0
        self.pauses: list[float] = []
        self.looked_at: list[float] = []
        self.result: Any = None
        self.error: Exception | None = None
        try:
            self._drive(flow, list(looks))
        except StopIteration as end:
            self.result = end.value
        except Exception as error:
            self.error = error

    def _drive(self, flow: Flow[Any], looks: list[Any]) -> None:
        step = next(flow)
        while True:
            if isinstance(step, Sleep):
                self.pauses.append(step.seconds)
                self.now += step.seconds
                step = flow.send(None)
            elif isinstance(step, Operation):
                self.looked_at.append(self.now - 100.0)
                look = looks.pop(0) if len(looks) > 1 else looks[0]
                if isinstance(look, Exception):
                    step = flow.throw(look)
                else:
                    step = flow.send(_summary(look) if isinstance(look, str) else look)
            else:
                step = flow.send(self.now)


def _summary(status: str, message: str = "") -> SandboxSummary:
    return SandboxSummary(
        sandbox_id="demo", name="demo", namespace="default", status=status, message=message
    )


def test_a_sandbox_that_is_there_costs_one_look() -> None:
    """The first look is at once."""
    waited = Waited(wait_for("demo", RUNNING, timeout=120), "Running")

    assert waited.result.phase is SandboxPhase.RUNNING
    assert waited.pauses == []


def test_pauses_grow_from_two_milliseconds() -> None:
    """They double to 0.25 s."""
    waited = Waited(wait_for("demo", RUNNING, timeout=120), *["", *["Creating"] * 9], "Running")

    assert waited.pauses == pytest.approx(
        [0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.25, 0.25]
    )


@pytest.mark.parametrize(
    ("looks", "waited", "pause"),
    [(0, 0.0, 0.002), (6, 0.1, 0.128), (7, 0.3, 0.25), (50, 2.5, 0.25), (60, 4.0, 0.4),
     (99, 10.0, 1.0), (5000, 3600.0, 1.0)],
)  # fmt: skip
def test_later_pauses_are_a_tenth_of_the_time_waited(
    looks: int, waited: float, pause: float
) -> None:
    """At least 0.25 s, at most 1 s."""
    assert pause_after(looks, waited) == pytest.approx(pause)


def test_an_interval_takes_the_place_of_the_pauses() -> None:
    """poll_interval is how long each pause is."""
    flow = wait_for("demo", RUNNING, timeout=120, poll_interval=2.0)

    assert Waited(flow, "", "Creating", "Running").pauses == [2.0, 2.0]


def test_the_last_look_is_at_the_deadline() -> None:
    """No pause reaches past it, and time spent is time waited."""
    waited = Waited(wait_for("demo", RUNNING, timeout=5, poll_interval=2.0), "Creating")

    assert waited.looked_at == pytest.approx([0.0, 2.0, 4.0, 5.0])
    assert isinstance(waited.error, SandboxTimeoutError)


def test_a_timeout_of_zero_looks_once() -> None:
    """And does not pause."""
    waited = Waited(wait_for("demo", RUNNING, timeout=0), "Creating")

    assert (waited.looked_at, waited.pauses) == ([0.0], [])
    assert isinstance(waited.error, SandboxTimeoutError)


def test_a_look_knows_the_deadline() -> None:
    """So that one that hangs does not outlast the wait."""
    flow = wait_for("demo", RUNNING, timeout=5)
    next(flow)

    look = flow.send(100.0)

    assert isinstance(look, Operation)
    assert (look.path, look.deadline) == ("/api/v1/sandboxes/demo", 105.0)


def test_a_timeout_tells_what_was_seen_when() -> None:
    """The phases with their times, the Router's message, and how to wait longer."""
    waited = Waited(
        wait_for("demo", RUNNING, timeout=120, poll_interval=40),
        "", "Creating", APIConnectionError("the connection broke"),
        _summary("Creating", "ImagePullBackOff: ghcr.io/acme/build:v9"),
    )  # fmt: skip

    assert str(waited.error) == (
        "sandbox demo was not Running after 120 s.\n"
        "  0.0 s  (no phase)\n"
        "  40.0 s  Creating\n"
        "  80.0 s  the connection broke\n"
        "  120.0 s  Creating\n"
        "  Router says: ImagePullBackOff: ghcr.io/acme/build:v9\n"
        "  Longer: wait_until_running(timeout=240)"
    )


def test_a_stopped_sandbox_does_not_become_running() -> None:
    """Waiting is in vain, so it fails at once, and says what helps."""
    waited = Waited(wait_for("demo", RUNNING, timeout=120), _summary("Stopped", "Idle"))

    assert isinstance(waited.error, SandboxErrorState)
    assert waited.error.summary == _summary("Stopped", "Idle")
    assert str(waited.error) == (
        "sandbox demo is Stopped and will not be Running.\n"
        "  0.0 s  Stopped\n"
        "  Router says: Idle\n"
        "  resume() starts it again."
    )


@pytest.mark.parametrize("goal", [RUNNING, STOPPED])
def test_an_error_for_good_fails_at_once(goal: Any) -> None:
    """As with a template that there is not (contract 4.3)."""
    message = "Template resolution failed: ClusterSandboxTemplate foo not found"
    waited = Waited(wait_for("demo", goal, timeout=120), "", _summary("Error", message))

    assert isinstance(waited.error, SandboxErrorState)
    assert "list_templates()" in str(waited.error)


def test_an_error_that_announces_a_restart_is_waited_for() -> None:
    """The pod is rebuilt after a back-off (contract 4.3)."""
    failed = _summary(
        "Error", "Pod failed (Pod disappeared unexpectedly), waiting 1m20s before restart"
        " attempt 3/5",
    )  # fmt: skip
    waited = Waited(wait_for("demo", RUNNING, timeout=120), failed, failed, "Creating", "Running")

    assert waited.result.status == "Running"


@pytest.mark.parametrize(
    "message", ["Restart limit exceeded (5 attempts): OOMKilled", "Pod failed: Error: ", ""]
)
def test_an_error_without_a_restart_is_for_good(message: str) -> None:
    """Only the announcement counts."""
    waited = Waited(wait_for("demo", RUNNING, timeout=120), _summary("Error", message))

    assert isinstance(waited.error, SandboxErrorState)


@pytest.mark.parametrize(
    "failure",
    [
        APIError(502, "bad gateway"),
        APIError(503, "unavailable"),
        APIError(504, "gateway timeout"),
        RateLimitError(429, "rate_limited"),
        APIConnectionError("refused"),
        APITimeoutError("no answer"),
    ],
)
def test_a_failure_that_passes_does_not_end_the_wait(failure: Exception) -> None:
    """The Router may be restarting."""
    waited = Waited(wait_for("demo", RUNNING, timeout=120), failure, failure, "Running")

    assert waited.result.status == "Running"


def test_a_failure_that_stays_is_the_cause_of_the_timeout() -> None:
    """What went wrong last is not lost."""
    failure = APIConnectionError("refused")
    waited = Waited(wait_for("demo", RUNNING, timeout=1), failure)

    assert isinstance(waited.error, SandboxTimeoutError)
    assert waited.error.__cause__ is failure
    assert "0.0 s  refused" in str(waited.error)


def test_a_rate_limit_says_when_to_look_again() -> None:
    """Retry-After is kept to, up to the deadline."""
    limited = RateLimitError(429, "rate_limited")
    limited.retry_after = 30.0

    waited = Waited(wait_for("demo", RUNNING, timeout=40), limited, limited, "Running")

    assert waited.pauses == [30.0, 10.0]


@pytest.mark.parametrize("goal", [RUNNING, STOPPED])
@pytest.mark.parametrize(
    "failure",
    [NotFoundError("sandbox demo not found"), AuthenticationError("x"), APIError(500, "")],
)
def test_other_failures_end_the_wait(goal: Any, failure: Exception) -> None:
    """404 is NotFoundError, and so on."""
    assert Waited(wait_for("demo", goal, timeout=120), "", failure).error is failure


def test_running_is_on_the_way_to_stopped() -> None:
    """The phase stays Running for a moment after stop (contract 3.5)."""
    assert Waited(wait_for("demo", STOPPED, timeout=9), "Running", "Stopped").result


@pytest.mark.parametrize("phase", ["Running", "Stopped", "Error", "Deleting", "", "New"])
def test_gone_is_when_it_is_not_found(phase: str) -> None:
    """Until then the old phase is shown, whichever it was (contract 3.4)."""
    flow = wait_until_gone("demo", timeout=9, poll_interval=None)
    waited = Waited(flow, phase, phase, NotFoundError("sandbox demo not found"))

    assert (waited.result, waited.error) == (None, None)
    assert len(waited.looked_at) == 3


def test_somebody_elses_sandbox_is_not_gone() -> None:
    """It is a 404 too (contract 2)."""
    foreign = NotFoundError("access denied to sandbox demo")
    flow = wait_until_gone("demo", timeout=9, poll_interval=None)

    assert Waited(flow, foreign).error is foreign


def test_a_sandbox_that_stays_is_a_timeout() -> None:
    """The message says what was waited for."""
    waited = Waited(wait_for("demo", GONE, timeout=0), "Running")

    assert str(waited.error) == (
        "sandbox demo was not gone after 0 s.\n"
        "  0.0 s  Running\n"
        "  Longer: wait_until_terminated(timeout=60)"
    )


@pytest.mark.parametrize(
    ("timeout", "poll_interval"),
    [(-1, None), (float("nan"), None), (1e300, None), ("5", None), (None, None),
     (1, 0), (1, -1.0), (1, 10**400), (1, "0.1")],
)  # fmt: skip
def test_limits_that_have_no_sense_are_refused(timeout: Any, poll_interval: Any) -> None:
    """Before the first look."""
    flow = wait_for("demo", RUNNING, timeout=timeout, poll_interval=poll_interval)

    with pytest.raises(InvalidRequestError, match="seconds"):
        next(flow)
