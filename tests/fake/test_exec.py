"""exec, up to the engine (contract 3.7 and 5)."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier.fake import FakeRouter
from pytest_agenttier.fake.engines import ExecFailed, ExecResult, PodGone, PodSpec

if TYPE_CHECKING:
    from collections.abc import Iterator


class Recorder:
    """A node that answers every command alike and remembers what it was asked."""

    def __init__(self, result: ExecResult | ExecFailed) -> None:
        self.result = result
        self.asked: list[tuple[PodSpec, str, int, str]] = []

    def exec(self, spec, command, *, timeout, transport, disconnected):  # type: ignore[no-untyped-def] # the protocol has the types
        self.asked.append((spec, command, timeout, transport))
        if isinstance(self.result, ExecFailed):
            raise self.result
        return self.result

    def stop(self, uid: str) -> None:
        """Nothing runs here."""

    def delete(self, uid: str) -> None:
        """Nothing is kept here."""

    def close(self) -> None:
        """Nothing is open."""


def run(router: FakeRouter, body: bytes) -> tuple[int, object]:
    response = router.post("/api/v1/sandboxes/demo/exec", body)
    return response.status, response.body


def install(router: FakeRouter, result: ExecResult | ExecFailed) -> Recorder:
    recorder = Recorder(result)
    router.cluster.runtime.close()
    router.cluster.runtime = recorder
    return recorder


def test_a_result_has_three_fields_in_the_structs_order(router: FakeRouter) -> None:
    """200 whatever the exit code."""
    router.exec.register("make", stdout="hi\n", stderr="<é>", exit_code=3)
    router.create("demo")

    assert run(router, b'{"command":"make"}') == (
        200,
        '{"stdout":"hi\\n","stderr":"\\u003cé\\u003e","exitCode":3}\n'.encode(),
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "invalid request body"),
        (b"nope", "invalid request body"),
        (b"[]", "invalid request body"),
        (b'{"command":5}', "invalid request body"),
        (b'{"command":"x","timeout":1.5}', "invalid request body"),
        (b"{}", "command is required"),
        (b"null", "command is required"),
        (b'{"command":""}', "command is required"),
    ],
)
def test_a_body_that_is_wrong_is_400_without_detail(
    router: FakeRouter, body: bytes, error: str
) -> None:
    """Go's text stays with the Router here."""
    router.create("demo")

    assert run(router, body) == (400, b'{"error":"%s"}\n' % error.encode())


def test_a_stopped_sandbox_refuses_commands(router: FakeRouter) -> None:
    """exec outside Running is 409, whatever the body (contract 3.7)."""
    router.create("demo", phase="Stopped")

    assert run(router, b"nope") == (409, b'{"error":"sandbox is not running"}\n')


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [("", 30), (',"timeout":0', 30), (',"timeout":7', 7), (',"timeout":-5', -5)],
)
def test_the_timeout_is_30_unless_given(router: FakeRouter, sent: str, seconds: int) -> None:
    """0 and absent are 30; the transport judges the rest."""
    recorder = install(router, ExecResult(b"", b"", 0))
    router.create("demo")

    run(router, f'{{"command":"x"{sent}}}'.encode())

    assert [asked[2] for asked in recorder.asked] == [seconds]


def test_the_template_chooses_the_transport_and_the_directory(router: FakeRouter) -> None:
    """useHTTPExec means HTTP and a runtime token; the working directory is the harness's."""
    recorder = install(router, ExecResult(b"", b"", 0))
    router.add_template("parent", {"harness": {"useHTTPExec": True, "workingDir": "/srv"}})
    router.add_template(
        "child",
        {
            "inheritsFrom": {"name": "parent", "kind": "ClusterSandboxTemplate"},
            "env": [{"name": "A", "value": "b"}, {"name": "E", "value": ""}],
        },
    )
    router.add_template("plain", {"storage": {"mountPath": "/data"}})
    for name in ("child", "plain"):
        router.create(name, template=name)
        router.post(f"/api/v1/sandboxes/{name}/exec", b'{"command":"x"}')

    (over_http, _, _, http), (over_spdy, _, _, spdy) = recorder.asked
    token = over_http.env["AGENTTIER_RUNTIME_TOKEN"]
    assert (http, spdy) == ("http", "spdy")
    assert (over_http.workdir, over_spdy.workdir) == ("/srv", "/data")
    assert dict(over_http.env) == {"A": "b", "E": "", "AGENTTIER_RUNTIME_TOKEN": token}
    assert len(token) == 43
    assert dict(over_spdy.env) == {}
    assert over_http.uid != over_spdy.uid


@pytest.mark.parametrize(
    ("template", "text"),
    [("http", "\ufffd\ufffdok\\u0000"), ("spdy", "\\ufffd\\ufffdok\\u0000")],
)
def test_broken_bytes_are_marked_as_the_transport_does(
    router: FakeRouter, template: str, text: str
) -> None:
    """Raw U+FFFD from the in-pod runtime, escaped from the Router; one per byte, NUL survives."""
    install(router, ExecResult(b"\xff\xfeok\0", b"", 0))
    router.add_template("http", {"harness": {"useHTTPExec": True}})
    router.add_template("spdy", {})
    router.create("demo", template=template)

    assert run(router, b'{"command":"x"}') == (
        200,
        f'{{"stdout":"{text}","stderr":"","exitCode":0}}\n'.encode(),
    )


def test_a_transport_that_gives_up_is_500(router: FakeRouter) -> None:
    """Its text follows."""
    install(router, ExecFailed('Post "http://10.0.0.1:9000/exec": EOF'))
    router.create("demo")

    assert run(router, b'{"command":"x"}') == (
        500,
        b'{"error":"exec failed: Post \\"http://10.0.0.1:9000/exec\\": EOF"}\n',
    )


def test_a_long_answer_has_no_length(router: FakeRouter) -> None:
    """More than Go buffers goes out chunked; what just fits does not (contract 1.1)."""
    router.exec.register("long", stdout="x" * 2048)
    router.exec.register(
        "fits", stdout="x" * (2048 - len('{"stdout":"","stderr":"","exitCode":0}\n'))
    )
    router.create("demo")

    long = router.post("/api/v1/sandboxes/demo/exec", b'{"command":"long"}')
    fits = router.post("/api/v1/sandboxes/demo/exec", b'{"command":"fits"}')

    assert "Content-Length" not in dict(long.headers)
    assert dict(fits.headers)["Content-Length"] == "2048"


def test_commands_run_side_by_side(router: FakeRouter) -> None:
    """No lock is held while a command runs: two that wait for each other both end."""
    meeting = threading.Barrier(2, timeout=10)
    router.exec.register("meet", times=2, callback=lambda _: meeting.wait() and None)
    router.create("demo")
    answers: list[tuple[int, object]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(run(router, b'{"command":"meet"}')))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [status for status, _ in answers] == [200, 200]


def test_only_exec_may_block(router: FakeRouter) -> None:
    """Everything else is answered in place."""
    from pytest_agenttier.fake.wire import Request

    path = "/api/v1/sandboxes/demo"
    assert router.may_block(Request("POST", f"{path}/exec"))
    assert not router.may_block(Request("GET", f"{path}/exec"))
    assert not router.may_block(Request("POST", f"{path}/stop"))
    assert not router.may_block(Request("POST", "/%zz"))


def test_a_command_is_whatever_text_was_sent(router: FakeRouter) -> None:
    """Fields that exec does not have are dropped silently, the last duplicate wins."""
    recorder = install(router, ExecResult(b"", b"", 0))
    router.create("demo")

    run(router, json.dumps({"command": "é\0\n😀", "cwd": "/x"}).encode())
    run(router, b'{"command":"a","COMMAND":"b"} trailing')

    assert [asked[1] for asked in recorder.asked] == ["é\0\n😀", "b"]


EXEC = "/api/v1/sandboxes/demo/exec"


@pytest.fixture
def bare() -> Iterator[FakeRouter]:
    """A Router whose commands are subprocesses."""
    with FakeRouter(exec="subprocess") as router:
        yield router


def test_files_and_init_scripts_are_applied_before_the_first_command(bare: FakeRouter) -> None:
    """And again after every resume (contract 4.5)."""
    bare.add_template(
        "t",
        {
            "files": [{"path": "/workspace/f", "content": "a\n"}],
            "initScripts": ["echo ran >> log"],
            "harness": {"useHTTPExec": True},
        },
    )
    bare.create("demo", template="t")

    first = bare.post(EXEC, b'{"command":"cat f log; stat -c %a f; echo changed > f"}')
    bare.post("/api/v1/sandboxes/demo/stop")
    looks(bare, 2)
    bare.post("/api/v1/sandboxes/demo/resume")
    looks(bare, 3)
    second = bare.post(EXEC, b'{"command":"cat f log"}')

    assert first.body == b'{"stdout":"a\\nran\\n644\\n","stderr":"","exitCode":0}\n'
    assert second.body == b'{"stdout":"a\\nran\\nran\\n","stderr":"","exitCode":0}\n'


def test_a_failing_init_script_is_an_error_of_the_sandbox(bare: FakeRouter) -> None:
    """It is not Running, and so refuses commands; resume tries again (contract 4.3)."""
    bare.add_template("t", {"initScripts": ["[ -e ok ] || { touch ok; exit 1; }"]})
    bare.create("demo", template="t")

    assert run(bare, b'{"command":"true"}') == (409, b'{"error":"sandbox is not running"}\n')
    shown = json.loads(bare.get("/api/v1/sandboxes/demo").body)
    assert (shown["status"], shown["message"]) == ("Error", "Pod failed: Unknown failure")
    assert shown["podName"] == "demo-pod"
    bare.post("/api/v1/sandboxes/demo/resume")
    looks(bare, 3)
    assert run(bare, b'{"command":"true"}')[0] == 200


def test_a_failing_init_script_keeps_no_sandbox_from_going(bare: FakeRouter) -> None:
    """A delete under way goes on."""
    bare.add_template("t", {"initScripts": ["exit 1"]})
    bare.create("demo", template="t")
    bare.delete("/api/v1/sandboxes/demo")

    run(bare, b'{"command":"true"}')

    assert bare.get("/api/v1/sandboxes/demo").status == 404


def test_a_command_that_comes_after_the_end_gets_what_holds_then(router: FakeRouter) -> None:
    """It was on its way when the sandbox was stopped (contract 3.7)."""
    recorder = install(router, ExecResult(b"", b"", 0))
    router.create("demo")
    judged: list[bool] = []

    def stopped_meanwhile(spec: PodSpec, command: str, **_: object) -> ExecResult:
        judged.append(spec.ended())
        router.post("/api/v1/sandboxes/demo/stop")
        looks(router, 2)
        judged.append(spec.ended())
        raise PodGone

    recorder.exec = stopped_meanwhile  # type: ignore[method-assign] # what the node does in between

    assert run(router, b'{"command":"x"}') == (409, b'{"error":"sandbox is not running"}\n')
    assert judged == [False, True]


def test_create_may_say_where_the_volume_is(router: FakeRouter) -> None:
    """Commands begin there, unless the template says where (contract 3.1, 5.2)."""
    recorder = install(router, ExecResult(b"", b"", 0))
    router.add_template("t", {"storage": {"mountPath": "/data"}})
    body = {
        "name": "demo",
        "templateRef": {"name": "t", "kind": "ClusterSandboxTemplate"},
        "storage": {"mountPath": "/mine"},
    }
    router.post("/api/v1/sandboxes", json.dumps(body).encode())
    looks(router, 4)

    run(router, b'{"command":"x"}')

    assert [(spec.mount, spec.workdir) for spec, *_ in recorder.asked] == [("/mine", "/mine")]


def looks(router: FakeRouter, times: int) -> None:
    for _ in range(times):
        router.get("/api/v1/sandboxes/demo")
