"""The loopback server: carries requests and answers between sockets and a router."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import closing, suppress
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_agenttier.fake import http1
from pytest_agenttier.fake.wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from pytest_agenttier.fake.clock import FakeClock

HEADER_TIMEOUT = 5.0
"""Seconds within which the header of a request has to arrive (contract 1.1)."""
IDLE_TIMEOUT = 120.0
"""Seconds after which a connection on which nothing comes is closed (contract 1.1)."""
LINGER = 0.5
"""Seconds that a client with unread bytes in flight has to read why it was refused."""
_NOTHING = "nothing"
_BREATH = 0.02
"""Seconds to let others give descriptors back before the next client is taken."""
CLOSE_TIMEOUT = 10.0
"""Seconds that calls in flight have to end once the server closes."""


class Router(Protocol):
    """What a server serves."""

    @property
    def clock(self) -> FakeClock:
        """What dates the answers that are the server's own."""
        ...

    def handle(self, request: Request, /) -> Response:
        """Answer a request; its headers are complete but for the connection's own."""
        ...


class Answered(NamedTuple):
    """An answer that a server gave."""

    method: str
    """``-`` where the request was not understood, as with `target`."""
    target: str
    status: int
    failure: BaseException | None = None
    """What the router raised, or why the request was refused before it got there."""


def _unnoticed(_: Answered) -> None:
    """What becomes of an answer that nobody wants to hear of."""


class LoopbackServer:
    """Serves a router on 127.0.0.1, a thread per connection, from construction until ``close``.

    Args:
        router: What answers.
        port: The port to listen on; 0 takes a free one.
        on_answer: Called in the connection's thread just before an answer is sent, and again if
            its body then fails. It must not block.

    Attributes:
        port: The port it listens on.
        url: ``http://127.0.0.1:PORT``.
        errors: What the router raised, in order; each client got a 500 that says so.

    Raises:
        OSError: the port is taken, or may not be had.
    """

    def __init__(
        self,
        router: Router,
        port: int = 0,
        *,
        on_answer: Callable[[Answered], None] = _unnoticed,
    ) -> None:
        self.errors: list[BaseException] = []
        self.on_answer: Callable[[Answered], None] = on_answer
        self._router = router
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self.url: str = f"http://127.0.0.1:{self.port}"
        self._closing = False
        self._connections: list[_Connection] = []
        self._thread = threading.Thread(target=self._accept, name=self.url, daemon=True)
        self._thread.start()

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on every client and wait for the calls in flight; closing twice is fine.

        Raises:
            RuntimeError: a call in flight does not notice that its client has gone.
        """
        self.retire()
        for connection in self._connections:
            connection.hang_up()
        deadline = time.monotonic() + CLOSE_TIMEOUT
        for connection in self._connections:
            connection.thread.join(max(0.0, deadline - time.monotonic()))
        if stuck := [c.doing for c in self._connections if c.thread.is_alive()]:
            raise RuntimeError(
                f"{self.url} is closed, but {CLOSE_TIMEOUT:g} s later the router is still "
                f"answering {', '.join(stuck)}: what takes long looks at request.disconnected()"
            )

    @property
    def busy(self) -> bool:
        """Whether a call is in flight."""
        return any(c.doing != _NOTHING and c.thread.is_alive() for c in self._connections)

    def retire(self) -> None:
        """Refuse new connections; those that are there go on."""
        if self._closing:
            return
        self._closing = True
        # Linux wakes accept() for the first of these, every system for the second.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # it left before its turn, or no descriptor is free for it
                if self._closing:
                    return
                time.sleep(_BREATH)
                continue
            if self._closing:
                client.close()
                return
            connection = _Connection(client, self)
            try:
                connection.thread.start()
            except RuntimeError:  # no thread is free for it
                client.close()
                continue
            alive = [c for c in self._connections if c.thread.is_alive()]
            self._connections = [*alive, connection]

    def answer(self, request: Request) -> Response:
        """What the router answers, or a 500 where it raises."""
        failure = None
        try:
            response = self._router.handle(request)
        except BaseException as error:  # the test's, not this thread's
            failure = error
            self.errors.append(error)
            response = self._failed(error)
        self.on_answer(Answered(request.method, request.target, response.status, failure))
        return response

    def _failed(self, error: BaseException) -> Response:
        text = f"the fake Router failed: {type(error).__name__}: {error}"
        body = json.dumps({"error": text}).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Date", self.date())]
        return Response(500, [*headers, ("Content-Length", str(len(body)))], body)

    def date(self) -> str:
        """The router's time, as ``Date`` shows it."""
        return formatdate(self._router.clock.time(), usegmt=True)


class _Connection:
    """One client, whose requests are answered one after another."""

    def __init__(self, client: socket.socket, server: LoopbackServer) -> None:
        self.thread = threading.Thread(target=self._run, name=f"{server.url} client", daemon=True)
        self.doing: str = _NOTHING
        self._socket = client
        self._server = server
        self._inbox = http1.Inbox(self._receive)
        self._deadline: float | None = None
        self._closing = threading.Lock()

    def hang_up(self) -> None:
        """End the connection from another thread; its own one notices and closes the socket."""
        with self._closing, suppress(OSError):  # the client was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            with suppress(OSError):  # the client left, or took too long: there is nobody to tell
                self._serve()
        finally:
            with self._closing:
                self._socket.close()

    def _serve(self) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._allow(HEADER_TIMEOUT)
        more = self._inbox.wait_for(1)
        while more and self._exchange():
            self.doing = _NOTHING
            self._allow(IDLE_TIMEOUT)
            more = self._inbox.wait_for(4)  # Go starts the header's time at its fourth byte
            self._allow(HEADER_TIMEOUT)

    def _exchange(self) -> bool:
        """Answer one request; False where the connection ends with it."""
        method = target = "-"
        try:
            head = http1.read_head(self._inbox)
            method, target = head.method, head.target
            self._allow(None)
            if not self._promise_body(head):
                return False
            body = http1.read_body(self._inbox, head)
        except http1.Refused as refused:
            self._server.on_answer(Answered(method, target, refused.status, refused))
            self._socket.sendall(refused.answer)
            self._linger()
            return False
        self.doing = f"{method} {target}"
        request = Request(method, target, head.headers, body, self._has_left)
        return self._send(head, self._server.answer(request))

    def _promise_body(self, head: http1.Head) -> bool:
        """Answer an ``Expect`` header; False where it cannot be met."""
        if head.expects_else:
            self._server.on_answer(Answered(head.method, head.target, 417))
            headers = [("Connection", "close"), ("Date", self._server.date())]
            self._send(head, Response(417, [*headers, ("Content-Length", "0")]))
            self._linger()
        elif head.expects_continue and head.is_http_1_1 and head.body_length != 0:
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return not head.expects_else

    def _send(self, head: http1.Head, response: Response) -> bool:
        framing = http1.frame(head, response)
        body = response.body
        if isinstance(body, bytes):
            content = framing.piece(body) + framing.end if framing.has_body else b""
            self._socket.sendall(framing.head + content)
        else:
            with closing(body):
                self._socket.sendall(framing.head)
                pieces = iter(body if framing.has_body else ())
                while (piece := self._next(pieces, head, response.status)) is not None:
                    self._socket.sendall(framing.piece(piece))
                self._socket.sendall(framing.end)
        return not framing.closes

    def _next(self, pieces: Iterator[bytes], head: http1.Head, status: int) -> bytes | None:
        try:
            return next(pieces, None)
        except BaseException as error:
            self._server.errors.append(error)
            self._server.on_answer(Answered(head.method, head.target, status, error))
            raise ConnectionAbortedError("the answer is cut short, for its body failed") from error

    def _receive(self) -> bytes:
        if self._deadline is not None:
            self._socket.settimeout(max(0.0, self._deadline - time.monotonic()))
        return self._socket.recv(65536)

    def _allow(self, seconds: float | None) -> None:
        """Bound what is received from now on; the wall's seconds, for the client is outside."""
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._socket.settimeout(seconds)

    def _has_left(self) -> bool:
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _linger(self) -> None:
        """Let the client read its answer: closing over unread bytes would take it away."""
        self._socket.shutdown(socket.SHUT_WR)
        self._allow(LINGER)
        while self._receive():
            continue
