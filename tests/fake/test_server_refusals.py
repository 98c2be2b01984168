"""What Go's net/http answers itself, byte for byte, and what no client can do to the server."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.server import LoopbackServer
from pytest_agenttier.fake.wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterator


class StoppedClock(FakeClock):
    def time(self) -> float:
        return 0.0


class Unreachable:
    """Answers, and counts what gets through."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        self.calls = 0

    def handle(self, _: Request) -> Response:
        self.calls += 1
        return Response(200, [("Content-Length", "2")], b"ok")


@pytest.fixture
def router() -> Unreachable:
    return Unreachable()


@pytest.fixture
def server(router: Unreachable) -> Iterator[LoopbackServer]:
    with LoopbackServer(router) as running:
        yield running


def talk(server: LoopbackServer, sent: bytes) -> bytes:
    """Send everything and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Connection: close\r\n\r\n400 Bad Request"
)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n",
        b"\r\n",
        b"GET /\r\n",
        b"GET / HTTP/1.1 x\r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"get/ HTTP/1.1\r\n",
        b"G(T / HTTP/1.1\r\n",
        b"GET / http/1.1\r\n",
        b"GET / HTTP/1.10\r\n",
        b"GET healthz HTTP/1.1\r\n",
        b"GET http://h:port/ HTTP/1.1\r\n",
        b"GET /api/v1/sandboxes/%zz HTTP/1.1\r\n",
        b"GET /% HTTP/1.1\r\n",
        b"GET /\x01 HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\n folded: first\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n",
        b"GET / HTTP/1.1\r\n: no name\r\n",
        b"GET / HTTP/1.1\r\nB(d: x\r\n",
        b"GET / HTTP/1.1\r\nA: \x00\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    ],
)
def test_what_cannot_be_read_is_a_bare_400(
    server: LoopbackServer, router: Unreachable, sent: bytes
) -> None:
    """No Date, no length, one text, at once, and the connection closes (contract 1.3)."""
    assert talk(server, sent) == BAD_REQUEST
    assert router.calls == 0


@pytest.mark.parametrize(
    ("headers", "status", "text"),
    [
        (b"", b"400 Bad Request: missing required Host header", None),
        (b"Host: a b\r\n", b"400 Bad Request: malformed Host header", None),
        (b"Host: h\r\nBad Header: x\r\n", b"400 Bad Request: invalid header name", None),
        (b"Host: h\r\nA : x\r\n", b"400 Bad Request: invalid header name", None),
        (
            b"Host: h\r\nTransfer-Encoding: gzip\r\n",
            b"501 Not Implemented",
            b"Unsupported transfer encoding",
        ),
        (b"X: " + b"x" * 1052672 + b"\r\n", b"431 Request Header Fields Too Large", None),
    ],
    ids=["no host", "bad host", "space in name", "space before colon", "coding", "too large"],
)
def test_a_refusal_repeats_its_reason_as_its_text(
    server: LoopbackServer, router: Unreachable, headers: bytes, status: bytes, text: bytes | None
) -> None:
    """The reason stands in status line and body alike (contract 1.3)."""
    answer = talk(server, b"GET /healthz HTTP/1.1\r\n" + headers + b"\r\n")

    assert answer == (
        b"HTTP/1.1 " + status + b"\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Connection: close\r\n\r\n" + (text or status)
    )
    assert router.calls == 0


def test_other_major_versions_are_505(server: LoopbackServer) -> None:
    """Only HTTP/1.x is spoken."""
    assert talk(server, b"GET / HTTP/2.0\r\nHost: h\r\n\r\n") == (
        b"HTTP/1.1 505 HTTP Version Not Supported: unsupported protocol version\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
        b"505 HTTP Version Not Supported: unsupported protocol version"
    )


def test_an_expectation_that_nobody_knows_is_417(
    server: LoopbackServer, router: Unreachable
) -> None:
    """net/http sets ``Connection`` as a handler would, so that it comes first."""
    answer = talk(server, b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: tea\r\nContent-Length: 9\r\n\r\n")

    assert answer == (
        b"HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
    )
    assert router.calls == 0


def test_the_error_of_a_later_request_does_not_touch_an_earlier_one(
    server: LoopbackServer,
) -> None:
    """What was pipelined before garbage is answered."""
    answer = talk(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n")

    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + BAD_REQUEST


def test_a_body_that_ends_too_early_never_reaches_the_router(
    server: LoopbackServer, router: Unreachable
) -> None:
    """Half an upload is no upload."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf")
        client.shutdown(socket.SHUT_WR)

        assert client.recv(1) == b""
    assert router.calls == 0


FRAGMENTS = [
    *(b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.0\r\n", b"HTTP/1.1", b"Host: h\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Connection: close\r\n"),
    *(b"Expect: 100-continue\r\n", b"3\r\nabc\r\n", b"0\r\n\r\n"),
    *(b"\r\n", b"\n", b" ", b":", b"\x00", b"%"),
]
requests = st.lists(st.binary(max_size=12) | st.sampled_from(FRAGMENTS), max_size=12).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(sent=requests, stays=st.booleans())
def test_no_bytes_break_the_server(sent: bytes, stays: bool) -> None:
    """Whatever a client sends, whenever it leaves: no traceback, no hang, no thread left."""
    threads = set(threading.enumerate())
    with LoopbackServer(Unreachable()) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(sent)
            if stays:
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    continue

        assert talk(server, b"GET / HTTP/1.0\r\n\r\n").endswith(b"ok")
    assert server.errors == []
    assert set(threading.enumerate()) <= threads
