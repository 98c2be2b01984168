"""Each call as it goes over the wire, and what is made of its answer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from agenttier import (
    AgentTierClient,
    CommandResult,
    CurrentUser,
    ForwardedPort,
    InvalidRequestError,
    SandboxPhase,
    Template,
)

from .conftest import RUNNING, Script

if TYPE_CHECKING:
    from .conftest import Colour

CREATED = {**RUNNING, "status": "Creating", "templateRef": "general-coding"}


def _sent(request: Any) -> tuple[str, bytes]:
    return f"{request.method} {request.url.raw_path.decode()}", request.content


def test_create_sends_the_kind_and_the_namespace(colour: Colour) -> None:
    """Without the kind the template would be searched elsewhere (contract 3.1)."""
    client, script = colour.script((201, CREATED))

    sandbox = colour.call(client.create_sandbox, "general-coding", "demo")

    assert (sandbox.id, sandbox.name, sandbox.namespace) == ("demo", "demo", "default")
    assert _sent(script.requests[0]) == (
        "POST /api/v1/sandboxes",
        b'{"name":"demo","namespace":"default",'
        b'"templateRef":{"name":"general-coding","kind":"ClusterSandboxTemplate"}}',
    )


def test_create_sends_durations_and_storage(colour: Colour) -> None:
    """Durations are Go's text, or a timedelta written so."""
    client, script = colour.script((201, CREATED))

    colour.call(client.create_sandbox, "t", "demo", "team", "8h", timedelta(minutes=1.5), "20Gi")

    assert script.requests[0].content == (
        b'{"name":"demo","namespace":"team",'
        b'"templateRef":{"name":"t","kind":"ClusterSandboxTemplate"},'
        b'"timeout":"8h","idleTimeout":"90000000us","storage":{"size":"20Gi"}}'
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"template": ""}, "name of a template"),
        ({"template": "t", "name": ""}, "names nothing"),
        ({"template": None}, "template=None: expected text, not NoneType"),
        ({"template": "t", "name": b"demo"}, "name=b'demo': expected text, not bytes"),
        ({"template": "t", "namespace": 7}, "namespace=7: expected text, not int"),
        ({"template": "t", "storage_size": 20}, "storage_size=20: expected text, not int"),
        (
            {"template": "t", "timeout": timedelta(0)},
            r"timeout=datetime.timedelta\(0\): expected a duration of more than 0",
        ),
        ({"template": "t", "idle_timeout": timedelta(seconds=-1)}, "idle_timeout=.* more than 0"),
        (
            {"template": "t", "timeout": 30},
            'timeout=30 is neither text like "30s" nor a timedelta; write "30s"',
        ),
        (
            {"template": "t", "idle_timeout": 1.5},
            'idle_timeout=1.5 is neither text like "30s" nor a timedelta; write "1.5s"',
        ),
        ({"template": "t", "timeout": []}, "is neither text .* nor a timedelta$"),
        ({"template": "t", "wait": -1}, "wait=-1: expected seconds, 0 looks once"),
        ({"template": "t", "wait": float("nan")}, "wait=nan"),
        ({"template": "t", "wait": None}, "wait=None"),
    ],
)
def test_create_refuses_what_has_no_sense(
    colour: Colour, arguments: dict[str, Any], complaint: str
) -> None:
    """Before any request."""
    client, script = colour.script((201, CREATED))

    with pytest.raises(InvalidRequestError, match=complaint):
        colour.call(client.create_sandbox, **arguments)

    assert script.lines == []


def test_list_filters_by_namespace_and_phase(colour: Colour) -> None:
    """A phase is text or a SandboxPhase (contract 3.2)."""
    client, script = colour.script((200, {"sandboxes": [RUNNING]}))

    (summary,) = colour.call(client.list_sandboxes, "team-a", SandboxPhase.RUNNING)

    assert summary.phase is SandboxPhase.RUNNING
    assert script.lines == ["GET /api/v1/sandboxes?namespace=team-a&status=Running"]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("list_sandboxes", b'{"sandboxes":null}\n'),
        ("list_templates", b'{"templates":null}\n'),
    ],
)
def test_a_list_that_is_null_is_empty(colour: Colour, method: str, answer: bytes) -> None:
    """The Router says null for none (contract 3.2, 3.10)."""
    client = colour.client((200, answer))

    assert colour.call(getattr(client, method)) == []


def test_get_sandbox_is_a_handle(colour: Colour) -> None:
    """It asks, so that a sandbox that is not there is an error at once."""
    client, script = colour.script((200, RUNNING))

    sandbox = colour.call(client.get_sandbox, "demo")

    assert repr(sandbox).endswith("Sandbox(id='demo', name='demo', namespace='default')")
    assert script.lines == ["GET /api/v1/sandboxes/demo"]


def test_a_handle_costs_no_request(colour: Colour) -> None:
    """sandbox() asks nobody; the namespace is not known then."""
    client, script = colour.script((200, RUNNING))

    sandbox = client.sandbox("demo")

    assert (sandbox.id, sandbox.name, sandbox.namespace) == ("demo", "demo", "")
    assert script.lines == []


def test_status_and_phase_are_requests(colour: Colour) -> None:
    """status() has everything, get_phase() the phase."""
    client, script = colour.script((200, RUNNING))
    sandbox = client.sandbox("demo")

    assert colour.call(sandbox.status).status == "Running"
    assert colour.call(sandbox.get_phase) is SandboxPhase.RUNNING
    assert script.lines == ["GET /api/v1/sandboxes/demo"] * 2


@pytest.mark.parametrize(
    ("method", "line"),
    [
        ("stop", "POST /api/v1/sandboxes/demo/stop"),
        ("resume", "POST /api/v1/sandboxes/demo/resume"),
        ("terminate", "DELETE /api/v1/sandboxes/demo"),
        ("delete", "DELETE /api/v1/sandboxes/demo"),
    ],
)
def test_stop_resume_and_terminate_return_nothing(colour: Colour, method: str, line: str) -> None:
    """They are accepted, and take effect a moment later (contract 3.4 to 3.6)."""
    client, script = colour.script((200, {"status": "stopping"}))

    assert colour.call(getattr(client.sandbox("demo"), method)) is None
    assert [_sent(each) for each in script.requests] == [(line, b"")]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("echo hi", b'"echo hi"'),
        ("  ", b'"  "'),
        (["echo", "a b", "$HOME"], b"\"echo 'a b' '$HOME'\""),
        (("ls",), b'"ls"'),
        (["ls", PurePosixPath("/a b")], b"\"ls '/a b'\""),
        ("-x", b'" -x"'),
        ("+x", b'" +x"'),
        (["-x", "y"], b'" -x y"'),
    ],
)
def test_exec_sends_text(colour: Colour, command: Any, text: bytes) -> None:
    """Sequences are quoted for sh; a text like an option gets a blank first (contract 5.2)."""
    client, script = colour.script((200, b'{"stdout":"hi\\n","stderr":"","exitCode":0}\n'))

    result = colour.call(client.sandbox("demo").exec, command)

    assert result == CommandResult(stdout="hi\n", stderr="", exit_code=0)
    assert [_sent(each) for each in script.requests] == [
        ("POST /api/v1/sandboxes/demo/exec", b'{"command":' + text + b',"timeout":30}')
    ]


def test_exec_waits_for_the_command_and_ten_seconds(colour: Colour) -> None:
    """Reading has its own limit; the others stay the client's."""
    client, script = colour.script((200, b'{"stdout":"","stderr":"","exitCode":0}\n'), timeout=7.0)

    colour.call(client.sandbox("demo").exec, "make", 30.0)

    assert script.requests[0].content == b'{"command":"make","timeout":30}'
    assert script.requests[0].extensions["timeout"] == {
        "connect": 7.0, "read": 40.0, "write": 7.0, "pool": 7.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("", "empty"),
        ([], "empty"),
        (b"ls", "command=b'ls': expected text, or a sequence of text and paths"),
        (None, "command=None: expected text"),
        (["head", 3], r"command=\['head', 3\]: expected"),
        ([b"ls"], r"command=\[b'ls'\]: expected"),
    ],
)
def test_exec_refuses_what_is_no_command(colour: Colour, command: Any, complaint: str) -> None:
    """Before any request."""
    client, script = colour.script((200, {}))

    with pytest.raises(InvalidRequestError, match=complaint):
        colour.call(client.sandbox("demo").exec, command)

    assert script.lines == []


@pytest.mark.parametrize(
    "timeout",
    [0, -1, 0.5, 1.5, 2_000_001, 1e300, 10**400, float("inf"), float("nan"), None, "30"],
)
def test_exec_refuses_what_are_no_whole_seconds(colour: Colour, timeout: Any) -> None:
    """Or more than a socket can wait."""
    client, script = colour.script((200, {}))

    with pytest.raises(
        InvalidRequestError, match=r"^timeout=.*: expected whole seconds from 1 to 2000000$"
    ):
        colour.call(client.sandbox("demo").exec, "true", timeout)

    assert script.lines == []


def test_a_number_of_thousands_of_digits_is_refused_too(colour: Colour) -> None:
    """Python does not print it."""
    with pytest.raises(InvalidRequestError, match="timeout=<int>: expected whole seconds"):
        colour.call(colour.client((200, {})).sandbox("demo").exec, "true", 10**5000)


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda client: client.get_sandbox(None), "sandbox_id=None: expected text, not NoneType"),
        (lambda client: client.sandbox(7).stop(), "sandbox_id=7: expected text, not int"),
        (lambda client: client.get_template(b"t"), "name=b't': expected text, not bytes"),
        (lambda client: client.list_sandboxes(7), "namespace=7: expected text, not int"),
        (lambda client: client.list_sandboxes(None, 7), "status=7: expected text, not int"),
        (lambda client: client.sandbox("a").forward_port("80"), "port='80': expected a whole nu"),
        (lambda client: client.sandbox("a").forward_port(80, 80), "protocol=80: expected text"),
        (lambda client: client.sandbox("a").remove_port(65536), "port=65536: .* from 1 to 65535"),
        (lambda client: client.get_sandbox(["x" * 300]), r"sandbox_id=\['x{98}…: expected text"),
    ],
)
def test_an_argument_of_another_type_is_refused(colour: Colour, call: Any, complaint: str) -> None:
    """By its name, with what was given and what is expected."""
    client, script = colour.script((200, {}))

    with pytest.raises(InvalidRequestError, match=complaint):
        colour.call(call, client)

    assert script.lines == []


def test_ports(colour: Colour) -> None:
    """Forward, list, remove (contract 3.8)."""
    item = {"port": 8080, "protocol": "http", "internalUrl": "http://pf-demo-8080:8080"}
    client, script = colour.script((201, item), (200, {"ports": [item]}), (204, b""))
    sandbox = client.sandbox("demo")

    forwarded = colour.call(sandbox.forward_port, 8080)
    listed = colour.call(sandbox.list_ports)
    removed = colour.call(sandbox.remove_port, 8080)

    assert forwarded == ForwardedPort(
        port=8080, protocol="http", internal_url="http://pf-demo-8080:8080"
    )
    assert (listed, removed) == ([forwarded], None)
    assert [_sent(each) for each in script.requests] == [
        ("POST /api/v1/sandboxes/demo/ports", b'{"port":8080,"protocol":"http"}'),
        ("GET /api/v1/sandboxes/demo/ports", b""),
        ("DELETE /api/v1/sandboxes/demo/ports/8080", b""),
    ]


def test_templates(colour: Colour) -> None:
    """A template's spec is as the Router stores it (contract 3.10)."""
    wire = {"name": "t", "image": "", "resourceVersion": "7", "spec": {"timeout": "24h0m0s"}}
    client, script = colour.script((200, {"templates": [wire]}), (200, wire))

    (listed,) = colour.call(client.list_templates)
    looked_at = colour.call(client.get_template, "t")

    assert listed == looked_at
    assert listed == Template(name="t", image="", resource_version="7", spec={"timeout": "24h0m0s"})
    assert script.lines == ["GET /api/v1/templates", "GET /api/v1/templates/t"]


def test_current_user_has_no_groups_with_an_api_key(colour: Colour) -> None:
    """groups: null is an empty list (contract 3.11)."""
    client, script = colour.script(
        (200, b'{"email":"a@b","groups":null,"isAdmin":false,"name":"key","sub":"u1"}\n')
    )

    user = colour.call(client.current_user)

    assert user == CurrentUser(sub="u1", email="a@b", name="key", groups=[], is_admin=False)
    assert script.lines == ["GET /api/v1/user/me"]


def test_headers_say_who_and_what(colour: Colour) -> None:
    """Key, agent, accepted type; a content type only where there is content."""
    client, script = colour.script((200, {"sandboxes": []}))

    colour.call(client.list_sandboxes)

    (request,) = script.requests
    assert request.headers.multi_items() == [
        ("host", "router"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip, deflate"),
        ("user-agent", "agenttier-python-sdk/0.1.0"),
        ("x-api-key", "key"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://router:8080",
        "http://router:8080/",
        "http://router:8080/api/v1",
        "http://router:8080/api/v1/",
        " http://router:8080 ",
    ],
)
def test_the_address_may_end_in_the_api(colour: Colour, url: str) -> None:
    """A trailing slash or /api/v1 makes no difference."""
    client, script = colour.script((200, {"sandboxes": []}), url=url)

    colour.call(client.list_sandboxes)

    assert str(script.requests[0].url) == "http://router:8080/api/v1/sandboxes"
    assert repr(client).endswith("AgentTierClient('http://router:8080')")


def test_the_address_may_have_a_path(colour: Colour) -> None:
    """A Router behind a proxy's prefix."""
    client, script = colour.script((200, {"sandboxes": []}), url="https://host/agents/")

    colour.call(client.list_sandboxes)

    assert str(script.requests[0].url) == "https://host/agents/api/v1/sandboxes"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("", "not the address of a Router"),
        ("router:8080", "not the address of a Router"),
        ("ftp://router", "not the address of a Router"),
        ("http://", "not the address of a Router"),
        ("http://router:port", "is no URL"),
        ("http://a..b", "'http://a..b' names no host"),
        ("http://" + "a" * 64, "names no host"),
        ("http://router/\udc80", "is no URL"),
        (None, "api_url=None: expected text, not NoneType"),
        ("http://router/?a=1", "query or fragment"),
        ("http://router/#a", "query or fragment"),
        ("http://user:secret@router", "pass auth= instead"),
    ],
)
def test_what_is_no_address_is_refused(colour: Colour, url: str, complaint: str) -> None:
    """When the client is made, and without showing a password."""
    with pytest.raises(InvalidRequestError, match=complaint) as caught:
        colour.client(url=url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan"), float("inf"), 3_000_000, "30"])
def test_a_client_needs_a_timeout_that_can_be_waited(colour: Colour, timeout: Any) -> None:
    """Zero seconds would fail every call, and sockets count 23 days at most."""
    with pytest.raises(
        InvalidRequestError, match=r"timeout=.*: expected seconds, more than 0, at most 2000000"
    ):
        colour.client((200, {}), timeout=timeout)


def test_a_client_may_wait_without_limit(colour: Colour) -> None:
    """timeout=None, as in the released SDK."""
    client, script = colour.script((200, {"sandboxes": []}), timeout=None)

    colour.call(client.list_sandboxes)

    assert set(script.requests[0].extensions["timeout"].values()) == {None}


def test_from_env_reads_the_address(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """AGENTTIER_API_URL names the Router."""
    monkeypatch.setenv("AGENTTIER_API_URL", "http://somewhere/api/v1\n")
    cls = type(colour.client((200, {})))

    client = colour.call(cls.from_env)
    colour.call(client.close)

    assert repr(client) == f"{cls.__name__}('http://somewhere')"


def test_from_env_says_what_is_missing(colour: Colour) -> None:
    """Without the variable there is no default."""
    cls = type(colour.client((200, {})))

    with pytest.raises(InvalidRequestError, match="AGENTTIER_API_URL is not set"):
        cls.from_env()


@pytest.mark.parametrize(
    ("method", "answers"),
    [
        ("wait_until_running", [(200, {**RUNNING, "status": ""}), (200, RUNNING)]),
        ("wait_until_stopped", [(200, RUNNING), (200, {**RUNNING, "status": "Stopped"})]),
        ("wait_until_terminated", [(200, RUNNING), (404, {"error": "sandbox demo not found"})]),
    ],
)
def test_each_wait_has_its_goal(colour: Colour, method: str, answers: list[Any]) -> None:
    """Running, Stopped, gone: two looks, and the pause between them."""
    client, script = colour.script(*answers)

    colour.call(getattr(client.sandbox("demo"), method))

    assert script.lines == ["GET /api/v1/sandboxes/demo"] * 2
    assert script.clock.pauses == [0.002]


def test_the_phase_is_a_property_where_that_can_be() -> None:
    """Synchronously; reading it is a request."""
    script = Script((200, RUNNING))
    with AgentTierClient("http://router", transport=script) as client:
        assert client.sandbox("demo").phase is SandboxPhase.RUNNING

    assert script.lines == ["GET /api/v1/sandboxes/demo"]
