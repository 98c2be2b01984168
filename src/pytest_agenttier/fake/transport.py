"""The in-process mount: one httpx transport for sync and async clients, on the fake's clock."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx

from pytest_agenttier.fake.wire import BodyStream, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_agenttier.fake.clock import FakeClock

Result = TypeVar("Result")


class Router(Protocol):
    """What a transport carries requests to."""

    @property
    def clock(self) -> FakeClock:
        """The time that clients of this transport live in."""
        ...

    def handle(self, request: Request, /) -> Response:
        """Answer a request."""
        ...

    def may_block(self, request: Request, /) -> bool:
        """Whether answering may take long: a command, a preview, a fault."""
        ...


class ClientClock:
    """The fake's time as a client lives in it: whoever sleeps makes it jump."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def now(self) -> float:
        """Monotonic seconds, jumps included."""
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._clock.advance(seconds)

    async def sleep_async(self, seconds: float) -> None:
        """Let ``seconds`` pass at once, and other tasks have their turn."""
        self._clock.advance(seconds)
        await anyio.lowlevel.checkpoint()


class InProcessTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries the requests of ``httpx.Client`` and ``httpx.AsyncClient`` straight to a router.

    What the router raises reaches the caller as it is. Asynchronously (asyncio or trio), calls
    that may block run in a thread; one that is cancelled is left to notice that its client has
    gone.

    Args:
        router: What answers.

    Attributes:
        clock: The router's time, with the ``now``, ``sleep`` and ``sleep_async`` of a client.
    """

    def __init__(self, router: Router) -> None:
        self.clock: ClientClock = ClientClock(router.clock)
        self._router = router

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request in place."""
        request.read()
        return _outgoing(self._router.handle(_incoming(request)))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request in place, or in a thread where it may block."""
        await request.aread()
        incoming = _incoming(request)
        if not self._router.may_block(incoming):
            await anyio.lowlevel.checkpoint()  # others have their turn, as with any network
            return _outgoing(self._router.handle(incoming))
        gone = threading.Event()
        incoming.disconnected = gone.is_set
        try:
            return _outgoing(await _in_thread(partial(self._router.handle, incoming)), gone)
        except BaseException:
            gone.set()
            raise


async def _in_thread(call: Callable[[], Result]) -> Result:
    """Do what may block; a cancelled caller does not wait for it.

    The limiter is the call's own: with a shared one, commands that wait for each other never end.
    """
    return await anyio.to_thread.run_sync(
        call, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
    )


def _incoming(request: httpx.Request) -> Request:
    return Request(
        request.method,
        request.url.raw_path.decode("latin-1"),
        tuple([(k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw]),
        request.content,
    )


def _outgoing(response: Response, gone: threading.Event | None = None) -> httpx.Response:
    body = response.body
    return httpx.Response(
        response.status,
        headers=[(k.encode("latin-1"), v.encode("latin-1")) for k, v in response.headers],
        stream=httpx.ByteStream(body) if isinstance(body, bytes) else _Stream(body, gone),
    )


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, for readers of both colours; closed when they stop early."""

    def __init__(self, body: BodyStream, gone: threading.Event | None) -> None:
        self._body = body
        self._pieces = iter(body)
        self._gone = gone or threading.Event()
        self._turn = threading.Lock()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        with self._turn:
            self._body.close()

    def __aiter__(self) -> _Stream:
        # Not a generator: trio complains of one whose reader stops early.
        return self

    async def __anext__(self) -> bytes:
        if (piece := await _in_thread(self._next)) is None:
            raise StopAsyncIteration
        return piece

    def _next(self) -> bytes | None:
        with self._turn:
            return next(self._pieces, None)

    async def aclose(self) -> None:
        self._gone.set()
        # A reader that was cancelled has left a thread waiting for the next piece: it ends first.
        with anyio.CancelScope(shield=True):
            await _in_thread(self.close)
