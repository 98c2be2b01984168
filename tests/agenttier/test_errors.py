"""What each failure becomes: those the Router answers with, and those that httpx raises."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

import agenttier
from agenttier import (
    AgentTierError,
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    AuthorizationError,
    ClientClosedError,
    CommandError,
    CommandResult,
    ConflictError,
    ExecTimeoutError,
    HTTPError,
    InvalidRequestError,
    NotFoundError,
    PolicyViolationError,
    RateLimitError,
    SandboxTimeoutError,
)

from .conftest import Script

if TYPE_CHECKING:
    from .conftest import Colour

VIOLATION = {"code": "template_not_allowed", "message": "t is not permitted"}
EXEC_LIMIT = (
    'exec failed: Post "http://10.1.2.3:9000/exec": net/http: timeout awaiting response headers'
)


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (401, b'{"error":"invalid_api_key"}\n', AuthenticationError, "invalid_api_key"),
        (
            401,
            b'{"error":"invalid_token","message":"token expired"}\n',
            AuthenticationError,
            "invalid_token: token expired",
        ),
        (
            401,
            b'{"error":"invalid_token","message":"unsupported JWT alg "HS256""}\n',
            AuthenticationError,
            '{"error":"invalid_token","message":"unsupported JWT alg "HS256""}',
        ),
        (403, b'{"error":"admin_required"}\n', AuthorizationError, "admin_required"),
        (404, b'{"error":"sandbox zz not found"}\n', NotFoundError, "sandbox zz not found"),
        (404, b"404 page not found\n", NotFoundError, "404 page not found"),
        (409, b'{"error":"sandbox is not running"}\n', ConflictError, "sandbox is not running"),
        (400, b'{"error":"command is required"}\n', APIError, "command is required"),
        (429, b'{"error":"rate_limited"}', RateLimitError, "rate_limited"),
        (500, b'{"error":"exec failed: EOF"}\n', APIError, "exec failed: EOF"),
        (501, b'{"error":"not yet implemented"}\n', APIError, "not yet implemented"),
        (502, b"<html>Bad Gateway</html>", APIError, "<html>Bad Gateway</html>"),
        (503, b"", APIError, "HTTP status 503"),
        (500, b"[]", APIError, "HTTP status 500"),
        (500, b'{"error":null}', APIError, "HTTP status 500"),
        (418, b'{"message":"teapot"}', APIError, "teapot"),
        (302, b"", APIError, "redirected to https://login; is api_url the Router's?"),
    ],
)
def test_a_status_becomes_its_error(
    colour: Colour, status: int, body: bytes, error: type[HTTPError], message: str
) -> None:
    """With the Router's words, whichever family the body is of (contract 1.8)."""
    client = colour.client((status, body, {"X-Request-Id": "5eed", "Location": "https://login"}))

    with pytest.raises(AgentTierError) as caught:
        colour.call(client.get_sandbox, "zz")

    assert type(caught.value) is error
    assert str(caught.value) == (
        f"{message} ({status} to GET /api/v1/sandboxes/zz, request id 5eed)"
    )


def test_every_answered_error_says_what_it_answered(colour: Colour) -> None:
    """Status, body, request id, method and path."""
    client = colour.client((404, {"error": "x", "more": [1]}, {"X-Request-Id": "5eed"}))

    with pytest.raises(HTTPError) as caught:
        colour.call(client.list_sandboxes, "ns")

    error = caught.value
    assert (error.status_code, error.body, error.request_id, error.method, error.path) == (
        404,
        {"error": "x", "more": [1]},
        "5eed",
        "GET",
        "/api/v1/sandboxes?namespace=ns",
    )


def test_a_policy_violation_is_told_in_full(colour: Colour) -> None:
    """Each violation with its code and message."""
    client = colour.client((403, {"error": "policy_violation", "violations": [VIOLATION]}))

    with pytest.raises(PolicyViolationError) as caught:
        colour.call(client.create_sandbox, "t")

    assert caught.value.violations == [VIOLATION]
    assert str(caught.value) == (
        "policy_violation (403 to POST /api/v1/sandboxes)\n"
        "  template_not_allowed: t is not permitted"
    )


@pytest.mark.parametrize("violations", [None, "x", [None, "x"]])
def test_a_policy_violation_may_have_none(colour: Colour, violations: Any) -> None:
    """null is no violation, not a second error."""
    client = colour.client((403, {"error": "policy_violation", "violations": violations}))

    with pytest.raises(PolicyViolationError) as caught:
        colour.call(client.create_sandbox, "t")

    assert caught.value.violations == []


def test_a_command_cut_by_the_router_names_the_limit(colour: Colour) -> None:
    """The 500 after 5 s says what to do instead (contract 5.1)."""
    client = colour.client((500, {"error": EXEC_LIMIT}))

    with pytest.raises(ExecTimeoutError, match="after 5 s, whatever timeout= says") as caught:
        colour.call(client.sandbox("demo").exec, "make", 60)

    assert isinstance(caught.value, TimeoutError)
    assert caught.value.status_code == 500
    assert "make > make.log 2>&1 &" in str(caught.value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>Sign in</html>", "Invalid JSON"),
        (b"", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b'{"name":"demo"}', "sandboxId: Field required"),
        (b'{"sandboxId":null,"name":"a","namespace":"b","status":"c"}', "sandboxId: Input"),
        (b'{"sandboxId":"\xff","name":"a","namespace":"b","status":"c"}', "Invalid"),
    ],
)
def test_success_that_cannot_be_read_is_an_error(colour: Colour, body: bytes, reason: str) -> None:
    """Not JSON, or fields missing: with the field, the type and the beginning."""
    client = colour.client((200, body, {"Content-Type": "text/html"}))

    with pytest.raises(APIResponseError, match="not the answer of a Router") as caught:
        colour.call(client.get_sandbox, "demo")

    assert reason in str(caught.value)
    assert "200 to GET /api/v1/sandboxes/demo" in str(caught.value)
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("failure", "error", "message", "sent"),
    [
        (httpx.ConnectError("refused"), APIConnectionError, "no connection to http://r/", False),
        (httpx.ConnectTimeout(""), APITimeoutError, "no connection to http://r/api/v1", False),
        (httpx.PoolTimeout(""), APITimeoutError, "no connection came free for GET", False),
        (httpx.ReadTimeout(""), APITimeoutError, "no answer to GET http://r/api/v1/", True),
        (httpx.WriteTimeout(""), APITimeoutError, "could not be sent in 3 s", True),
        (httpx.ReadError(""), APIConnectionError, "broke during GET http://r/.*ReadError", True),
        (httpx.RemoteProtocolError("cut"), APIConnectionError, "broke during .*: cut", True),
        (httpx.ProxyError("407"), APIConnectionError, "407", True),
        (httpx.DecodingError("bad gzip"), APIResponseError, "cannot be decoded: bad gzip", None),
    ],
)
def test_what_httpx_raises_is_the_cause_of_ours(
    colour: Colour, failure: Exception, error: type[Exception], message: str, sent: bool | None
) -> None:
    """Every way in which sending ends, and whether the request may have arrived."""
    client = colour.client(failure, url="http://r", timeout=3.0)

    with pytest.raises(error, match=message) as caught:
        colour.call(client.current_user)

    assert caught.value.__cause__ is failure
    assert getattr(caught.value, "sent", None) is sent


def test_a_bad_certificate_says_how_to_trust_it(colour: Colour) -> None:
    """verify= takes the authority's certificate."""
    failure = httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate")

    with pytest.raises(APIConnectionError, match=r"verify='/path/to/ca\.pem'"):
        colour.call(colour.client(failure).current_user)


NOT_OURS = [
    RuntimeError("the door is closed"),
    FileNotFoundError("no such fixture"),
    TimeoutError("the test's own"),
    ConnectionResetError("the test's own"),
    ZeroDivisionError(),
]


@pytest.mark.parametrize("error", NOT_OURS, ids=lambda each: type(each).__name__)
def test_what_a_transport_raises_besides_httpx_errors_is_left_alone(
    colour: Colour, error: Exception
) -> None:
    """Behind the caller's transport is the caller's code, such as a fake Router's answer."""
    with pytest.raises(type(error)) as caught:
        colour.call(colour.client(error).current_user)

    assert caught.value is error


@pytest.mark.parametrize("error", NOT_OURS, ids=lambda each: type(each).__name__)
def test_what_is_raised_behind_a_client_of_httpx_is_left_alone(
    colour: Colour, error: Exception
) -> None:
    """The same for a handle made by hand."""
    sandbox = colour.handle(base_url="http://router", transport=Script(error))

    with pytest.raises(type(error)) as caught:
        colour.call(sandbox.stop)

    assert caught.value is error


@pytest.mark.parametrize("error", NOT_OURS, ids=lambda each: type(each).__name__)
def test_what_a_transport_raises_during_a_look_is_left_alone(
    colour: Colour, error: Exception
) -> None:
    """Also where time is real, so that the look is limited."""

    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    client = colour.client(transport=httpx.MockTransport(answer))

    with pytest.raises(type(error)) as caught:
        colour.call(client.sandbox("demo").wait_until_running)

    assert caught.value is error


def _failing_network(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", fail)
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", fail)


def test_what_the_system_raises_is_of_sending_where_nobody_else_can(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a client of our own, without a transport of the caller's."""
    broken = OSError("no buffer space")
    _failing_network(broken, monkeypatch)

    with pytest.raises(APIConnectionError, match="no buffer space") as caught:
        colour.call(colour.client().current_user)

    assert caught.value.__cause__ is broken


@pytest.mark.parametrize(
    "text", ["Event loop is closed", "no running event loop", "must be called from async context"]
)
def test_a_client_of_another_event_loop_says_so(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept connection belongs to the loop that opened it: as asyncio and trio complain."""
    foreign = RuntimeError(text)
    _failing_network(foreign, monkeypatch)

    async def call() -> None:
        async with agenttier.AsyncAgentTierClient("http://router") as client:
            await client.current_user()

    with pytest.raises(ClientClosedError, match="belongs to one event loop") as caught:
        anyio.run(call)

    assert caught.value.__cause__ is foreign


def test_a_url_that_is_too_long_is_refused(colour: Colour) -> None:
    """As any request that cannot be made."""
    with pytest.raises(InvalidRequestError, match="no URL can be made"):
        colour.call(colour.client((200, {})).get_sandbox, "a" * 70_000)


def test_a_closed_client_says_so(colour: Colour) -> None:
    """Every call after close(); closing twice is fine."""
    client, script = colour.script((200, {}))
    colour.call(client.close)
    colour.call(client.close)

    with pytest.raises(ClientClosedError, match="has been closed"):
        colour.call(client.current_user)
    with pytest.raises(ClientClosedError):
        colour.call(client.sandbox("demo").stop)

    assert script.lines == []


def test_a_checked_command_raises_its_result(colour: Colour) -> None:
    """With the command, the exit code and its meaning, and what it printed."""
    answer = {"stdout": "", "stderr": "/bin/sh: 1: nope: not found\n", "exitCode": 127}
    sandbox = colour.client((200, answer)).sandbox("demo")

    with pytest.raises(CommandError) as caught:
        colour.call(sandbox.exec, "nope", check=True)

    assert caught.value.result.exit_code == 127
    assert str(caught.value) == (
        "command 'nope' ended with exit code 127 (command not found)\n"
        "  stderr: /bin/sh: 1: nope: not found"
    )


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (1, "code 1"),
        (126, "126 (found, but cannot be executed)"),
        (137, "137 (killed by SIGKILL)"),
        (143, "143 (killed by SIGTERM)"),
        (-1, "-1 (killed by a signal or by its timeout)"),
        (255, "code 255"),
    ],
)
def test_an_exit_code_is_explained(code: int, meaning: str) -> None:
    """Where it has a meaning (contract 5.1)."""
    with pytest.raises(CommandError) as caught:
        CommandResult(stdout="", stderr="", exit_code=code).check()

    assert str(caught.value).endswith(meaning)


def test_a_checked_success_is_the_result() -> None:
    """check() can be chained."""
    result = CommandResult(stdout="hi\n", stderr="", exit_code=0)

    assert result.check() is result
    assert result.ok


def _made_by_hand() -> list[AgentTierError]:
    result = CommandResult(stdout="", stderr="", exit_code=1)
    special = {
        "APIError": (500, "boom", {"error": "boom"}),
        "RateLimitError": (429, "slow down"),
        "ExecTimeoutError": (500, EXEC_LIMIT, {"error": EXEC_LIMIT}),
        "PolicyViolationError": ("policy_violation", [VIOLATION]),
        "CommandError": (result, "false"),
    }
    names = [each for each in agenttier.__all__ if each.endswith(("Error", "State"))]
    return [getattr(agenttier, each)(*special.get(each, ("boom",))) for each in names]


@pytest.mark.parametrize("error", _made_by_hand(), ids=lambda each: type(each).__name__)
def test_every_error_is_one_of_ours_and_survives_a_copy(error: AgentTierError) -> None:
    """Pickled, as between processes, and copied."""
    error.hint = "Try again."

    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert isinstance(other, AgentTierError)
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


@pytest.mark.parametrize(
    ("error", "also"),
    [
        (SandboxTimeoutError, TimeoutError),
        (APITimeoutError, TimeoutError),
        (ExecTimeoutError, TimeoutError),
        (InvalidRequestError, ValueError),
        (RateLimitError, APIError),
        (ExecTimeoutError, APIError),
        (APIResponseError, HTTPError),
    ],
)
def test_errors_are_also_what_python_calls_them(error: type, also: type) -> None:
    """except TimeoutError and except ValueError catch them."""
    assert issubclass(error, also)


@pytest.mark.parametrize(
    "error", [AuthenticationError, AuthorizationError, PolicyViolationError, NotFoundError]
)
def test_the_named_statuses_are_no_api_errors(error: type) -> None:
    """As in the released SDK: except APIError must not catch what a later except is for."""
    assert not issubclass(error, APIError)
