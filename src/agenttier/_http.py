"""The two drivers, synchronous and asynchronous: they send operations and run flows.

The only module that knows httpx. A driver sends in one of three ways:

- through an ``httpx.Client`` of its own, which honours the proxy variables;
- straight through a transport given to it: no redirects, cookies or proxies between;
- through an ``httpx.Client`` of the caller's, with that one's address, headers and auth.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import httpx

from agenttier._arguments import seconds, text
from agenttier._operation import PREFIX, Answer, Flow, Operation, Sleep, Step
from agenttier.clock import Clock, SystemClock
from agenttier.exceptions import (
    AgentTierError,
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    ClientClosedError,
    InvalidRequestError,
)
from agenttier.retry import retrying

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agenttier.auth import AuthProvider
    from agenttier.retry import RetryConfig

__version__ = "0.1.0"

Request: TypeAlias = httpx.Request
SyncTransport: TypeAlias = httpx.BaseTransport
AsyncTransport: TypeAlias = httpx.AsyncBaseTransport
SyncHTTPClient: TypeAlias = httpx.Client
AsyncHTTPClient: TypeAlias = httpx.AsyncClient

C = TypeVar("C")
T = TypeVar("T")

# What a look whose deadline is near may still take; without it the last look could not succeed.
_LEAST_PATIENCE = 5.0
_NONE_KEPT = httpx.Limits(max_keepalive_connections=0)

# A wait asks for the same address again and again, and parsing it costs a quarter of a call.
_url = lru_cache(maxsize=128)(httpx.URL)


class Driver:
    """Sends operations and runs flows, synchronously; safe to share between threads."""

    def __init__(
        self,
        requests: _Requests,
        send: Callable[[Request], httpx.Response],
        close: Callable[[], None],
        *,
        clock: Clock,
        retry: RetryConfig | None = None,
    ) -> None:
        self.address: str = requests.address
        self._requests = requests
        self._send = send
        self._close = close
        self._clock = clock
        self._retry = retry
        self._closed = False

    def send(self, operation: Operation[T]) -> T:
        """Send an operation, again where that is safe, and return its result."""
        return self._drive(retrying(operation, self._retry), self._attempt)

    def run(self, flow: Flow[T]) -> T:
        """Take a flow through its steps, and return its result."""
        return self._drive(flow, self.send)

    def close(self) -> None:
        """Close the connections; closing again is fine."""
        self._closed = True
        self._close()

    def _drive(self, flow: Flow[T], perform: Callable[[Operation[Any]], Any]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = self._take(step, perform)
                except AgentTierError as error:  # noqa: PERF203 (each step can fail)
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    def _take(self, step: Step, perform: Callable[[Operation[Any]], Any]) -> Any:
        if isinstance(step, Operation):
            return perform(step)
        if isinstance(step, Sleep):
            return self._clock.sleep(step.seconds)
        return self._clock.now()

    def _attempt(self, operation: Operation[T]) -> T:
        if self._closed:
            raise ClientClosedError("this client has been closed")
        request = self._requests.build(operation, self._clock)
        try:
            response = self._send(request)
        except Exception as error:
            failure = _failure(error, request)
            if failure is None:
                raise
            raise failure from error
        return operation.result(_answer(response))


class AsyncDriver:
    """Sends operations and runs flows, on asyncio and trio alike."""

    def __init__(
        self,
        requests: _Requests,
        send: Callable[[Request], Awaitable[httpx.Response]],
        close: Callable[[], Awaitable[None]],
        *,
        clock: Clock,
        retry: RetryConfig | None = None,
    ) -> None:
        self.address: str = requests.address
        self._requests = requests
        self._send = send
        self._close = close
        self._clock = clock
        self._retry = retry
        self._closed = False

    async def send(self, operation: Operation[T]) -> T:
        """Send an operation, again where that is safe, and return its result."""
        return await self._drive(retrying(operation, self._retry), self._attempt)

    async def run(self, flow: Flow[T]) -> T:
        """Take a flow through its steps, and return its result."""
        return await self._drive(flow, self.send)

    async def close(self) -> None:
        """Close the connections; closing again is fine."""
        self._closed = True
        await self._close()

    async def _drive(self, flow: Flow[T], perform: Callable[[Operation[Any]], Awaitable[Any]]) -> T:
        try:
            step = next(flow)
            while True:
                try:
                    outcome = await self._take(step, perform)
                except AgentTierError as error:  # noqa: PERF203 (each step can fail)
                    step = flow.throw(error)
                else:
                    step = flow.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _take(self, step: Step, perform: Callable[[Operation[Any]], Awaitable[Any]]) -> Any:
        if isinstance(step, Operation):
            return await perform(step)
        if isinstance(step, Sleep):
            return await self._clock.sleep_async(step.seconds)
        return self._clock.now()

    async def _attempt(self, operation: Operation[T]) -> T:
        if self._closed:
            raise ClientClosedError("this client has been closed")
        request = self._requests.build(operation, self._clock)
        try:
            response = await self._send(request)
        except Exception as error:
            failure = _failure(error, request)
            if failure is None:
                raise
            raise failure from error
        return operation.result(_answer(response))


def open_driver(
    api_url: str,
    auth: AuthProvider,
    timeout: float | None,
    *,
    verify: bool | str,
    retry: RetryConfig | None,
    transport: SyncTransport | None,
) -> Driver:
    """A driver for the Router at ``api_url``."""
    requests = _own_requests(api_url, auth, timeout)
    if transport is not None:
        clock = _clock_of(transport)
        send = _straight_through(transport)
        return Driver(requests, send, transport.close, clock=clock, retry=retry)
    client = _with_proxies(httpx.Client, _ssl_context(requests.address, verify))
    return Driver(requests, client.send, client.close, clock=SystemClock(), retry=retry)


def open_async_driver(
    api_url: str,
    auth: AuthProvider,
    timeout: float | None,
    *,
    verify: bool | str,
    retry: RetryConfig | None,
    transport: AsyncTransport | None,
    keep_alive: bool,
) -> AsyncDriver:
    """A driver for the Router at ``api_url``."""
    requests = _own_requests(api_url, auth, timeout)
    if transport is not None:
        clock = _clock_of(transport)
        send = _straight_through_async(transport)
        return AsyncDriver(requests, send, transport.aclose, clock=clock, retry=retry)
    make = httpx.AsyncClient if keep_alive else partial(httpx.AsyncClient, limits=_NONE_KEPT)
    client = _with_proxies(make, _ssl_context(requests.address, verify))
    return AsyncDriver(requests, client.send, client.aclose, clock=SystemClock(), retry=retry)


def driver_over(http: Driver | SyncHTTPClient) -> Driver:
    """The driver itself, or one that sends through a client of the caller's."""
    if isinstance(http, Driver):
        return http
    send = partial(http.send, follow_redirects=False)
    return Driver(_requests_of(http), send, http.close, clock=_clock_of(http))


def async_driver_over(http: AsyncDriver | AsyncHTTPClient) -> AsyncDriver:
    """The driver itself, or one that sends through a client of the caller's."""
    if isinstance(http, AsyncDriver):
        return http
    send = partial(http.send, follow_redirects=False)
    return AsyncDriver(_requests_of(http), send, http.aclose, clock=_clock_of(http))


@dataclass(frozen=True, slots=True)
class _Requests:
    """Makes the request that an operation stands for."""

    address: str
    make: Callable[..., Request]
    headers: httpx.Headers
    timeouts: dict[str, float | None]
    auth: AuthProvider | None

    def build(self, operation: Operation[Any], clock: Clock) -> Request:
        content = operation.content
        try:
            request = self.make(
                operation.method,
                _url(self.address + operation.target),
                headers=self.headers,
                content=content,
                extensions={"timeout": self._timeouts(operation, clock)},
            )
        except httpx.InvalidURL as error:
            raise InvalidRequestError(f"no URL can be made of this call: {error}") from error
        if content is not None:
            request.headers["Content-Type"] = "application/json"
        if self.auth is not None:
            self.auth.apply(request)
        return request

    def _timeouts(self, operation: Operation[Any], clock: Clock) -> dict[str, float | None]:
        if operation.read_timeout is not None:
            return {**self.timeouts, "read": operation.read_timeout}
        if operation.deadline is not None:
            patience = max(operation.deadline - clock.now(), _LEAST_PATIENCE)
            return {
                phase: patience if limit is None else min(limit, patience)
                for phase, limit in self.timeouts.items()
            }
        return self.timeouts


def _own_requests(api_url: str, auth: AuthProvider, timeout: float | None) -> _Requests:
    limit = None if timeout is None else seconds("timeout", timeout)
    headers = httpx.Headers(
        {
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": f"agenttier-python-sdk/{__version__}",
        }
    )
    timeouts = httpx.Timeout(limit).as_dict()
    return _Requests(_address(api_url), httpx.Request, headers, timeouts, auth)


def _requests_of(http: SyncHTTPClient | AsyncHTTPClient) -> _Requests:
    headers = httpx.Headers({"Accept": "application/json"})
    return _Requests(
        _address(str(http.base_url)), http.build_request, headers, http.timeout.as_dict(), None
    )


def _address(api_url: str) -> str:
    """The Router's address without a trailing slash or ``/api/v1``."""
    try:
        url = httpx.URL(text("api_url", api_url).strip())
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidRequestError(f"api_url={api_url!r} is no URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidRequestError(
            f"api_url={api_url!r} is not the address of a Router, as in https://agenttier.example"
        )
    try:
        url.raw_host.decode().encode("idna")  # as looking the host up does
    except UnicodeError as error:
        raise InvalidRequestError(f"api_url={api_url!r} names no host: {error}") from error
    if url.userinfo:
        raise InvalidRequestError("api_url holds a user or password; pass auth= instead")
    if url.query or url.fragment:
        raise InvalidRequestError(f"api_url={api_url!r} ends in a query or fragment; leave it out")
    return str(url).rstrip("/").removesuffix(PREFIX).rstrip("/")


def _ssl_context(address: str, verify: bool | str) -> ssl.SSLContext:
    """What decides whom to trust; certificates are loaded only where they are needed."""
    if not address.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if isinstance(verify, bool):
        return httpx.create_ssl_context(verify=verify)
    try:
        if Path(verify).is_dir():
            return ssl.create_default_context(capath=verify)
        return ssl.create_default_context(cafile=verify)
    except OSError as error:
        raise InvalidRequestError(
            f"verify={verify!r} holds no certificates to trust: {error}"
        ) from error


def _with_proxies(make: Callable[..., C], context: ssl.SSLContext) -> C:
    """A client of httpx, which reads the proxy variables when it is made."""
    try:
        return make(verify=context)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise InvalidRequestError(f"the proxy variables cannot be used: {error}") from error


def _clock_of(source: object) -> Clock:
    """The clock that a transport brings, or a client's transport; else real time."""
    for owner in (source, getattr(source, "_transport", None)):
        clock = getattr(owner, "clock", None)
        if isinstance(clock, Clock):
            return clock
    return SystemClock()


def _straight_through(transport: SyncTransport) -> Callable[[Request], httpx.Response]:
    def send(request: Request) -> httpx.Response:
        response = transport.handle_request(request)
        try:
            response.read()
        except BaseException:
            response.close()
            raise
        return response

    return send


def _straight_through_async(
    transport: AsyncTransport,
) -> Callable[[Request], Awaitable[httpx.Response]]:
    async def send(request: Request) -> httpx.Response:
        response = await transport.handle_async_request(request)
        try:
            await response.aread()
        except BaseException:
            await response.aclose()
            raise
        return response

    return send


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def _failure(error: Exception, request: Request) -> AgentTierError | None:
    """The error of ours that stands for one of httpx's; None for what is not about sending."""
    where = f"{request.method} {request.url}"
    if isinstance(error, httpx.TimeoutException):
        return _timeout(error, request, where)
    if isinstance(error, httpx.DecodingError):
        return APIResponseError(f"the answer to {where} cannot be decoded: {error}")
    if isinstance(error, RuntimeError) and "closed" in str(error):
        return _closed(str(error), where)
    if not isinstance(error, httpx.TransportError | OSError):
        return None
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError):
        failure = APIConnectionError(f"no connection to {request.url}: {reason}")
        failure.sent = False
        failure.hint = _connection_hint(reason)
        return failure
    return APIConnectionError(f"the connection broke during {where}: {reason}")


def _timeout(error: httpx.TimeoutException, request: Request, where: str) -> APITimeoutError:
    limits: dict[str, float | None] = request.extensions["timeout"]
    if isinstance(error, httpx.ConnectTimeout):
        failure = APITimeoutError(f"no connection to {request.url} in {limits['connect']:g} s")
    elif isinstance(error, httpx.PoolTimeout):
        failure = APITimeoutError(f"no connection came free for {where} in {limits['pool']:g} s")
        failure.hint = "More calls at once than connections: use fewer threads or tasks."
    elif isinstance(error, httpx.WriteTimeout):
        return APITimeoutError(f"{where} could not be sent in {limits['write']:g} s")
    else:
        return APITimeoutError(f"no answer to {where} in {limits['read']:g} s")
    failure.sent = False
    return failure


def _closed(text: str, where: str) -> ClientClosedError:
    if "loop" not in text:
        return ClientClosedError(f"the client was closed, so {where} was not sent")
    failure = ClientClosedError(f"the event loop that this client was used in is closed: {where}")
    failure.hint = "An async client belongs to one event loop: make it where it is used."
    return failure


def _connection_hint(text: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "verify='/path/to/ca.pem' trusts a private certificate authority."
    return "Is api_url right, and the Router up?"
