"""The fake Router: requests in, the contract's answers out."""

from __future__ import annotations

import random
import re
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from .auth import DEV_USER, Caller, Credentials, Unauthorized
from .clock import FakeClock
from .go.decoding import Field, Struct, decode
from .go.encoding import encode
from .handlers import Call, Refusal
from .handlers.unbuilt import NotBuilt
from .lifecycle import Phase
from .releases import RELEASES
from .routes import ANY, Access, Route, RouteTree
from .sandboxes import SandboxRequest
from .state import (
    HOME_NAMESPACE,
    NotFound,
    State,
    StateError,
    TemplateInUse,
    TemplateNotFound,
    WrongPhase,
)
from .targets import Target, TargetError
from .templates import SPEC, stored_spec
from .wire import Request, Response, empty_response, error_response, plain_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from .engines import Runtime
    from .engines.scripted import Scripted
    from .server import LoopbackServer
    from .transport import InProcessTransport

_STATUS: Mapping[type[StateError], int] = {
    NotFound: 404,
    TemplateNotFound: 404,
    WrongPhase: 409,
    TemplateInUse: 409,
}
_ANONYMOUS = Caller("", "", "")
# Longer bodies leave Go's buffer before their length is known, and go out chunked.
_GO_BUFFER = 2048
_LOGGED = 100_000
_SECRET_PARAMETER = re.compile(r"([?&](?:token|api_key)=)[^&]*")
_SPEC_BODY = Struct("", (Field("spec", SPEC),))


class LoggedRequest(NamedTuple):
    """One line of `FakeRouter.requests`; secrets are not in it."""

    method: str
    target: str
    """As sent; tokens in the query are blanked."""
    status: int
    request_id: str
    """Empty where no route matched."""
    caller: str
    """The caller's ``sub``; empty where nobody was identified."""


class Cluster:
    """What Routers in front of the same cluster share: sandboxes, users, time, the node.

    Args:
        exec: engines in order of preference, as for `FakeRouter`.
        templates: specs by name, as they would be posted.
    """

    def __init__(self, exec: str | Sequence[str], templates: Mapping[str, Any]) -> None:  # noqa: A002 - the Router's word for it
        from .engines.scripted import Scripted

        self.clock = FakeClock()
        self.credentials = Credentials(self.clock)
        self.state = State(self.clock, on_stop=self._stop, on_delete=self._delete)
        self.scripted: Scripted = Scripted(self.clock)
        self.users: dict[str, Caller] = {}
        self._engines = (exec,) if isinstance(exec, str) else tuple(exec)
        self._runtime: Runtime | None = None
        self._lock = threading.Lock()
        for name, spec in templates.items():
            self.add_template(name, spec)

    def add_template(self, name: str, spec: Mapping[str, Any]) -> None:
        """Store a template from a spec as it would be posted."""
        values = decode(encode({"spec": spec}).encode(), _SPEC_BODY)
        self.state.add_template(name, stored_spec(values.struct("spec")))

    def runtime(self) -> Runtime:
        """The node that runs commands, made when a command first needs it."""
        with self._lock:
            if self._runtime is None:
                from .engines.runtime import NodeRuntime

                self._runtime = NodeRuntime(self._engines, clock=self.clock, scripted=self.scripted)
            return self._runtime

    def close(self) -> None:
        """End every pod and remove every volume."""
        with self._lock:
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            runtime.close()

    # A node that no command has needed has nothing to stop or to remove.

    def _stop(self, uid: str) -> None:
        if self._runtime is not None:
            self._runtime.stop(uid)

    def _delete(self, uid: str) -> None:
        if self._runtime is not None:
            self._runtime.delete(uid)


class FakeRouter:
    """An AgentTier Router in this process.

    Use it as a context manager: pods and volumes go when it closes. It answers as the
    release does, quirks included, and never sleeps: what takes time on a cluster happens as
    somebody looks.

    Example:
        with FakeRouter() as router:
            client = AgentTierClient(router.url, auth=APIKeyAuth(router.api_key))

    Args:
        release: the Router's version, ``"0.8.1"``.
        exec: what runs commands: ``"pod"``, ``"subprocess"`` or ``"scripted"``, or several
            in order of preference.
        dev_auth: every caller is the dev admin, whatever it sends.
        cluster: share the sandboxes, users and clock of another Router: ``other.cluster``.

    Attributes:
        api_key: a key of an ordinary user, who is no admin.
        clock: the fake's time.
        requests: the last 100,000 requests, oldest first.
        not_built: endpoints that were asked for and are not built yet.

    Raises:
        ValueError: an unknown release.
    """

    def __init__(
        self,
        *,
        release: str = "0.8.1",
        exec: str | Sequence[str] = "pod",  # noqa: A002 - the Router's word for it
        dev_auth: bool = False,
        cluster: Cluster | None = None,
    ) -> None:
        if release not in RELEASES:
            raise ValueError(f"no release {release!r}; there is {', '.join(RELEASES)}")
        self._release = RELEASES[release]
        self._tree = RouteTree(self._release.routes)
        self._dev_auth = dev_auth
        self._owns_cluster = cluster is None
        self.cluster = Cluster(exec, self._release.templates) if cluster is None else cluster
        self.clock = self.cluster.clock
        self.requests: deque[LoggedRequest] = deque(maxlen=_LOGGED)
        self.not_built: set[str] = set()
        self._date: tuple[int, str] = (0, "")
        self._server: LoopbackServer | None = None
        self._lock = threading.Lock()
        self.api_key = self.add_user("tester", email="tester@example.com", name="Tester")

    def __enter__(self) -> FakeRouter:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving; end every pod and remove every volume. Closing twice is fine."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()
        if self._owns_cluster:
            self.cluster.close()

    # The mounts

    @property
    def url(self) -> str:
        """The base URL of this Router on a loopback port; serving starts when first asked."""
        from .server import LoopbackServer

        with self._lock:
            if self._server is None:
                self._server = LoopbackServer(self)
            return self._server.url

    @property
    def transport(self) -> InProcessTransport:
        """An httpx transport into this Router, for sync and async clients."""
        from .transport import InProcessTransport

        return InProcessTransport(self)

    # What a test prepares

    @property
    def exec(self) -> Scripted:
        """Answers for commands that shall not run: ``router.exec.register(…)``."""
        return self.cluster.scripted

    def add_user(
        self, sub: str, *, email: str = "", name: str = "", groups: Sequence[str] = ()
    ) -> str:
        """Make a user known and return an API key of theirs.

        The group ``agenttier-admins`` makes an administrator; an API key never is one.
        """
        user = Caller(sub, email or f"{sub}@example.com", name or sub, tuple(groups))
        self.cluster.users[sub] = user
        return self.mint_key(sub, label=user.name)

    def mint_key(self, sub: str, *, label: str = "") -> str:
        """Another API key of a user; the label is the name it is known by.

        Raises:
            ValueError: nobody was added under ``sub``.
        """
        return self.cluster.credentials.mint_key(self._user(sub), label=label)[0]

    def mint_token(self, sub: str, *, lifetime: float | None = None) -> str:
        """A bearer token of a user, with their groups; ``lifetime`` in seconds.

        Raises:
            ValueError: nobody was added under ``sub``.
        """
        return self.cluster.credentials.mint_token(self._user(sub), lifetime=lifetime)

    def add_template(self, name: str, spec: Mapping[str, Any]) -> None:
        """Store a cluster template; ``spec`` is what one would post (contract 3.10).

        Raises:
            ValueError: the spec is malformed; the text is the Router's.
            StateError: the API server would not take it, or the name is taken.
        """
        self.cluster.add_template(name, spec)

    def create(
        self,
        name: str,
        *,
        template: str = "general-coding",
        phase: str = "Running",
        owner: str = "tester",
    ) -> str:
        """Make a sandbox that has reached a phase already, and return its name.

        Raises:
            ValueError: no such owner or phase, or the phase cannot be reached.
            StateError: the name is taken or cannot be one.
        """
        reference = {"name": template, "kind": "ClusterSandboxTemplate"}
        request = SandboxRequest(name, HOME_NAMESPACE, reference)
        state = self.cluster.state
        state.bring(state.create(request, self._user(owner)), Phase(phase))
        return name

    def _user(self, sub: str) -> Caller:
        user = self.cluster.users.get(sub)
        if user is None:
            known = ", ".join(sorted(self.cluster.users))
            raise ValueError(f"no user {sub!r}; add_user({sub!r}) makes one. Known: {known}")
        return user

    # Plain calls

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET a path as the ordinary user, unless the headers identify somebody."""
        return self._plain("GET", path, b"", headers)

    def post(
        self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """POST to a path as the ordinary user, unless the headers identify somebody."""
        return self._plain("POST", path, body, headers)

    def put(
        self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Response:
        """PUT to a path as the ordinary user, unless the headers identify somebody."""
        return self._plain("PUT", path, body, headers)

    def delete(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """DELETE a path as the ordinary user, unless the headers identify somebody."""
        return self._plain("DELETE", path, b"", headers)

    def _plain(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None
    ) -> Response:
        sent = {"X-API-Key": self.api_key} if headers is None else dict(headers)
        sent["Content-Length"] = str(len(body))
        return self.handle(Request(method, path, tuple(sent.items()), body))

    # The seam

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
        request_id = caller = ""
        try:
            target = Target(request.target)
        except TargetError:
            # Answered below the mux (contract 1.3): neither date nor length.
            response = plain_response(400, "")
            response.headers = [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Connection", "close"),
            ]
            response.body = b"400 Bad Request"
        else:
            methods, variables = self._tree.find(target.path)
            route = methods.get(request.method) or methods.get(ANY)
            if route is None or target.clean_location is not None:
                response = self._unmatched(request, target, known=bool(methods))
            else:
                headers = {name.lower(): value for name, value in reversed(request.headers)}
                request_id = headers.get("x-request-id") or f"{random.getrandbits(64):016x}"
                response, caller = self._matched(request, route, target, variables, headers)
                response.headers += self._release.headers
                response.headers.append(("X-Request-Id", request_id))
                response.headers.sort()
                self._finish(response)
        self.requests.append(
            LoggedRequest(
                request.method,
                _redacted(request.target),
                response.status,
                request_id,
                caller,
            )
        )
        return response

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
        self._finish(response)
        if request.method == "HEAD":
            response.body = b""
            if response.status != 404:
                response.headers.remove(("Content-Length", "0"))
        return response

    def _matched(
        self,
        request: Request,
        route: Route,
        target: Target,
        variables: list[str],
        headers: Mapping[str, str],
    ) -> tuple[Response, str]:
        """The endpoint's answer and who got it; middleware in the Router's order (1.4)."""
        if request.method == "OPTIONS":
            return empty_response(204), ""
        cluster = self.cluster
        caller = _ANONYMOUS
        try:
            if route.access is not Access.PUBLIC:
                caller = DEV_USER if self._dev_auth else cluster.credentials.identify(headers)
                if route.access is Access.ADMIN and not caller.admin:
                    return plain_response(403, '{"error":"admin_required"}'), caller.sub
            call = Call(
                request,
                target.query,
                caller,
                cluster.state,
                cluster.credentials,
                cluster.runtime,
            )
            response = route.handler(call, *variables)
        except Unauthorized as error:
            response = plain_response(401, str(error))
        except Refusal as error:
            response = error_response(error.status, str(error))
        except StateError as error:
            response = error_response(_STATUS[type(error)], str(error))
        except NotBuilt:
            endpoint = f"{request.method} {route.path}"
            self.not_built.add(endpoint)
            response = error_response(501, f"not built yet: {endpoint}")
        return response, caller.sub

    def _finish(self, response: Response) -> None:
        """What Go's server adds: date, length, and a type where the handler set none (1.5)."""
        headers, body = response.headers, response.body
        headers.append(("Date", self._now()))
        if response.status == 204 or not isinstance(body, bytes) or len(body) > _GO_BUFFER:
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


def _redacted(target: str) -> str:
    return _SECRET_PARAMETER.sub(r"\1…", target) if "?" in target else target
