"""The loopback server on raw sockets: what goes over the wire, and when (contract 1.1 to 1.5)."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier.fake import server as server_module
from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.server import LoopbackServer
from pytest_agenttier.fake.wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 10
"""A bound for what never takes long; reaching it is a failure."""


class StoppedClock(FakeClock):
    def time(self) -> float:
        return 0.0


class Scripted:
    """Answers every request by one function, and remembers the requests."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.clock = StoppedClock()
        self.seen: list[Request] = []
        self._answer = answer

    def handle(self, request: Request) -> Response:
        self.seen.append(request)
        return self._answer(request)


def ok(request: Request) -> Response:
    body = f"{request.method} {request.target}".encode()
    return Response(200, [("X-A", "b"), ("Content-Length", str(len(body)))], body)


@pytest.fixture
def router() -> Scripted:
    return Scripted(ok)


@pytest.fixture
def server(router: Scripted) -> Iterator[LoopbackServer]:
    with LoopbackServer(router) as running:
        yield running


def connect(server: LoopbackServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)


def read_to_end(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def talk(server: LoopbackServer, sent: bytes) -> bytes:
    """Send everything, finish sending, and read until the server hangs up."""
    with connect(server) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return read_to_end(client)


def test_an_answer_is_status_line_headers_and_body_in_the_order_given(
    server: LoopbackServer,
) -> None:
    """Headers keep order and case; nothing is added to a keep-alive answer (contract 1.5)."""
    answer = talk(server, b"GET /x?y=1 HTTP/1.1\r\nHost: h\r\n\r\n")

    assert answer == b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 10\r\n\r\nGET /x?y=1"


def test_the_router_sees_the_request_as_it_was_sent(
    server: LoopbackServer, router: Scripted
) -> None:
    """Target, header order, case and bytes (as latin-1), and body arrive unchanged."""
    talk(
        server,
        b"POST /a%20b?c=%zz HTTP/1.1\r\nHOST: h\r\nx-Id: \xc3\xbc \r\nX-ID:2\r\n"
        b"Content-Length: 3\r\n\r\na\x00b",
    )

    [request] = router.seen
    assert (request.method, request.target, request.body) == ("POST", "/a%20b?c=%zz", b"a\x00b")
    assert request.headers == (
        ("HOST", "h"),
        ("x-Id", "Ã¼"),
        ("X-ID", "2"),
        ("Content-Length", "3"),
    )


def test_a_target_with_scheme_and_host_is_routed_by_its_path(
    server: LoopbackServer, router: Scripted
) -> None:
    """An absolute URL in the request line is that of its path (contract 1.3)."""
    talk(server, b"GET http://elsewhere.example:80/healthz?x HTTP/1.1\r\nHost: h\r\n\r\n")

    assert router.seen[0].target == "/healthz?x"


def test_a_connection_serves_one_request_after_another(server: LoopbackServer) -> None:
    """Keep-alive is the rule in HTTP/1.1."""
    with connect(server) as client:
        client.sendall(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
        first = client.recv(65536)
        client.sendall(b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
        second = client.recv(65536)

    assert (first[-6:], second[-6:]) == (b"GET /1", b"GET /2")


def test_pipelined_requests_are_answered_in_order(server: LoopbackServer) -> None:
    """Requests sent without waiting are answered one after another."""
    answer = talk(
        server,
        b"POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nxx"
        b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n"
        b"GET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
    )

    assert answer == (
        b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 7\r\n\r\nPOST /1"
        b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 6\r\n\r\nGET /2"
        b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 6\r\n\r\nGET /3"
    )


@pytest.mark.parametrize("value", ["close", "Close", "x, close"])
def test_a_client_that_asks_to_close_is_told_so_last(server: LoopbackServer, value: str) -> None:
    """``Connection: close`` follows the other headers, and the connection ends (contract 1.5)."""
    with connect(server) as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: h\r\nConnection: {value}\r\n\r\n".encode())
        answer = read_to_end(client)

    assert answer == (
        b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\nConnection: close\r\n\r\nGET /"
    )


def test_http_1_0_is_answered_in_http_1_0_and_closed(server: LoopbackServer) -> None:
    """The status line follows the client's version (contract 1.1)."""
    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = read_to_end(client)

    assert answer == b"HTTP/1.0 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nGET /"


def test_http_1_0_stays_open_where_the_client_asks_for_it(server: LoopbackServer) -> None:
    """Go confirms keep-alive to HTTP/1.0."""
    answer = talk(server, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)

    assert answer == 2 * (
        b"HTTP/1.0 200 OK\r\nX-A: b\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nGET /"
    )


def test_a_client_that_waits_for_100_continue_gets_it(
    server: LoopbackServer, router: Scripted
) -> None:
    """``100 Continue`` comes before the body is sent (contract 1.1)."""
    with connect(server) as client:
        client.sendall(
            b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
        first = client.recv(65536)
        client.sendall(b"abc")
        second = client.recv(65536)

    assert first == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert second == b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5\r\n\r\nPUT /"
    assert router.seen[0].body == b"abc"


def test_a_chunked_body_reaches_the_router_whole(server: LoopbackServer, router: Scripted) -> None:
    """Chunk sizes, extensions and trailers are the connection's, not the router's."""
    talk(
        server,
        b"PUT /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n"
        b"3\r\nabc\r\n1;x=y\r\nd\r\n00\r\nTrailer: x\r\n\r\n"
        b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n",
    )

    assert [(seen.target, seen.body) for seen in router.seen] == [("/1", b"abcd"), ("/2", b"")]
    assert router.seen[0].header("Content-Length") is None


def test_a_star_is_a_target(server: LoopbackServer, router: Scripted) -> None:
    """``*`` names no path, and is the router's to answer."""
    talk(server, b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")

    assert router.seen[0].target == "*"


@pytest.mark.parametrize(
    ("method", "status", "line"),
    [("HEAD", 404, b"404 Not Found"), ("GET", 204, b"204 No Content")],
)
def test_what_has_no_body_by_its_kind_is_sent_without(
    method: str, status: int, line: bytes
) -> None:
    """HEAD and 204 end with the headers, and are never chunked (contract 1.3)."""
    with LoopbackServer(Scripted(lambda _: Response(status, [("A", "b")], b"x"))) as server:
        answer = talk(server, f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n".encode())

    assert answer == b"HTTP/1.1 " + line + b"\r\nA: b\r\n\r\n"


def test_a_body_without_a_length_goes_in_one_chunk() -> None:
    """Bodies above Go's 2 KiB buffer carry no length, and are chunked (contract 1.1)."""
    with LoopbackServer(Scripted(lambda _: Response(200, [("A", "b")], b"x" * 2049))) as server:
        answer = talk(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")

    assert answer == (
        b"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"801\r\n" + b"x" * 2049 + b"\r\n0\r\n\r\n"
    )


def stream(_: Request) -> Response:
    return Response(200, [("Connection", "keep-alive"), ("A", "b")], (p for p in (b"one", b"2")))


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nA: b\r\nTransfer-Encoding: chunked\r\n"
            b"\r\n3\r\none\r\n1\r\n2\r\n0\r\n\r\n",
        ),
        (
            b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
            b"\r\n3\r\none\r\n1\r\n2\r\n0\r\n\r\n",
        ),
        (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.0 200 OK\r\nA: b\r\n\r\none2"),
    ],
    ids=["keep-alive", "close", "HTTP/1.0"],
)
def test_a_stream_is_chunked_piece_by_piece(request_: bytes, answer: bytes) -> None:
    """Each piece is a chunk; a closing client's header follows the others (contract 12.2)."""
    with LoopbackServer(Scripted(stream)) as server:
        assert talk(server, request_) == answer


def test_a_piece_is_sent_before_the_next_one_is_made() -> None:
    """A stream is not gathered: its reader sees each piece at once."""
    read = threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"one"
        yield b"in time" if read.wait(SECONDS) else b"too late"

    with (
        LoopbackServer(Scripted(lambda _: Response(200, [], pieces()))) as server,
        connect(server) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        received = b""
        while b"one" not in received:
            received += client.recv(65536)
        read.set()
        received += read_to_end(client)

    assert b"in time" in received


def test_a_stream_is_closed_when_its_reader_leaves() -> None:
    """Whoever stops reading early closes the body."""
    closed = threading.Event()

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    with LoopbackServer(Scripted(lambda _: Response(200, [], pieces()))) as server:
        with connect(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            client.recv(1)

        assert closed.wait(SECONDS)


def test_a_call_notices_that_its_client_has_gone() -> None:
    """``Request.disconnected`` turns true once the client hangs up, and not before."""
    noticed = threading.Event()
    looks: list[bool] = []

    def wait_for_hang_up(request: Request) -> Response:
        looks.append(request.disconnected())
        started.set()
        while not request.disconnected():
            continue
        noticed.set()
        return ok(request)

    started = threading.Event()
    with LoopbackServer(Scripted(wait_for_hang_up)) as server:
        with connect(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert started.wait(SECONDS)

        assert noticed.wait(SECONDS)
    assert looks == [False]


def test_what_the_router_raises_is_recorded_and_answered_with_500() -> None:
    """A failing callable of a test neither kills the server nor goes unseen."""
    failure = ValueError('no "script"')

    def fail(_: Request) -> Response:
        raise failure

    with LoopbackServer(Scripted(fail)) as server:
        answer = talk(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 2)

    body = b'{"error": "the fake Router failed: ValueError: no \\"script\\""}\n'
    assert answer == 2 * (
        b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 63\r\n\r\n" + body
    )
    assert server.errors == [failure, failure]


def test_a_stream_that_fails_is_cut_short() -> None:
    """No last chunk: the client can tell that the answer is not whole."""
    failure = ValueError("gone")

    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise failure

    with LoopbackServer(Scripted(lambda _: Response(200, [], pieces()))) as server:
        answer = talk(server, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")

    assert answer == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
    assert server.errors == [failure]


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: h\r\n"])
def test_a_header_that_takes_too_long_is_not_answered(
    monkeypatch: pytest.MonkeyPatch, server: LoopbackServer, router: Scripted, sent: bytes
) -> None:
    """The header arrives within 5 s, else the connection just closes (contract 1.1)."""
    monkeypatch.setattr(server_module, "HEADER_TIMEOUT", 0.05)

    with connect(server) as client:
        client.sendall(sent)
        assert read_to_end(client) == b""
    assert router.seen == []


def test_a_header_that_trickles_in_takes_too_long_as_well(
    monkeypatch: pytest.MonkeyPatch, server: LoopbackServer, router: Scripted
) -> None:
    """The time is the header's, not that of one read."""
    monkeypatch.setattr(server_module, "HEADER_TIMEOUT", 0.05)

    with connect(server) as client:
        with suppress(ConnectionError):
            for _ in range(1_000_000):
                client.send(b"a")
        with suppress(ConnectionError):
            assert client.recv(1) == b""
    assert router.seen == []


def test_a_connection_that_stays_idle_is_closed(
    monkeypatch: pytest.MonkeyPatch, server: LoopbackServer
) -> None:
    """Between requests the idle time counts, not the header's (contract 1.1)."""
    monkeypatch.setattr(server_module, "IDLE_TIMEOUT", 0.05)

    with connect(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert read_to_end(client).endswith(b"GET /")


def test_calls_of_several_clients_run_at_the_same_time() -> None:
    """Eight calls that wait for each other all end: none waits for another to be answered."""
    meeting = threading.Barrier(8)

    def meet(request: Request) -> Response:
        meeting.wait(SECONDS)
        return ok(request)

    with LoopbackServer(Scripted(meet)) as server, ThreadPoolExecutor(8) as clients:
        answers = clients.map(
            lambda n: talk(server, f"GET /{n} HTTP/1.1\r\nHost: h\r\n\r\n".encode() * 5), range(8)
        )
        paths = [answer.count(b"GET /%d" % n) for n, answer in enumerate(answers)]

    assert paths == [5] * 8
    assert server.errors == []


def test_two_servers_in_one_process_do_not_meet() -> None:
    """Each serves its own router on a port of its own."""
    first, second = Scripted(ok), Scripted(ok)
    with LoopbackServer(first) as one, LoopbackServer(second) as other:
        talk(one, b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
        talk(other, b"GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")

    assert one.url == f"http://127.0.0.1:{one.port}" != other.url
    assert [[r.target for r in router.seen] for router in (first, second)] == [["/1"], ["/2"]]


def test_a_port_that_is_taken_is_an_error(server: LoopbackServer) -> None:
    """A fixed port is never shared."""
    with pytest.raises(OSError, match="in use"):
        LoopbackServer(Scripted(ok), port=server.port)


def test_closing_hangs_up_and_leaves_no_thread() -> None:
    """After ``close`` clients see the end, the port refuses, and all threads are gone."""
    threads = set(threading.enumerate())
    server = LoopbackServer(Scripted(ok))
    with connect(server) as idle, connect(server) as halfway:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        idle.recv(65536)
        halfway.sendall(b"GET / HT")

        server.close()
        server.close()

        assert idle.recv(1) == b""
    assert set(threading.enumerate()) <= threads
    with pytest.raises(ConnectionRefusedError):
        connect(server)


def test_closing_names_the_call_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that ignores its client's leaving does not hang the test run."""
    monkeypatch.setattr(server_module, "CLOSE_TIMEOUT", 0.05)
    started, release = threading.Event(), threading.Event()

    def block(request: Request) -> Response:
        started.set()
        release.wait(SECONDS)
        return ok(request)

    server = LoopbackServer(Scripted(block))
    with connect(server) as client:
        client.sendall(b"POST /slow HTTP/1.1\r\nHost: h\r\n\r\n")
        assert started.wait(SECONDS)

        with pytest.raises(RuntimeError, match=r"POST /slow.*request\.disconnected\(\)"):
            server.close()
        release.set()


EXHAUSTED = """
import resource, socket, sys, urllib.request
from pytest_agenttier import FakeRouter

with FakeRouter(exec="scripted") as router:
    router.url
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    clients = []
    try:
        while True:
            clients.append(socket.create_connection(("127.0.0.1", int(router.url.rsplit(":")[-1]))))
    except OSError:
        pass
    if sys.argv[1] == "recover":
        for client in clients:
            client.close()
        print(urllib.request.urlopen(f"{router.url}/healthz", timeout=30).read())
print("closed")
"""


@pytest.mark.parametrize(
    ("then", "printed"), [("recover", "b'ok'\nclosed\n"), ("close", "closed\n")]
)
def test_a_process_without_descriptors_neither_hangs_nor_stops_serving(
    then: str, printed: str
) -> None:
    """Clients wait until some are given back; closing needs none."""
    run = subprocess.run(
        [sys.executable, "-c", EXHAUSTED, then],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (run.stdout, run.stderr) == (printed, "")
