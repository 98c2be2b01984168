"""The fake Router as tests hold it in hand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .auth import Caller
from .cluster import Cluster
from .lifecycle import Phase
from .quirks import Quirks
from .releases import RELEASES
from .router import Router
from .sandboxes import SandboxRequest
from .state import HOME_NAMESPACE
from .wire import Request, Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from .engines.scripted import Scripted
    from .server import LoopbackServer
    from .transport import InProcessTransport

_PHASES = tuple([phase.value for phase in Phase])


class FakeRouter(Router):
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
            in order of preference: ``"pod, subprocess"``.
        dev_auth: every caller is the dev admin, whatever it sends.
        cluster: share the sandboxes, users and clock of another Router: ``other.cluster``.

    Attributes:
        api_key: a key of an ordinary user, who is no admin.
        clock: the fake's time.
        requests: the last 100,000 requests, oldest first.
        not_built: endpoints that were asked for and are not built yet.
        quirks: the Router's oddities: ``with router.quirks.off("empty_lists_are_null"): …``.

    Raises:
        ValueError: an unknown release or engine.
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
        known = RELEASES[release]
        self._owns_cluster = cluster is None
        super().__init__(
            known,
            Cluster(exec, known.templates) if cluster is None else cluster,
            dev_auth=dev_auth,
        )
        self._server: LoopbackServer | None = None
        self._closed = False
        self._lock = threading.Lock()
        self.api_key: str = self.add_user("tester", email="tester@example.com", name="Tester")

    def __enter__(self) -> FakeRouter:
        self._require_open()
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
            self._closed = True
            server, self._server = self._server, None
        try:
            if self._owns_cluster:  # first: a command in flight ends with its pod
                self.cluster.close()
        finally:
            if server is not None:
                server.close()

    def _require_open(self) -> None:
        if self._closed:
            raise RuntimeError("this FakeRouter is closed: make a new one")

    # The mounts

    @property
    def url(self) -> str:
        """The base URL of this Router on a loopback port; serving starts when first asked.

        Raises:
            RuntimeError: it is closed.
        """
        from .server import LoopbackServer

        with self._lock:
            self._require_open()
            if self._server is None:
                self._server = LoopbackServer(self)
            return self._server.url

    @property
    def transport(self) -> InProcessTransport:
        """An httpx transport into this Router, for sync and async clients.

        Raises:
            RuntimeError: it is closed.
        """
        from .transport import InProcessTransport

        self._require_open()
        return InProcessTransport(self)

    @property
    def errors(self) -> list[BaseException]:
        """What failed while answering over loopback, where the client got a 500 that says so.

        In process it is raised to the caller. `reset_overlay` clears the list.
        """
        return self._server.errors if self._server is not None else []

    # Between tests

    def reset_overlay(self) -> None:
        """Forget what a test bent and did, for the next one; the plugin does it after each test.

        Scripted answers and unexpected commands, quirks that are switched off, `requests`,
        `not_built` and `errors` are gone. Sandboxes, templates, users and the clock stay.
        """
        self.exec.reset()
        self.quirks: Quirks = Quirks()  # whoever has switched one off does so no longer
        self.requests.clear()
        self.not_built.clear()
        self.errors.clear()

    @property
    def engine(self) -> str:
        """The engine that runs commands: the first of those given that works here.

        Raises:
            EngineUnavailable: none of them does; the message says what is in the way.
        """
        return self.cluster.runtime.engine

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

    def add_namespace(self, name: str) -> None:
        """Let clients create sandboxes in another namespace than ``default``.

        As on a cluster, a create in a namespace that does not exist is answered with 500.
        """
        self.cluster.state.add_namespace(name)

    def create(
        self,
        name: str,
        *,
        template: str = "general-coding",
        phase: str = "Running",
        owner: str = "tester",
    ) -> str:
        """Make a sandbox that has reached a phase already, and return its name.

        The phase is ``""`` (new), ``"Creating"``, ``"Running"``, ``"Stopped"`` or ``"Error"``.

        Raises:
            ValueError: no such owner or phase, or the phase cannot be reached.
            StateError: the name is taken or cannot be one.
        """
        if phase not in _PHASES:
            raise ValueError(f"no phase {phase!r}; there are {', '.join(map(repr, _PHASES))}")
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

    # Plain calls; on a closed Router they raise RuntimeError

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
        self._require_open()
        sent = {"X-API-Key": self.api_key} if headers is None else dict(headers)
        sent["Content-Length"] = str(len(body))
        return self.handle(Request(method, path, tuple(sent.items()), body))
