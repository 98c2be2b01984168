"""The in-process mount: the same router under ``httpx.Client`` and ``httpx.AsyncClient``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import httpx
import pytest

from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.transport import InProcessTransport
from pytest_agenttier.fake.wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 10
"""A bound for what never takes long; reaching it is a failure."""


class Scripted:
    """Answers every request by one function, and remembers the requests."""

    def __init__(self, answer: Callable[[Request], Response], *, may_block: bool = False) -> None:
        self.clock = FakeClock()
        self.seen: list[Request] = []
        self._answer = answer
        self._may_block = may_block

    def may_block(self, _: Request) -> bool:
        return self._may_block

    def handle(self, request: Request) -> Response:
        self.seen.append(request)
        return self._answer(request)


def ok(request: Request) -> Response:
    return Response(201, [("X-B", "ü"), ("x-a", "1"), ("X-A", "2")], b"fine")


@pytest.fixture(params=["sync", "asyncio", "trio"])
def send(request: pytest.FixtureRequest) -> Callable[..., httpx.Response]:
    """One call through the transport, as a client of either colour makes it."""

    def send_sync(router: Scripted, method: str, url: str, **call: object) -> httpx.Response:
        with httpx.Client(transport=InProcessTransport(router)) as client:
            return client.request(method, url, **call)  # type: ignore[arg-type] # passed through

    async def send_async(router: Scripted, method: str, url: str, **call: object) -> httpx.Response:
        async with httpx.AsyncClient(transport=InProcessTransport(router)) as client:
            return await client.request(method, url, **call)  # type: ignore[arg-type] # as above

    if request.param == "sync":
        return send_sync
    return lambda router, method, url, **call: anyio.run(
        lambda: send_async(router, method, url, **call), backend=request.param
    )


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Which event loop the tests marked ``anyio`` run on."""
    return str(request.param)


@pytest.mark.parametrize("may_block", [False, True])
def test_request_and_answer_pass_through_unchanged(
    send: Callable[..., httpx.Response], may_block: bool
) -> None:
    """Method, raw target, headers and body go in; status, headers and body come out."""
    router = Scripted(ok, may_block=may_block)

    response = send(
        router, "PUT", "http://r/a%2Fb%20c?q=%zz", content=b"x\x00", headers={"X-Id": b"\xfc"}
    )

    [request] = router.seen
    assert (request.method, request.target, request.body) == ("PUT", "/a%2Fb%20c?q=%zz", b"x\x00")
    assert ("X-Id", "ü") in request.headers
    assert (response.status_code, response.content) == (201, b"fine")
    assert response.headers.raw == [(b"X-B", b"\xfc"), (b"x-a", b"1"), (b"X-A", b"2")]


def test_a_body_sent_in_pieces_arrives_whole(send: Callable[..., httpx.Response]) -> None:
    """The router knows no streams on its way in."""
    router = Scripted(ok)

    send(router, "POST", "http://r/", files={"f": b"abc"})

    assert b"abc" in router.seen[0].body


def test_what_the_router_raises_reaches_the_caller(send: Callable[..., httpx.Response]) -> None:
    """In process an error of a test's own callable is raised where the test called."""

    def fail(_: Request) -> Response:
        raise LookupError("not scripted")

    with pytest.raises(LookupError, match="not scripted"):
        send(Scripted(fail), "GET", "http://r/")


def test_a_stream_is_read_piece_by_piece(send: Callable[..., httpx.Response]) -> None:
    """A body in pieces is read to its end on both colours, and closed."""
    body = Pieces(b"one", b"two")

    response = send(Scripted(lambda _: Response(200, [], body)), "GET", "http://r/")

    assert response.content == b"onetwo"
    assert body.closed


class Pieces:
    """A body that tells whether it was closed."""

    def __init__(self, *pieces: bytes) -> None:
        self.closed = False
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def close(self) -> None:
        self.closed = True


def test_a_sync_reader_that_stops_early_closes_the_stream() -> None:
    """Leaving ``client.stream`` ends the body."""
    body = Pieces(b"one", b"two")
    transport = InProcessTransport(Scripted(lambda _: Response(200, [], body)))

    with (
        httpx.Client(transport=transport) as client,
        client.stream("GET", "http://r/") as response,
    ):
        assert next(response.iter_raw()) == b"one"
        assert not body.closed

    assert body.closed


@pytest.mark.anyio
async def test_an_async_reader_that_stops_early_closes_the_stream() -> None:
    """Closing the answer ends the body."""
    body = Pieces(b"one", b"two")
    transport = InProcessTransport(Scripted(lambda _: Response(200, [], body)))

    response = await transport.handle_async_request(httpx.Request("GET", "http://r/"))
    assert isinstance(response.stream, httpx.AsyncByteStream)
    assert await anext(aiter(response.stream)) == b"one"
    assert not body.closed
    await response.aclose()

    assert body.closed


@pytest.mark.anyio
async def test_calls_that_block_do_not_hold_up_each_other_or_the_loop() -> None:
    """Sixty calls that wait for each other all end: threads are not rationed."""
    meeting = threading.Barrier(60)

    def meet(request: Request) -> Response:
        meeting.wait(SECONDS)
        return ok(request)

    transport = InProcessTransport(Scripted(meet, may_block=True))
    statuses: list[int] = []

    async def call(client: httpx.AsyncClient) -> None:
        statuses.append((await client.get("http://r/")).status_code)

    async with httpx.AsyncClient(transport=transport) as client, anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(call, client)

    assert statuses == [201] * 60


@pytest.mark.anyio
async def test_a_cancelled_call_sees_its_client_gone() -> None:
    """Cancelling does not wait for the command, and the command notices (design 2.5)."""
    started, noticed = threading.Event(), threading.Event()

    def wait_for_hang_up(request: Request) -> Response:
        started.set()
        while not request.disconnected():
            continue
        noticed.set()
        return ok(request)

    transport = InProcessTransport(Scripted(wait_for_hang_up, may_block=True))
    async with httpx.AsyncClient(transport=transport) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.get, "http://r/")
        assert await anyio.to_thread.run_sync(started.wait, SECONDS)
        tasks.cancel_scope.cancel()

    assert await anyio.to_thread.run_sync(noticed.wait, SECONDS)


@pytest.mark.anyio
async def test_a_cancelled_reader_closes_the_stream_it_waits_for() -> None:
    """A stream that is waited for is told, ends, and only then is closed."""
    waiting, closed = threading.Event(), threading.Event()

    def pieces(request: Request) -> Iterator[bytes]:
        try:
            waiting.set()
            while not request.disconnected():
                continue
            yield b"never read"
        finally:
            closed.set()

    transport = InProcessTransport(
        Scripted(lambda request: Response(200, [], pieces(request)), may_block=True)
    )
    async with httpx.AsyncClient(transport=transport) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.get, "http://r/")
        assert await anyio.to_thread.run_sync(waiting.wait, SECONDS)
        tasks.cancel_scope.cancel()

    assert closed.is_set()


@pytest.mark.anyio
async def test_a_loop_of_calls_lets_other_tasks_run() -> None:
    """Polling without a pause ends, as over a network: every call gives way."""
    transport = InProcessTransport(Scripted(ok))
    done = False

    async def finish() -> None:
        nonlocal done
        done = True

    with anyio.fail_after(SECONDS):
        async with (
            httpx.AsyncClient(transport=transport) as client,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(finish)
            while not done:
                await client.get("http://r/")


def test_sleeping_moves_the_clock_at_once() -> None:
    """A client's pause is a jump of the fake's time."""
    router = Scripted(ok)
    clock = InProcessTransport(router).clock
    before = clock.now()

    clock.sleep(3600.0)

    assert 3600.0 <= clock.now() - before < 3700.0
    assert 3600.0 <= router.clock.now() - before < 3700.0


@pytest.mark.anyio
async def test_sleeping_asynchronously_moves_the_clock_and_gives_way() -> None:
    """Other tasks run while one sleeps on the fake's time."""
    clock = InProcessTransport(Scripted(ok)).clock
    before = clock.now()
    done = False

    async def finish() -> None:
        nonlocal done
        done = True

    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(finish)
            while not done:
                await clock.sleep_async(3600.0)

    assert clock.now() - before >= 3600.0
