"""The fake Router: requests in, the contract's answers out."""

from __future__ import annotations

import random
import re
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from .auth import DEV_USER, Unauthorized
from .handlers import Call, Refusal
from .handlers.unbuilt import NotBuilt
from .quirks import Quirks
from .routes import ANY, Access, Route, RouteTree
from .state import (
    NotFound,
    StateError,
    TemplateInUse,
    TemplateNotFound,
    WrongPhase,
)
from .targets import Target, TargetError
from .wire import Request, Response, empty_response, error_response, plain_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .clock import FakeClock
    from .cluster import Cluster
    from .releases import Release

_STATUS: Mapping[type[StateError], int] = {
    NotFound: 404,
    TemplateNotFound: 404,
    WrongPhase: 409,
    TemplateInUse: 409,
}
# Longer bodies leave Go's buffer before their length is known, and go out chunked.
_GO_BUFFER = 2048
_LOGGED = 100_000
_SECRET_PARAMETER = re.compile(r"([?&](?:token|api_key)=)[^&]*")


class LoggedRequest(NamedTuple):
    """One line of `FakeRouter.requests`; secrets are not in it."""

    method: str
    target: str
    """As sent; tokens in the query are blanked."""
    status: int
    """0 where nothing could be answered: what was raised reached the caller."""
    request_id: str
    """Empty where no route matched."""
    caller: str
    """The caller's ``sub``; empty where nobody was identified."""
    sandbox: str
    """The name of the sandbox it is about, also where that stands in the body."""


class Router:
    """One Router process in front of a cluster: requests in, answers out.

    Args:
        release: which version of the Router it is.
        cluster: what it stands in front of.
        dev_auth: every caller is the dev admin, whatever it sends.
    """

    def __init__(self, release: Release, cluster: Cluster, *, dev_auth: bool) -> None:
        self.cluster = cluster
        self.clock: FakeClock = cluster.clock
        self.requests: deque[LoggedRequest] = deque(maxlen=_LOGGED)
        self.not_built: set[str] = set()
        self.quirks: Quirks = Quirks()
        self._release = release
        self._tree = RouteTree(release.routes)
        self._dev_auth = dev_auth
        self._date: tuple[int, str] = (0, "")

    def may_block(self, request: Request) -> bool:
        """Whether answering may take as long as a command does."""
        try:
            methods, _ = self._tree.find(Target(request.target).path)
        except TargetError:
            return False
        route = methods.get(request.method)
        return route is not None and route.blocks

    def handle(self, request: Request) -> Response:
        """Answer one request; the headers are complete and in wire order.

        Thread-safe; holds no lock while a command runs.

        Raises:
            EngineUnavailable: a command cannot run here, or no scripted answer fits; no
                Router would answer that.
        """
        try:
            target = Target(request.target)
        except TargetError:
            # Answered below the mux (contract 1.3): neither date nor length.
            text, close = ("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")
            response = Response(400, [text, close], b"400 Bad Request")
            self._log(request, response.status)
            return response
        methods, variables = self._tree.find(target.path)
        route = methods.get(request.method) or methods.get(ANY)
        if route is None or target.clean_location is not None:
            response = self._unmatched(request, target, known=bool(methods))
            self._log(request, response.status)
            return response
        headers = {name.lower(): value for name, value in reversed(request.headers)}
        request_id = headers.get("x-request-id") or f"{random.getrandbits(64):016x}"
        cluster = self.cluster
        call = Call(
            request,
            target.query,
            self.quirks,
            cluster.state,
            cluster.credentials,
            cluster.runtime,
            sandbox=variables[0] if route.of_sandbox else "",
        )
        try:
            response = self._matched(call, route, variables, headers)
        except BaseException:
            self._log(request, 0, request_id, call.caller.sub, call.sandbox)
            raise
        response.headers += self._release.headers
        response.headers.append(("X-Request-Id", request_id))
        response.headers.sort()
        self._finish(response, request.method)
        self._log(request, response.status, request_id, call.caller.sub, call.sandbox)
        return response

    def _log(
        self,
        request: Request,
        status: int,
        request_id: str = "",
        caller: str = "",
        sandbox: str = "",
    ) -> None:
        target = request.target
        if "?" in target:
            target = _SECRET_PARAMETER.sub(r"\1…", target)
        self.requests.append(
            LoggedRequest(request.method, target, status, request_id, caller, sandbox)
        )

    def _unmatched(self, request: Request, target: Target, *, known: bool) -> Response:
        """What the mux answers by itself, past every middleware (contract 1.3)."""
        if request.target == "*" and request.method == "OPTIONS":
            return Response(200, [("Content-Length", "0"), ("Date", self._now())])
        if target.clean_location is not None:
            response = Response(301, [("Location", target.clean_location)])
        elif known and target.path in self._release.strict_methods:
            response = empty_response(405)
        else:
            response = plain_response(404, "404 page not found")
        self._finish(response, request.method)
        return response

    def _matched(
        self, call: Call, route: Route, variables: list[str], headers: Mapping[str, str]
    ) -> Response:
        """The endpoint's answer, middleware in the Router's order (contract 1.4)."""
        if call.request.method == "OPTIONS":
            return empty_response(204)
        try:
            if route.access is not Access.PUBLIC:
                call.caller = (
                    DEV_USER if self._dev_auth else self.cluster.credentials.identify(headers)
                )
                if route.access is Access.ADMIN and not call.caller.admin:
                    return plain_response(403, '{"error":"admin_required"}')
            return route.handler(call, *variables)
        except Unauthorized as error:
            return plain_response(401, str(error))
        except Refusal as error:
            return error_response(error.status, str(error))
        except StateError as error:
            return error_response(_STATUS[type(error)], str(error))
        except NotBuilt:
            endpoint = f"{call.request.method} {route.path}"
            self.not_built.add(endpoint)
            return error_response(501, f"not built yet: {endpoint}")

    def _finish(self, response: Response, method: str) -> None:
        """What Go's server adds: date, length, and a type where the handler set none (1.5)."""
        headers, body = response.headers, response.body
        headers.append(("Date", self._now()))
        if response.status == 204 or not isinstance(body, bytes) or len(body) > _GO_BUFFER:
            return
        if method == "HEAD":
            response.body = b""
            if not body:
                return
        headers.append(("Content-Length", str(len(body))))
        if body and not any(name == "Content-Type" for name, _ in headers):
            headers.append(("Content-Type", "text/plain; charset=utf-8"))

    def _now(self) -> str:
        now = int(self.clock.time())
        second, text = self._date
        if second != now:
            text = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(now))
            self._date = now, text
        return text
