"""What the loopback server tells of the answers that it gives."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.server import Answered, LoopbackServer
from pytest_agenttier.fake.wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Answering:
    """Answers every request by one function."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.clock = FakeClock()
        self.handle = answer


def talk(server: LoopbackServer, sent: bytes) -> None:
    """Send everything, finish sending, and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            continue


def ok(_: Request) -> Response:
    return Response(200, [("Content-Length", "2")], b"ok")


FAILURE = ValueError("no")


def fail_at_once(_: Request) -> Response:
    raise FAILURE


def fail_halfway(_: Request) -> Response:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise FAILURE

    return Response(200, [], pieces())


@pytest.mark.parametrize(
    ("answer", "sent", "heard"),
    [
        (ok, "GET /a?b HTTP/1.1\r\nHost: h", [("GET", "/a?b", 200, None)]),
        (ok, "GET / HTTP/1.1\r\nHost: h\r\nExpect: tea", [("GET", "/", 417, None)]),
        (fail_at_once, "GET / HTTP/1.1\r\nHost: h", [("GET", "/", 500, FAILURE)]),
        (
            fail_halfway,
            "GET / HTTP/1.1\r\nHost: h",
            [("GET", "/", 200, None), ("GET", "/", 200, FAILURE)],
        ),
    ],
    ids=["answered", "expects", "failed", "failed halfway"],
)
def test_every_answer_is_heard_of(
    answer: Callable[[Request], Response], sent: str, heard: list[Answered]
) -> None:
    """With its status, and with what failed."""
    answers: list[Answered] = []
    with LoopbackServer(Answering(answer), on_answer=answers.append) as server:
        talk(server, f"{sent}\r\n\r\n".encode())

    assert answers == heard


@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "- - 400 400 Bad Request: missing required Host header"),
        (
            b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "PUT /a 400 400 Bad Request",
        ),
    ],
    ids=["head", "body"],
)
def test_a_refusal_below_the_router_is_heard_of_too(sent: bytes, heard: str) -> None:
    """With what was understood of the request, and why it went no further."""
    answers: list[str] = []
    with LoopbackServer(
        Answering(ok), on_answer=lambda answered: answers.append(" ".join(map(str, answered)))
    ) as server:
        talk(server, sent)

    assert answers == [heard]
