"""What a sweep takes, and above all what it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttier import CurrentUser, SandboxSummary
from agenttier.models import CreatedBy
from pytest_agenttier.cleanup.sweep import Verdict, judge
from pytest_agenttier.naming import Namer, new_run

ME = CurrentUser(sub="me", email="me@example.com")
START = 1_793_587_484.0
OURS = "pt-0tnusyk7x1f-gw0-1-test-build"


def listed(name: str, email: str | None = "me@example.com") -> SandboxSummary:
    creator = None if email is None else CreatedBy(email=email, display_name="Me")
    return SandboxSummary(
        sandbox_id=name, name=name, namespace="default", status="Running", created_by=creator
    )


@pytest.mark.parametrize(
    ("sandbox", "hours", "alive", "verdict"),
    [
        (listed(OURS), 7, False, Verdict(OURS, True, "its run began 7 h ago, and is gone")),
        (listed("demo"), 7, False, Verdict("demo", False, "not named by this plugin")),
        (
            listed(OURS, "you@example.com"),
            7,
            False,
            Verdict(OURS, False, "made by you@example.com, not by me@example.com"),
        ),
        (
            listed(OURS, None),
            7,
            False,
            Verdict(OURS, False, "made by nobody known, not by me@example.com"),
        ),
        (listed(OURS), 1, False, Verdict(OURS, False, "its run began 60 min ago, not 6 h")),
        (
            listed(OURS),
            7,
            True,
            Verdict(OURS, False, "its run still goes on, on this machine"),
        ),
    ],
)
def test_an_orphan_is_ours_old_and_of_a_run_that_is_gone(
    sandbox: SandboxSummary, hours: float, alive: bool, verdict: Verdict
) -> None:
    """Each condition by itself keeps a sandbox."""
    judged = judge(
        sandbox, ME, now=START + hours * 3600, age=6 * 3600, is_run_alive=lambda run: alive
    )

    assert judged == verdict


@given(
    name=st.one_of(
        st.text(max_size=60),
        st.from_regex(r"pt-[0-9a-z]{1,14}(-[0-9a-z]{1,8}){0,4}", fullmatch=True),
        st.builds(
            lambda start, worker: Namer(new_run(start), worker).next(),
            st.integers(min_value=0, max_value=2**33),
            st.sampled_from(["gw0", "main"]),
        ),
    ),
    email=st.sampled_from(["me@example.com", "you@example.com", "", None]),
    now=st.integers(min_value=0, max_value=2**33),
    age=st.integers(min_value=1, max_value=10**6),
    living=st.booleans(),
)
def test_a_sandbox_that_is_not_ours_is_never_taken(
    name: str, email: str | None, now: int, age: int, living: bool
) -> None:
    """Random names, owners, ages and runs: whatever is taken meets every condition."""
    verdict = judge(listed(name, email), ME, now=now, age=age, is_run_alive=lambda run: living)

    if verdict.orphan:
        assert name.startswith("pt-")
        assert now - int(name[3:10], 36) >= age
        assert (email, living) == ("me@example.com", False)
