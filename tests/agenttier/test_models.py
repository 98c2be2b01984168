"""What is read out of answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttier import CommandResult, CreatedBy, CurrentUser, SandboxPhase, SandboxSummary

WHOLE = b"""{"createdAt":"2026-07-01 12:03:04 +0000 UTC",
"createdBy":{"displayName":"Dev User","email":"dev@agenttier.local"},
"lastActivityAt":"2026-07-01 12:03:16 +0000 UTC","message":"","mode":"code","name":"demo",
"namespace":"default","podName":"demo-pod","pvcName":"demo-workspace","sandboxId":"demo",
"status":"Running","templateRef":"general-coding","newer":{"field":1}}"""


def test_a_sandbox_is_read_from_the_wire() -> None:
    """camelCase becomes snake_case, unknown fields are ignored (contract 3.2)."""
    assert SandboxSummary.model_validate_json(WHOLE) == SandboxSummary(
        sandbox_id="demo",
        name="demo",
        namespace="default",
        status="Running",
        pod_name="demo-pod",
        pvc_name="demo-workspace",
        template_ref="general-coding",
        created_at="2026-07-01 12:03:04 +0000 UTC",
        last_activity_at="2026-07-01 12:03:16 +0000 UTC",
        created_by=CreatedBy(email="dev@agenttier.local", display_name="Dev User"),
        message="",
        mode="code",
    )


@pytest.mark.parametrize(
    ("status", "phase"),
    [
        ("Creating", SandboxPhase.CREATING),
        ("Running", SandboxPhase.RUNNING),
        ("Stopped", SandboxPhase.STOPPED),
        ("Error", SandboxPhase.ERROR),
        ("Deleting", SandboxPhase.DELETING),
        ("", SandboxPhase.UNKNOWN),
        ("running", SandboxPhase.UNKNOWN),
    ],
)
def test_a_status_is_a_phase(status: str, phase: SandboxPhase) -> None:
    """The text is kept beside it."""
    summary = SandboxSummary(sandbox_id="a", name="a", namespace="d", status=status)

    assert (summary.status, summary.phase) == (status, phase)


@given(st.text())
def test_no_status_is_an_error(status: str) -> None:
    """What this version does not know is UNKNOWN."""
    summary = SandboxSummary(sandbox_id="a", name="a", namespace="d", status=status)

    assert isinstance(summary.phase, SandboxPhase)


def test_a_phase_is_its_text() -> None:
    """Compared, printed and formatted, on every Python."""
    assert SandboxPhase.RUNNING == "Running"
    assert str(SandboxPhase.RUNNING) == f"{SandboxPhase.RUNNING}" == "Running"


@pytest.mark.parametrize("groups", ["null", "[]"])
def test_no_groups_is_an_empty_list(groups: str) -> None:
    """null with an API key, [] with an empty claim (contract 3.11)."""
    user = CurrentUser.model_validate_json(f'{{"sub":"u","groups":{groups}}}')

    assert user.groups == []


def test_results_are_equal_when_they_say_the_same() -> None:
    """So that tests can compare them."""
    read = CommandResult.model_validate_json(b'{"stdout":"a","stderr":"","exitCode":3}')

    assert read == CommandResult(stdout="a", stderr="", exit_code=3)
    assert not read.ok
