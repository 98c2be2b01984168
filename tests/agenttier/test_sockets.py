"""The same over real sockets: connections that are refused, cut, late, shared, or go by a proxy."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agenttier import (
    AgentTierClient,
    APIConnectionError,
    APIKeyAuth,
    APIResponseError,
    APITimeoutError,
    ClientClosedError,
    InvalidRequestError,
    SandboxTimeoutError,
    _driver,
)

from .conftest import RUNNING, Script, listening, request_of

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Colour

EMPTY = b'{"sandboxes":null}\n'


def answering(body: bytes, *headers: str, seen: list[bytes] | None = None) -> Any:
    """Answer each connection's first request with 200, and close it."""
    head = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers]

    def serve(connection: socket.socket) -> None:
        request = request_of(connection)
        if seen is not None:
            seen.append(request)
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)

    return serve


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def test_a_call_goes_over_the_wire(colour: Colour) -> None:
    """The request as the Router sees it."""
    seen: list[bytes] = []
    with listening(answering(EMPTY, seen=seen)) as url:
        assert colour.call(colour.client(url=url).list_sandboxes) == []

    line, *headers = seen[0].decode().split("\r\n")
    assert line == "GET /api/v1/sandboxes HTTP/1.1"
    assert headers[0].lower().startswith("host: 127.0.0.1:")
    assert [each.lower() for each in headers[1:]] == [
        "accept: application/json",
        "accept-encoding: gzip, deflate",
        "user-agent: agenttier-python-sdk/0.1.0",
        "x-api-key: key",
        "",
        "",
    ]


def test_a_wait_over_the_wire_pauses_in_real_time(colour: Colour) -> None:
    """Where the transport brings no clock of its own."""
    phases = iter(["", "Running"])

    def serve(connection: socket.socket) -> None:
        body = json.dumps({**RUNNING, "status": next(phases)}).encode()
        answering(body)(connection)

    with listening(serve) as url:
        assert colour.call(colour.client(url=url).sandbox("demo").wait_until_running).phase


def test_nobody_listens(colour: Colour) -> None:
    """A refused connection, tried three times."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(APIConnectionError, match=f"no connection to http://127.0.0.1:{port}/") as e:
        colour.call(colour.client(url=f"http://127.0.0.1:{port}").current_user)

    assert not e.value.sent
    assert isinstance(e.value.__cause__, httpx.ConnectError)


@pytest.mark.parametrize(
    "fragment",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"],
)
def test_an_answer_is_cut(colour: Colour, fragment: bytes) -> None:
    """Before it begins, among the headers, in the body."""

    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(fragment)

    with listening(serve) as url, pytest.raises(APIConnectionError, match="broke during") as caught:
        colour.call(colour.client(url=url).current_user)

    assert caught.value.sent


def test_an_answer_is_no_http(colour: Colour) -> None:
    """As when a port belongs to something else."""

    def serve(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")

    with listening(serve) as url, pytest.raises(APIConnectionError, match="broke during"):
        colour.call(colour.client(url=url).current_user)


def test_an_answer_is_a_web_page(colour: Colour) -> None:
    """With status 200, as a login page has."""
    page = answering(b"<html>Sign in</html>", "Content-Type: text/html")

    with listening(page) as url, pytest.raises(APIResponseError, match="text/html: '<html>Sign"):
        colour.call(colour.client(url=url).current_user)


def test_an_answer_is_compressed(colour: Colour) -> None:
    """By a proxy between."""
    with listening(answering(gzip.compress(EMPTY), "Content-Encoding: gzip")) as url:
        assert colour.call(colour.client(url=url).list_sandboxes) == []


def test_an_answer_is_compressed_badly() -> None:
    """What cannot be unpacked is no answer (asynchronously httpx leaves generators behind then)."""
    broken = answering(EMPTY, "Content-Encoding: gzip")

    with (
        listening(broken) as url,
        AgentTierClient(url, APIKeyAuth("k")) as client,
        pytest.raises(APIResponseError, match="cannot be decoded"),
    ):
        client.list_sandboxes()


def test_an_answer_that_breaks_is_closed(colour: Colour) -> None:
    """Its connection would be lost to the pool otherwise."""
    closed = []

    class Breaking(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Any:
            raise httpx.ReadError("reset")

        async def __aiter__(self) -> Any:
            for each in self:
                yield each

        def close(self) -> None:
            closed.append(True)

        async def aclose(self) -> None:
            closed.append(True)

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Breaking()))
    with pytest.raises(APIConnectionError, match="reset"):
        colour.call(colour.client(transport=transport).current_user)

    assert closed == [True]


def test_no_answer_comes(colour: Colour) -> None:
    """The read timeout, by its number."""
    with listening() as url, pytest.raises(APITimeoutError, match=r"no answer to GET .* in 0.1 s"):
        colour.call(colour.client(url=url, timeout=0.1).current_user)


def test_no_connection_comes_free() -> None:
    """The pool's only connection is taken by an answer that nobody has read."""
    with (
        listening(answering(EMPTY)) as url,
        httpx.HTTPTransport(limits=httpx.Limits(max_connections=1)) as transport,
        AgentTierClient(url, APIKeyAuth("k"), 0.1, transport=transport) as client,
    ):
        taken = transport.handle_request(httpx.Request("GET", url))
        with pytest.raises(APITimeoutError, match=r"no connection came free .* in 0.1 s") as caught:
            client.current_user()
        taken.close()

    assert not caught.value.sent


def test_a_client_that_is_closed_under_a_call_says_so(colour: Colour) -> None:
    """Another thread or task has closed it."""
    with listening(answering(EMPTY)) as url:
        client = colour.client(url=url)
        colour.call(client.close)

        with pytest.raises(ClientClosedError):
            colour.call(client.current_user)


def test_threads_share_a_client() -> None:
    """Every thread gets its own answers."""

    def serve(connection: socket.socket) -> None:
        name = request_of(connection).split(b" ")[1].rpartition(b"/")[2]
        answering(b'{"name":"%s"}' % name)(_Replay(connection))

    with listening(serve) as url, AgentTierClient(url, APIKeyAuth("k")) as client:
        names: dict[str, str] = {}
        threads = [
            threading.Thread(target=lambda n=str(n): names.update({n: client.get_template(n).name}))
            for n in range(20)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    assert names == {str(n): str(n) for n in range(20)}


class _Replay:
    """A connection whose request has been read already."""

    def __init__(self, connection: socket.socket) -> None:
        self.sendall = connection.sendall

    def recv(self, _: int) -> bytes:
        return b""


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_proxy_variables_are_honoured(
    colour: Colour, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request for another host goes to the proxy, by its whole URL."""
    seen: list[bytes] = []
    with listening(answering(EMPTY, seen=seen)) as proxy:
        monkeypatch.setenv(variable, proxy)
        client = colour.client(url="http://router.invalid")

        assert colour.call(client.list_sandboxes) == []

    assert seen[0].startswith(b"GET http://router.invalid/api/v1/sandboxes HTTP/1.1\r\n")


def test_no_proxy_is_honoured(colour: Colour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that are named go straight."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    with listening(answering(EMPTY)) as url:
        assert colour.call(colour.client(url=url).list_sandboxes) == []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_that_is_away_is_named_by_its_variable(
    colour: Colour, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And NO_PROXY as the way past it; what the variable holds may be secret."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv(variable, f"http://user:secret@127.0.0.1:{port}")

    with pytest.raises(
        APIConnectionError, match=r"no connection to http://127\.0\.0\.2/"
    ) as caught:
        colour.call(colour.client(url="http://127.0.0.2").current_user)

    assert caught.value.hint == (
        f"{variable} sends this through a proxy; with NO_PROXY=127.0.0.2 it would go straight."
    )


def test_no_proxy_is_blamed_where_none_is_between(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_PROXY names the host, or the transport is the caller's."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    straight = colour.client(url=f"http://127.0.0.1:{port}")
    by_the_callers = colour.client(httpx.ConnectError("refused"), url="http://router")

    for client in (straight, by_the_callers):
        with pytest.raises(APIConnectionError) as caught:
            colour.call(client.current_user)
        assert caught.value.hint == "Is api_url right, and the Router up?"


def test_a_proxy_variable_that_is_none_is_told(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the client is made."""
    monkeypatch.setenv("HTTP_PROXY", "gopher://proxy")

    with pytest.raises(InvalidRequestError, match="proxy"):
        colour.client(url="http://router")


def test_certificates_are_loaded_only_for_https(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cost more than a call."""
    loaded = []
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", lambda *a, **_: loaded.append(a))
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *a, **_: loaded.append(a))

    colour.client(url="http://router")
    assert loaded == []

    colour.client(url="https://router")
    assert len(loaded) == 1


def test_a_file_of_certificates_may_be_named(colour: Colour, tmp_path: Path) -> None:
    """verify= is a file, or a directory; one that holds none is refused at once."""
    colour.client(url="https://router", verify=str(tmp_path))
    colour.client(url="https://router", verify=False)

    with pytest.raises(InvalidRequestError, match="holds no certificates"):
        colour.client(url="https://router", verify=str(tmp_path / "nope.pem"))


def test_a_file_of_certificates_in_the_environment_has_to_be_there(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE counts where verify= is True."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nope.pem")

    with pytest.raises(InvalidRequestError, match="verify=True holds no certificates"):
        colour.client(url="https://router")


@pytest.mark.parametrize(
    "base_url", ["http://router/api/v1", "http://router/api/v1/", "http://router"]
)
def test_a_handle_stands_on_a_client_of_httpx(colour: Colour, base_url: str) -> None:
    """Sandbox(http, ...), with that client's headers, auth and timeouts."""
    script = Script((200, {"stdout": "hi\n", "stderr": "", "exitCode": 0}))
    sandbox = colour.handle(
        base_url=base_url, headers={"X-API-Key": "theirs"}, auth=("u", "p"), timeout=3,
        transport=script,
    )  # fmt: skip

    assert colour.call(sandbox.exec, "echo hi", 5).stdout == "hi\n"

    (request,) = script.requests
    assert str(request.url) == "http://router/api/v1/sandboxes/demo/exec"
    assert request.headers["x-api-key"] == "theirs"
    assert request.headers["authorization"].startswith("Basic ")
    assert request.extensions["timeout"] == {"connect": 3, "read": 15.0, "write": 3, "pool": 3}


def test_a_client_of_httpx_lends_its_clock(colour: Colour) -> None:
    """Waiting over an in-process transport takes no time there, either."""
    script = Script((200, {**RUNNING, "status": "Creating"}), (200, RUNNING))
    sandbox = colour.handle(base_url="http://router", transport=script)

    colour.call(sandbox.wait_until_running)

    assert script.clock.pauses == [0.002]


def test_a_client_of_httpx_follows_no_redirect(colour: Colour) -> None:
    """A redirect is an error: it would turn a POST into a GET (contract 11, trap 4)."""
    script = Script((301, b"", {"Location": "http://router/elsewhere"}))
    sandbox = colour.handle(base_url="http://router", transport=script, follow_redirects=True)

    with pytest.raises(Exception, match="redirected to http://router/elsewhere"):
        colour.call(sandbox.stop)

    assert len(script.requests) == 1


def test_a_closed_client_of_httpx_is_a_closed_client(colour: Colour) -> None:
    """The same error as our own client's, with httpx's as its cause."""
    sandbox = colour.handle(base_url="http://router", transport=Script((200, {})))
    http = sandbox._http._wire.close.__self__
    colour.call(http.aclose if colour.is_async else http.close)

    with pytest.raises(ClientClosedError, match=r"so POST http://router/.* was not sent") as caught:
        colour.call(sandbox.stop)

    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_client_of_httpx_needs_an_address(colour: Colour) -> None:
    """Without a base_url nobody knows where the Router is."""
    with pytest.raises(InvalidRequestError, match="not the address of a Router"):
        colour.handle(transport=Script((200, {})))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look at a deadline is given less than its second, so that tests are quick."""
    monkeypatch.setattr(_driver, "_LEAST_PATIENCE", 0.05)


def test_a_router_that_is_silent_does_not_outlast_a_wait(colour: Colour, impatient: None) -> None:
    """Not even where the client itself has no limit."""
    with listening() as url, pytest.raises(SandboxTimeoutError) as caught:
        colour.call(colour.client(url=url, timeout=None).sandbox("demo").wait_until_running, 0)

    assert "no answer to GET " in str(caught.value)
    assert isinstance(caught.value.__cause__, APITimeoutError)


@pytest.mark.parametrize(
    ("beginning", "forever"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n"),
    ],
    ids=["headers", "body"],
)
def test_an_answer_without_end_does_not_outlast_a_wait(
    colour: Colour, impatient: None, beginning: bytes, forever: bytes
) -> None:
    """Each of its pieces comes in time; the look is limited as a whole."""

    def serve(connection: socket.socket) -> None:
        request_of(connection)
        with suppress(OSError):  # the client has gone
            connection.sendall(beginning)
            while True:
                connection.sendall(forever)

    with listening(serve) as url:
        client = colour.client(url=url)
        with pytest.raises(SandboxTimeoutError, match="no answer to GET "):
            colour.call(client.sandbox("demo").wait_until_running, 0)
        colour.call(client.close)


def test_what_a_look_ends_in_is_the_same_under_a_deadline(colour: Colour) -> None:
    """The error comes as from any other call."""
    page = answering(b"<html>Sign in</html>", "Content-Type: text/html")

    with listening(page) as url, pytest.raises(APIResponseError, match="text/html: '<html>Sign"):
        colour.call(colour.client(url=url).sandbox("demo").wait_until_running)


def test_the_look_at_a_deadline_is_given_a_second(colour: Colour) -> None:
    """By each limit of httpx, too; without it the last look could not succeed."""
    requests = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=RUNNING)

    client = colour.client(transport=httpx.MockTransport(answer), timeout=0.5)
    colour.call(client.sandbox("demo").wait_until_running, 0)
    client = colour.client(transport=httpx.MockTransport(answer), timeout=None)
    colour.call(client.sandbox("demo").wait_until_running, 0)

    assert [set(each.extensions["timeout"].values()) for each in requests] == [{0.5}, {1.0}]
