"""What may follow what, cell by cell, and what each look shows (contract 4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_agenttier.fake.lifecycle import TRANSITIONS, Operation, Phase, Step

if TYPE_CHECKING:
    from pytest_agenttier.fake import FakeRouter
    from pytest_agenttier.fake.wire import Response

CREATE = b'{"name":"demo","templateRef":{"name":"general-coding","kind":"ClusterSandboxTemplate"}}'


def look(router: FakeRouter, *keys: str) -> tuple[Any, ...]:
    shown = json.loads(router.get("/api/v1/sandboxes/demo").body)
    return tuple(shown.get(key) for key in keys)


def short(response: Response) -> tuple[int, Any]:
    return response.status, response.body


REFUSED_STOP = b'{"error":"cannot stop sandbox in phase %s"}\n'
REFUSED_RESUME = b'{"error":"cannot resume sandbox in phase %s"}\n'
REFUSED_EXEC = b'{"error":"sandbox is not running"}\n'


@pytest.mark.parametrize(
    ("phase", "operation", "status", "body"),
    [
        ("", "exec", 409, REFUSED_EXEC),
        ("Creating", "exec", 409, REFUSED_EXEC),
        ("Running", "exec", 200, b'{"stdout":"","stderr":"","exitCode":0}\n'),
        ("Stopped", "exec", 409, REFUSED_EXEC),
        ("Error", "exec", 409, REFUSED_EXEC),
        ("", "stop", 409, REFUSED_STOP % b""),
        ("Creating", "stop", 409, REFUSED_STOP % b"Creating"),
        ("Running", "stop", 200, b'{"status":"stopping"}\n'),
        ("Stopped", "stop", 409, REFUSED_STOP % b"Stopped"),
        ("Error", "stop", 409, REFUSED_STOP % b"Error"),
        ("", "resume", 409, REFUSED_RESUME % b""),
        ("Creating", "resume", 409, REFUSED_RESUME % b"Creating"),
        ("Running", "resume", 409, REFUSED_RESUME % b"Running"),
        ("Stopped", "resume", 200, b'{"status":"resuming"}\n'),
        ("Error", "resume", 200, b'{"status":"resuming"}\n'),
    ],
)
def test_each_operation_in_each_phase(
    router: FakeRouter, phase: str, operation: str, status: int, body: bytes
) -> None:
    """The matrix of 4.2; outside their phases operations are refused with the phase's name."""
    router.exec.register("true", times=None)
    template = "nosuch" if phase == "Error" else "general-coding"
    router.create("demo", template=template, phase=phase)

    response = router.post(f"/api/v1/sandboxes/demo/{operation}", b'{"command":"true"}')

    assert short(response) == (status, body)


@pytest.mark.parametrize("phase", ["", "Creating", "Running", "Stopped", "Error"])
def test_delete_is_fine_in_every_phase(router: FakeRouter, phase: str) -> None:
    """204, whatever the phase."""
    template = "nosuch" if phase == "Error" else "general-coding"
    router.create("demo", template=template, phase=phase)

    assert short(router.delete("/api/v1/sandboxes/demo")) == (204, b"")


@pytest.mark.parametrize("phase", ["", "Creating", "Running", "Stopped", "Error"])
def test_ports_ask_for_no_phase(router: FakeRouter, phase: str) -> None:
    """All three work in every phase."""
    template = "nosuch" if phase == "Error" else "general-coding"
    router.create("demo", template=template, phase=phase)

    assert router.post("/api/v1/sandboxes/demo/ports", b'{"port":80}').status == 201
    assert router.get("/api/v1/sandboxes/demo/ports").status == 200
    assert router.delete("/api/v1/sandboxes/demo/ports/80").status == 204


def test_the_table_has_what_the_contract_has() -> None:
    """Every cell that is not here is a refusal."""
    assert {(phase.value, operation.value) for phase, operation in TRANSITIONS} == {
        ("", "create"),
        ("Running", "exec"),
        ("Running", "stop"),
        ("Stopped", "resume"),
        ("Error", "resume"),
        ("", "delete"),
        ("Creating", "delete"),
        ("Running", "delete"),
        ("Stopped", "delete"),
        ("Error", "delete"),
    }


@pytest.mark.parametrize(
    ("phase", "operation"),
    [cell for cell in TRANSITIONS if cell not in {("Running", "exec"), ("", "delete")}],
)
def test_what_lags_begins_with_a_look_that_changes_nothing(
    phase: Phase, operation: Operation
) -> None:
    """The first look shows what the call itself left."""
    assert TRANSITIONS[phase, operation][0] is Step.LAG


def test_after_create_each_look_brings_one_step(router: FakeRouter) -> None:
    """No phase, Creating without names, Creating with names, Running."""
    router.post("/api/v1/sandboxes", CREATE)

    seen = [look(router, "status", "podName", "pvcName", "templateRef") for _ in range(5)]

    assert seen == [
        ("", "", "", ""),
        ("Creating", "", "", ""),
        ("Creating", "demo-pod", "demo-workspace", "general-coding"),
        ("Running", "demo-pod", "demo-workspace", "general-coding"),
        ("Running", "demo-pod", "demo-workspace", "general-coding"),
    ]


def test_a_list_counts_as_a_look(router: FakeRouter) -> None:
    """Also one that filters by a phase: that is how a client waits with it."""
    router.post("/api/v1/sandboxes", CREATE)

    statuses = [
        router.get("/api/v1/sandboxes?status=Running").body != b'{"sandboxes":null}\n'
        for _ in range(4)
    ]

    assert statuses == [False, False, False, True]


def test_another_users_list_is_no_look(router: FakeRouter) -> None:
    """Only a list that contains the sandbox looks at it."""
    bob = router.add_user("bob")
    router.post("/api/v1/sandboxes", CREATE)

    for _ in range(5):
        router.get("/api/v1/sandboxes", {"X-API-Key": bob})

    assert look(router, "status") == ("",)


def test_a_refused_call_counts_as_a_look(router: FakeRouter) -> None:
    """Who repeats exec instead of looking gets through."""
    router.exec.register("true")
    router.post("/api/v1/sandboxes", CREATE)

    statuses = [
        router.post("/api/v1/sandboxes/demo/exec", b'{"command":"true"}').status for _ in range(5)
    ]

    assert statuses == [409, 409, 409, 409, 200]


def test_exec_acts_on_what_the_last_look_showed(router: FakeRouter) -> None:
    """Being one look away from Running is not Running."""
    router.create("demo", phase="Creating")
    look(router, "status")

    assert router.post("/api/v1/sandboxes/demo/exec", b'{"command":"x"}').status == 409


def test_an_unknown_template_shows_at_the_second_look(router: FakeRouter) -> None:
    """No Creating in between, no resolved template."""
    router.post(
        "/api/v1/sandboxes",
        b'{"name":"demo","templateRef":{"name":"nosuch","kind":"ClusterSandboxTemplate"}}',
    )

    assert [look(router, "status", "message", "templateRef") for _ in range(3)] == [
        ("", "", ""),
        ("Error", "Template resolution failed: ClusterSandboxTemplate nosuch not found", ""),
        ("Error", "Template resolution failed: ClusterSandboxTemplate nosuch not found", ""),
    ]


def test_a_template_that_comes_later_needs_a_resume(router: FakeRouter) -> None:
    """An Error stays until somebody resumes."""
    router.create("demo", template="late", phase="Error")
    router.add_template("late", {})
    assert look(router, "status") == ("Error",)

    router.post("/api/v1/sandboxes/demo/resume")

    assert [look(router, "status") for _ in range(3)] == [
        ("Creating",),
        ("Creating",),
        ("Running",),
    ]


def test_stop_lags_by_one_look(router: FakeRouter) -> None:
    """Running once more, then Stopped without pod, its volume kept."""
    router.create("demo")
    router.post("/api/v1/sandboxes/demo/stop")

    assert [look(router, "status", "message", "podName", "pvcName") for _ in range(2)] == [
        ("Running", "", "demo-pod", "demo-workspace"),
        ("Stopped", "User requested stop", "", "demo-workspace"),
    ]


def test_until_it_shows_stopped_it_runs(router: FakeRouter) -> None:
    """exec right after stop still runs, and a second stop is 200."""
    router.exec.register("true")
    router.create("demo")
    router.post("/api/v1/sandboxes/demo/stop")

    assert router.post("/api/v1/sandboxes/demo/exec", b'{"command":"true"}').status == 200
    assert router.post("/api/v1/sandboxes/demo/stop").status == 200
    assert [look(router, "status") for _ in range(2)] == [("Running",), ("Stopped",)]


def test_resume_is_creating_at_once(router: FakeRouter) -> None:
    """The Router writes it itself; then the pod has a name, then it runs."""
    router.create("demo", phase="Stopped")
    router.post("/api/v1/sandboxes/demo/resume")

    assert [look(router, "status", "message", "podName") for _ in range(3)] == [
        ("Creating", "Resuming", ""),
        ("Creating", "Resuming", "demo-pod"),
        ("Running", "", "demo-pod"),
    ]


def test_delete_lags_by_one_look(router: FakeRouter) -> None:
    """The old body once more, 204 for another delete, then it is gone."""
    router.create("demo")

    assert router.delete("/api/v1/sandboxes/demo").status == 204
    assert look(router, "status") == ("Running",)
    assert router.delete("/api/v1/sandboxes/demo").status == 204
    assert short(router.get("/api/v1/sandboxes/demo")) == (
        404,
        b'{"error":"sandbox demo not found"}\n',
    )
    assert router.delete("/api/v1/sandboxes/demo").status == 404


def test_what_no_controller_has_touched_is_deleted_at_once(router: FakeRouter) -> None:
    """No finalizer holds it."""
    router.create("demo", phase="")
    router.delete("/api/v1/sandboxes/demo")

    assert router.get("/api/v1/sandboxes/demo").status == 404


def test_while_it_is_deleted_its_name_is_taken(router: FakeRouter) -> None:
    """Creating too early is told so, and counts as a look."""
    router.create("demo")
    router.delete("/api/v1/sandboxes/demo")
    text = (
        b'{"error":"failed to create sandbox: object is being deleted: '
        b'sandboxes.agenttier.io \\"demo\\" already exists"}\n'
    )

    answers = [short(router.post("/api/v1/sandboxes", CREATE)) for _ in range(3)]

    assert answers[:2] == [(500, text), (500, text)]
    assert answers[2][0] == 201


def test_while_it_is_deleted_it_acts_on_its_phase(router: FakeRouter) -> None:
    """exec, stop and ports go on, and change nothing about its end."""
    router.exec.register("true")
    router.create("demo")
    router.delete("/api/v1/sandboxes/demo")

    assert router.post("/api/v1/sandboxes/demo/exec", b'{"command":"true"}').status == 200
    assert router.post("/api/v1/sandboxes/demo/stop").status == 200
    assert router.post("/api/v1/sandboxes/demo/ports", b'{"port":1}').status == 201
    assert look(router, "status") == ("Running",)
    assert router.get("/api/v1/sandboxes/demo").status == 404


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ('"timeout":"8s"', "Max runtime exceeded"),
        ('"idleTimeout":"8s"', "Idle timeout exceeded"),
        ('"timeout":"5s","idleTimeout":"8s"', "Idle timeout exceeded"),
    ],
)
def test_a_limit_stops_a_sandbox_on_the_fakes_clock(
    router: FakeRouter, limits: str, message: str
) -> None:
    """Counted from Running; with both reached the message is the idle one."""
    body = CREATE.decode().replace('"demo"', f'"demo",{limits}')
    router.post("/api/v1/sandboxes", body.encode())
    for _ in range(4):
        look(router, "status")

    router.clock.advance(8)

    assert look(router, "status", "message", "podName") == ("Stopped", message, "")


def test_nothing_a_user_does_refreshes_idle_time(router: FakeRouter) -> None:
    """Idle time counts from the transition to Running, exec or not."""
    router.exec.register("true")
    router.post("/api/v1/sandboxes", CREATE.replace(b'"demo"', b'"demo","idleTimeout":"8s"'))
    for _ in range(4):
        look(router, "status")
    router.clock.advance(7)
    router.post("/api/v1/sandboxes/demo/exec", b'{"command":"true"}')
    router.clock.advance(1)

    assert router.post("/api/v1/sandboxes/demo/exec", b'{"command":"true"}').status == 409


def test_a_resume_starts_the_limits_anew(router: FakeRouter) -> None:
    """They count from Running, each time."""
    router.post("/api/v1/sandboxes", CREATE.replace(b'"demo"', b'"demo","timeout":"8s"'))
    for _ in range(4):
        look(router, "status")
    router.clock.advance(8)
    router.post("/api/v1/sandboxes/demo/resume")
    for _ in range(3):
        look(router, "status")

    router.clock.advance(7)

    assert look(router, "status") == ("Running",)


def test_a_templates_limits_are_never_applied(router: FakeRouter) -> None:
    """general-coding says 24h and 4h, and nothing comes of it."""
    router.create("demo")

    router.clock.advance(1_000_000)

    assert look(router, "status") == ("Running",)


def test_a_deleted_sandbox_is_gone_once_another_is_made(router: FakeRouter) -> None:
    """Without a look between: a suite that only makes and deletes piles nothing up (4.6)."""
    router.create("demo")
    router.delete("/api/v1/sandboxes/demo")

    router.post("/api/v1/sandboxes", CREATE.replace(b"demo", b"other"))

    assert short(router.get("/api/v1/sandboxes/demo")) == (
        404,
        b'{"error":"sandbox demo not found"}\n',
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"env": [{"name": "A", "value": "1"}, {"name": ""}]},
            'Pod creation failed: failed to create Pod: Pod "demo-pod" is invalid: '
            "spec.containers[0].env[1].name: Required value",
        ),
        (
            {"env": [{"name": "A\0"}, {"name": "B=C"}]},
            'Pod creation failed: failed to create Pod: Pod "demo-pod" is invalid: '
            '[spec.containers[0].env[0].name: Invalid value: "A\\x00": a valid environment '
            "variable name must consist only of printable ASCII characters other than '=', "
            'spec.containers[0].env[1].name: Invalid value: "B=C": a valid environment variable '
            "name must consist only of printable ASCII characters other than '=']",
        ),
        (
            {"env": [{"name": "A", "value": "x\0y"}]},
            'Pod failed: StartError: invalid environment variable "A": a NUL byte in it',
        ),
        ({"harness": {"workingDir": "."}}, "Pod failed: StartError: Cwd must be an absolute path"),
        (
            {"harness": {"workingDir": "/a\0b"}},
            "Pod failed: StartError: invalid argument: a NUL byte in a path",
        ),
        (
            {"storage": {"mountPath": "/x/../proc/y"}},
            'Pod failed: StartError: cannot mount a volume at "/x/../proc/y"',
        ),
    ],
)
def test_a_pod_that_cannot_be_made_is_an_error(
    router: FakeRouter, spec: dict[str, Any], message: str
) -> None:
    """The API server refuses it, or the container runtime does (contract 4.3)."""
    router.add_template("t", spec)
    router.create("demo", template="t", phase="Creating")

    seen = [look(router, "status", "message") for _ in range(3)]

    assert seen[-1] == ("Error", message)
