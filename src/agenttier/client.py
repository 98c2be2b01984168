"""The clients: where every other object comes from."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any

from agenttier._arguments import seconds
from agenttier._http import open_async_driver, open_driver
from agenttier._resources import sandboxes, templates, user
from agenttier._resources.sandboxes import NewSandbox
from agenttier._resources.waiting import CREATED, DEFAULT_TIMEOUT, wait_for
from agenttier.auth import auto_detect_auth
from agenttier.exceptions import InvalidRequestError
from agenttier.sandbox import AsyncSandbox, Sandbox

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import timedelta
    from types import TracebackType

    from typing_extensions import Self

    from agenttier._http import AsyncTransport, SyncTransport
    from agenttier._operation import Flow
    from agenttier.auth import AuthProvider
    from agenttier.models import CurrentUser, SandboxPhase, SandboxSummary, Template
    from agenttier.retry import RetryConfig


class AgentTierClient:
    """A connection to a Router; share one between threads, and close it at the end.

    Args:
        api_url: The Router's address; a trailing slash or ``/api/v1`` does no harm.
        auth: Who is calling; without one, what ``auto_detect_auth()`` finds.
        timeout: Seconds to wait for a connection, and for each piece of an answer; None for no
            limit.
        verify: Whom to trust over https: the usual authorities, nobody in particular (False), or
            those in a file or directory.
        retry: Which failures are tried again; see ``RetryConfig`` for what None does.
        transport: An ``httpx.BaseTransport`` to send through, as the fake Router offers one;
            closed with the client. Proxy variables have no effect on it. If it has an attribute
            ``clock`` (``agenttier.clock.Clock``), waits run on that one.

    Raises:
        InvalidRequestError: The address is none, or the timeout no time.
    """

    def __init__(
        self,
        api_url: str,
        auth: AuthProvider | None = None,
        timeout: float | None = 30.0,
        *,
        verify: bool | str = True,
        retry: RetryConfig | None = None,
        transport: SyncTransport | None = None,
    ) -> None:
        self._http = open_driver(
            api_url,
            auto_detect_auth() if auth is None else auth,
            timeout,
            verify=verify,
            retry=retry,
            transport=transport,
        )
        # The pytest plugin puts flows of its own here, to book what is made and deleted.
        self._creation = sandboxes.creation
        self._termination = sandboxes.terminate_sandbox

    @classmethod
    def from_env(cls) -> Self:
        """A client for the Router that ``AGENTTIER_API_URL`` names.

        Raises:
            InvalidRequestError: The variable is not set, or no address.
        """
        return cls(_url_from_env())

    def create_sandbox(
        self,
        template: str,
        name: str | None = None,
        namespace: str = sandboxes.DEFAULT_NAMESPACE,
        timeout: str | timedelta | None = None,
        idle_timeout: str | timedelta | None = None,
        storage_size: str | None = None,
        *,
        wait: bool | float = False,
    ) -> Sandbox:
        """Create a sandbox; unless ``wait`` says so, it is not Running yet.

        Args:
            template: The name of a template, as ``list_templates()`` shows them.
            name: A name; without one, a unique one is made. If the Router's answer is lost, a
                sandbox with a name made here is looked up, one with a given name is an error.
            namespace: The namespace that it lives in.
            timeout: How long it may run, as in ``"8h"`` or a ``timedelta``; then it is stopped.
            idle_timeout: The same, counted from when it last became Running (contract 4.4).
            storage_size: The size of ``/workspace``, as in ``"10Gi"``.
            wait: Wait until it is Running: True, or how many seconds. If it does not get there,
                it is deleted again.

        Raises:
            InvalidRequestError: No template is named, or a duration is not positive.
            PolicyViolationError: Governance forbids it.
            APIError: The Router cannot create it, as when the name is taken.
            SandboxTimeoutError: It was not Running in time.
            SandboxErrorState: It ended in Error, as with a template that there is not.
        """
        limit = _wait_limit(wait)
        new = NewSandbox(template, name, namespace, timeout, idle_timeout, storage_size)
        sandbox = self._handle_on(self._http.run(self._creation(new)))
        if limit is not None:
            with ExitStack() as unless_running:
                unless_running.enter_context(sandbox)
                self._http.run(wait_for(sandbox.id, CREATED, timeout=limit))
                unless_running.pop_all()
        return sandbox

    def list_sandboxes(
        self, namespace: str | None = None, status: SandboxPhase | str | None = None
    ) -> list[SandboxSummary]:
        """List your own sandboxes; an administrator's list has everybody's.

        Args:
            namespace: Only those of this namespace.
            status: Only those in this phase.
        """
        return self._http.send(sandboxes.list_sandboxes(namespace, status))

    def get_sandbox(self, sandbox_id: str) -> Sandbox:
        """Find a sandbox, and return a handle on it.

        Raises:
            NotFoundError: There is none, or it is somebody else's.
        """
        return self._handle_on(self._http.send(sandboxes.get_sandbox(sandbox_id)))

    def sandbox(self, sandbox_id: str) -> Sandbox:
        """A handle on a sandbox, without asking whether there is one.

        Its ``namespace`` is "", as only the Router knows it.
        """
        return self._handle(sandbox_id, sandbox_id, "")

    def list_templates(self) -> list[Template]:
        """List what sandboxes can be made from."""
        return self._http.send(templates.list_templates())

    def get_template(self, name: str) -> Template:
        """Look at a template.

        Raises:
            NotFoundError: There is none of that name.
        """
        return self._http.send(templates.get_template(name))

    def current_user(self) -> CurrentUser:
        """Who the Router takes you for."""
        return self._http.send(user.current_user())

    def close(self) -> None:
        """Close the connections; every later call raises ``ClientClosedError``."""
        self._http.close()

    def _handle_on(self, summary: SandboxSummary) -> Sandbox:
        return self._handle(summary.sandbox_id, summary.name, summary.namespace)

    def _handle(self, sandbox_id: str, name: str, namespace: str) -> Sandbox:
        sandbox = Sandbox(self._http, sandbox_id, name, namespace)
        sandbox._termination = self._termination  # pyright: ignore[reportPrivateUsage]  # handed on
        return sandbox

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"AgentTierClient({self._http.address!r})"


class AsyncAgentTierClient:
    """A connection to a Router; share one between tasks, and close it at the end."""

    # A kept connection belongs to the event loop that opened it; the pytest plugin keeps none.
    _keep_alive = True

    def __init__(
        self,
        api_url: str,
        auth: AuthProvider | None = None,
        timeout: float | None = 30.0,
        *,
        verify: bool | str = True,
        retry: RetryConfig | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        self._http = open_async_driver(
            api_url,
            auto_detect_auth() if auth is None else auth,
            timeout,
            verify=verify,
            retry=retry,
            transport=transport,
            keep_alive=self._keep_alive,
        )
        self._creation = sandboxes.creation
        self._termination = sandboxes.terminate_sandbox

    @classmethod
    def from_env(cls) -> Self:
        """A client for the Router that ``AGENTTIER_API_URL`` names."""
        return cls(_url_from_env())

    def create_sandbox(
        self,
        template: str,
        name: str | None = None,
        namespace: str = sandboxes.DEFAULT_NAMESPACE,
        timeout: str | timedelta | None = None,
        idle_timeout: str | timedelta | None = None,
        storage_size: str | None = None,
        *,
        wait: bool | float = False,
    ) -> SandboxCreation:
        """Create a sandbox; unless ``wait`` says so, it is not Running yet.

        What is returned is awaited, or entered::

            sandbox = await client.create_sandbox("general-coding")

            async with client.create_sandbox("general-coding", wait=True) as sandbox:
                await sandbox.exec("make test")
        """
        limit = _wait_limit(wait)
        new = NewSandbox(template, name, namespace, timeout, idle_timeout, storage_size)
        return SandboxCreation(self._created(self._creation(new), limit))

    async def list_sandboxes(
        self, namespace: str | None = None, status: SandboxPhase | str | None = None
    ) -> list[SandboxSummary]:
        """List your own sandboxes; an administrator's list has everybody's."""
        return await self._http.send(sandboxes.list_sandboxes(namespace, status))

    async def get_sandbox(self, sandbox_id: str) -> AsyncSandbox:
        """Find a sandbox, and return a handle on it."""
        return self._handle_on(await self._http.send(sandboxes.get_sandbox(sandbox_id)))

    def sandbox(self, sandbox_id: str) -> AsyncSandbox:
        """A handle on a sandbox, without asking whether there is one."""
        return self._handle(sandbox_id, sandbox_id, "")

    async def list_templates(self) -> list[Template]:
        """List what sandboxes can be made from."""
        return await self._http.send(templates.list_templates())

    async def get_template(self, name: str) -> Template:
        """Look at a template."""
        return await self._http.send(templates.get_template(name))

    async def current_user(self) -> CurrentUser:
        """Who the Router takes you for."""
        return await self._http.send(user.current_user())

    async def close(self) -> None:
        """Close the connections; every later call raises ``ClientClosedError``."""
        await self._http.close()

    async def _created(self, flow: Flow[SandboxSummary], limit: float | None) -> AsyncSandbox:
        sandbox = self._handle_on(await self._http.run(flow))
        if limit is not None:
            async with AsyncExitStack() as unless_running:
                await unless_running.enter_async_context(sandbox)
                await self._http.run(wait_for(sandbox.id, CREATED, timeout=limit))
                unless_running.pop_all()
        return sandbox

    def _handle_on(self, summary: SandboxSummary) -> AsyncSandbox:
        return self._handle(summary.sandbox_id, summary.name, summary.namespace)

    def _handle(self, sandbox_id: str, name: str, namespace: str) -> AsyncSandbox:
        sandbox = AsyncSandbox(self._http, sandbox_id, name, namespace)
        sandbox._termination = self._termination  # pyright: ignore[reportPrivateUsage]  # handed on
        return sandbox

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncAgentTierClient({self._http.address!r})"


class SandboxCreation(Coroutine[Any, Any, AsyncSandbox]):
    """A sandbox being created: await it, or enter it to have it terminated at the end.

    It is a coroutine, so tasks can be made of it, and Python warns if it is never awaited.
    """

    def __init__(self, creating: Coroutine[Any, Any, AsyncSandbox]) -> None:
        self._creating = creating
        self._sandbox: AsyncSandbox | None = None

    def __await__(self) -> Generator[Any, Any, AsyncSandbox]:
        return self._creating.__await__()

    async def __aenter__(self) -> AsyncSandbox:
        self._sandbox = await self._creating
        return await self._sandbox.__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._sandbox is not None:
            await self._sandbox.__aexit__(exc_type, exc, traceback)

    def send(self, value: Any, /) -> Any:
        """Go on, as coroutines do."""
        return self._creating.send(value)

    def throw(self, *exception: Any) -> Any:
        """Raise inside, as coroutines do."""
        return self._creating.throw(*exception)

    def close(self) -> None:
        """End without a result, as coroutines do."""
        self._creating.close()


def _wait_limit(wait: bool | float) -> float | None:
    """Seconds to wait for a created sandbox; None for not at all."""
    if wait is False:
        return None
    return DEFAULT_TIMEOUT if wait is True else seconds("wait", wait, zero="looks once")


def _url_from_env() -> str:
    url = os.environ.get("AGENTTIER_API_URL", "").strip()
    if not url:
        raise InvalidRequestError("AGENTTIER_API_URL is not set: it names the Router to talk to")
    return url
