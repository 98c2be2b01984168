"""Operations as requests over HTTP; the only module that knows httpx.

A driver sends in one of three ways:

- through an ``httpx.Client`` of its own, which honours the proxy variables;
- straight through a transport given to it: no redirects, cookies or proxies between;
- through an ``httpx.Client`` of the caller's, with that one's address, headers and auth.

Behind the last two there may be code of somebody else's, such as a fake Router in process: what
it raises reaches the caller as it is.
"""

from __future__ import annotations

import os
import ssl
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.request import proxy_bypass

import anyio
import httpx

from agenttier._arguments import seconds, text
from agenttier._driver import AsyncDriver, Driver
from agenttier._operation import PREFIX, Answer, Operation
from agenttier.clock import Clock, SystemClock
from agenttier.exceptions import (
    AgentTierError,
    APIConnectionError,
    APIResponseError,
    APITimeoutError,
    ClientClosedError,
    InvalidRequestError,
)

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

_NONE_KEPT = httpx.Limits(max_keepalive_connections=0)

# A wait asks for the same address again and again, and parsing it costs a quarter of a call.
_url = lru_cache(maxsize=128)(httpx.URL)


class _Wire:
    """Carries operations to a Router, as requests of httpx.

    Args:
        requests: Makes them.
        deliver: Sends one, and reads the answer.
        close: Closes the connections.
        ours: Whether ``deliver`` is httpx and nothing else, so that all it raises is of sending.
    """

    def __init__(
        self,
        requests: _Requests,
        deliver: Callable[[Request], httpx.Response],
        close: Callable[[], None],
        *,
        ours: bool = False,
    ) -> None:
        self.address: str = requests.address
        self.close = close
        self._requests = requests
        self._deliver = deliver
        self._ours = ours

    def send(self, operation: Operation[Any], patience: float | None) -> Answer:
        request = self._requests.build(operation, patience)
        try:
            response = _in_time(self._deliver, request, patience)
        except Exception as error:
            failure = _failure(error, request, ours=self._ours)
            if failure is None:
                raise
            raise failure from error
        return Answer(response.status_code, response.headers, response.content)


class _AsyncWire:
    """Carries operations to a Router, as requests of httpx."""

    def __init__(
        self,
        requests: _Requests,
        deliver: Callable[[Request], Awaitable[httpx.Response]],
        close: Callable[[], Awaitable[None]],
        *,
        ours: bool = False,
    ) -> None:
        self.address: str = requests.address
        self.close = close
        self._requests = requests
        self._deliver = deliver
        self._ours = ours

    async def send(self, operation: Operation[Any], patience: float | None) -> Answer:
        request = self._requests.build(operation, patience)
        try:
            response = await _in_time_async(self._deliver, request, patience)
        except Exception as error:
            failure = _failure(error, request, ours=self._ours)
            if failure is None:
                raise
            raise failure from error
        return Answer(response.status_code, response.headers, response.content)


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
        wire = _Wire(requests, _straight_through(transport), transport.close)
        return Driver(wire, _clock_of(transport), retry)
    client = _with_proxies(httpx.Client, _ssl_context(requests.address, verify))
    return Driver(_Wire(requests, _through(client), client.close, ours=True), SystemClock(), retry)


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
        wire = _AsyncWire(requests, _straight_through_async(transport), transport.aclose)
        return AsyncDriver(wire, _clock_of(transport), retry)
    make = httpx.AsyncClient if keep_alive else partial(httpx.AsyncClient, limits=_NONE_KEPT)
    client = _with_proxies(make, _ssl_context(requests.address, verify))
    deliver = _through_async(client, ours=True)
    return AsyncDriver(
        _AsyncWire(requests, deliver, client.aclose, ours=True), SystemClock(), retry
    )


def driver_over(http: Driver | SyncHTTPClient) -> Driver:
    """The driver itself, or one that sends through a client of the caller's."""
    if isinstance(http, Driver):
        return http
    return Driver(_Wire(_requests_of(http), _through(http), http.close), _clock_of(http))


def async_driver_over(http: AsyncDriver | AsyncHTTPClient) -> AsyncDriver:
    """The driver itself, or one that sends through a client of the caller's."""
    if isinstance(http, AsyncDriver):
        return http
    deliver = _through_async(http, ours=False)
    return AsyncDriver(_AsyncWire(_requests_of(http), deliver, http.aclose), _clock_of(http))


@dataclass(frozen=True, slots=True)
class _Requests:
    """Makes the request that an operation stands for."""

    address: str
    make: Callable[..., Request]
    headers: httpx.Headers
    timeouts: dict[str, float | None]
    auth: AuthProvider | None

    def build(self, operation: Operation[Any], patience: float | None) -> Request:
        content = operation.content
        try:
            request = self.make(
                operation.method,
                _url(self.address + operation.target),
                headers=self.headers,
                content=content,
                extensions={"timeout": self._timeouts(operation, patience)},
            )
        except httpx.InvalidURL as error:
            raise InvalidRequestError(f"no URL can be made of this call: {error}") from error
        if content is not None:
            request.headers["Content-Type"] = "application/json"
        if self.auth is not None:
            self.auth.apply(request)
        return request

    def _timeouts(
        self, operation: Operation[Any], patience: float | None
    ) -> dict[str, float | None]:
        if operation.read_timeout is not None:
            return {**self.timeouts, "read": operation.read_timeout}
        if patience is not None:
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
    try:
        if isinstance(verify, bool):
            return httpx.create_ssl_context(verify=verify)
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


def _through(client: SyncHTTPClient) -> Callable[[Request], httpx.Response]:
    def send(request: Request) -> httpx.Response:
        try:
            return client.send(request, follow_redirects=False)
        except RuntimeError as error:
            if client.is_closed:
                raise _closed(request) from error
            raise

    return send


def _through_async(
    client: AsyncHTTPClient, *, ours: bool
) -> Callable[[Request], Awaitable[httpx.Response]]:
    async def send(request: Request) -> httpx.Response:
        try:
            return await client.send(request, follow_redirects=False)
        except RuntimeError as error:
            if client.is_closed:
                raise _closed(request) from error
            if ours:
                raise _elsewhere(request) from error
            raise

    return send


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


def _in_time(
    send: Callable[[Request], httpx.Response], request: Request, patience: float | None
) -> httpx.Response:
    """Send; where the whole is limited, in a thread, which is left behind if it is late.

    httpx limits each read, so that an answer that drips takes as long as it likes.
    """
    if patience is None:
        return send(request)
    answer: Future[httpx.Response] = Future()

    def work() -> None:
        try:
            answer.set_result(send(request))
        except BaseException as error:  # it is raised where the answer is waited for
            answer.set_exception(error)

    thread = Thread(target=copy_context().run, args=(work,), name="agenttier-look", daemon=True)
    thread.start()
    thread.join(patience)
    if not answer.done():
        raise _no_answer(request, patience)
    return answer.result()


async def _in_time_async(
    send: Callable[[Request], Awaitable[httpx.Response]], request: Request, patience: float | None
) -> httpx.Response:
    with anyio.move_on_after(patience):
        return await send(request)
    raise _no_answer(request, patience)


def _failure(error: Exception, request: Request, *, ours: bool) -> AgentTierError | None:
    """The error of ours that stands for one of sending; None for what is to be raised as it is.

    Through a client of our own nobody else can raise, so errors of the system are of sending, too.
    """
    if isinstance(error, AgentTierError):
        return None
    where = _where(request)
    if isinstance(error, httpx.TimeoutException):
        return _timeout(error, request, ours=ours)
    if isinstance(error, httpx.DecodingError):
        return APIResponseError(f"the answer to {where} cannot be decoded: {error}")
    if not isinstance(error, httpx.TransportError | OSError if ours else httpx.TransportError):
        return None
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError):
        failure = APIConnectionError(f"no connection to {request.url}: {reason}")
        failure.sent = False
    else:
        failure = APIConnectionError(f"the connection broke during {where}: {reason}")
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        failure.hint = _connection_hint(reason, request, ours=ours)
    return failure


def _timeout(error: httpx.TimeoutException, request: Request, *, ours: bool) -> APITimeoutError:
    limits: dict[str, float] = request.extensions["timeout"]
    where = _where(request)
    if isinstance(error, httpx.ConnectTimeout):
        failure = APITimeoutError(f"no connection to {request.url} in {limits['connect']:g} s")
        failure.hint = _connection_hint("", request, ours=ours)
    elif isinstance(error, httpx.PoolTimeout):
        failure = APITimeoutError(f"no connection came free for {where} in {limits['pool']:g} s")
        failure.hint = "More calls at once than connections: use fewer threads or tasks."
    elif isinstance(error, httpx.WriteTimeout):
        return APITimeoutError(f"{where} could not be sent in {limits['write']:g} s")
    else:
        return _no_answer(request, limits["read"])
    failure.sent = False
    return failure


def _no_answer(request: Request, seconds: float | None) -> APITimeoutError:
    return APITimeoutError(f"no answer to {_where(request)} in {seconds:g} s")


def _closed(request: Request) -> ClientClosedError:
    return ClientClosedError(f"the client was closed, so {_where(request)} was not sent")


def _elsewhere(request: Request) -> ClientClosedError:
    failure = ClientClosedError(
        f"the event loop that this client was used in is another one: {_where(request)}"
    )
    failure.hint = "An async client belongs to one event loop: make it where it is used."
    return failure


def _where(request: Request) -> str:
    return f"{request.method} {request.url}"


def _connection_hint(reason: str, request: Request, *, ours: bool) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return "verify='/path/to/ca.pem' trusts a private certificate authority."
    proxy = _proxy_variable(request.url) if ours else None
    if proxy is not None:
        host = request.url.host
        return f"{proxy} sends this through a proxy; with NO_PROXY={host} it would go straight."
    return "Is api_url right, and the Router up?"


def _proxy_variable(url: httpx.URL) -> str | None:
    """The variable that names the proxy for an address; None where it is reached straight."""
    if proxy_bypass(url.netloc.decode()):
        return None
    names = [f"{scheme}_proxy" for scheme in (url.scheme, "all")]
    spelled = [each for name in names for each in (name, name.upper())]
    return next((each for each in spelled if os.environ.get(each)), None)
