"""What the client's tests stand on: both colours, scripted answers, a clock that jumps, sockets."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from agenttier import AgentTierClient, APIKeyAuth, AsyncAgentTierClient, AsyncSandbox, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNNING = {"sandboxId": "demo", "name": "demo", "namespace": "default", "status": "Running"}


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


class Script(httpx.MockTransport):
    """Answers requests in order, and remembers them; an exception is raised, the last repeats."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(self._answer)
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.clock = Clock()

    @property
    def lines(self) -> list[str]:
        """Method and path of each request."""
        return [f"{each.method} {each.url.raw_path.decode()}" for each in self.requests]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, content, *headers = answer
        body = {"content": content} if isinstance(content, bytes) else {"json": content}
        return httpx.Response(status, **body, headers=dict(*headers))


class Colour:
    """One way of calling: synchronously, or on one of the event loops."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.is_async = name != "sync"
        self._portal = stack.enter_context(start_blocking_portal(name)) if self.is_async else None
        self._stack = stack

    def client(self, *answers: Any, url: str = "http://router", **options: Any) -> Any:
        """A client whose requests get these answers in order; it is closed after the test."""
        if answers:
            options["transport"] = Script(*answers)
        cls = AsyncAgentTierClient if self.is_async else AgentTierClient
        client = self.call(lambda: cls(url, options.pop("auth", APIKeyAuth("key")), **options))
        self._stack.callback(self.call, client.close)
        return client

    def script(self, *answers: Any, **options: Any) -> tuple[Any, Script]:
        """Such a client, and what it sent."""
        script = Script(*answers)
        return self.client(transport=script, **options), script

    def handle(self, **options: Any) -> Any:
        """A handle made over a client of httpx with these options."""
        cls = httpx.AsyncClient if self.is_async else httpx.Client
        http = cls(**options)
        self._stack.callback(self.call, http.aclose if self.is_async else http.close)
        return (AsyncSandbox if self.is_async else Sandbox)(http, "demo", "demo", "default")

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """What a call returns, awaited where it has to be."""
        if self._portal is None:
            return function(*args, **options)

        async def awaited() -> Any:
            outcome = function(*args, **options)
            return await outcome if hasattr(outcome, "__await__") else outcome

        return self._portal.call(awaited)


@pytest.fixture(params=["sync", "asyncio", "trio"])
def colour(request: pytest.FixtureRequest) -> Iterator[Colour]:
    with ExitStack() as stack:
        yield Colour(request.param, stack)


@pytest.fixture(autouse=True)
def no_credentials_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AGENTTIER_API_KEY", "AGENTTIER_TOKEN", "AGENTTIER_API_URL"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def listening(serve: Callable[[socket.socket], None] | None = None) -> Iterator[str]:
    """A loopback server that does ``serve`` to each connection; without it, it never accepts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        thread = threading.Thread(target=_accept, args=(server, serve)) if serve else None
        if thread:
            thread.start()
        try:
            yield f"http://{host}:{port}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            if thread:
                thread.join()


def _accept(server: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:  # shut down: the test is over
            return
        with connection:
            serve(connection)


def request_of(connection: socket.socket) -> bytes:
    """Read one request without a body, as far as its empty line."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65536)):
            break
        data += piece
    return data
