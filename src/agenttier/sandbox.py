"""Handles on one sandbox, synchronous and asynchronous."""

# ruff: noqa: ASYNC109 (the timeouts are the sandbox's, and the released SDK's names)

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from agenttier._http import async_driver_over, driver_over
from agenttier._resources.exec import exec_command
from agenttier._resources.ports import forward_port, list_ports, remove_port
from agenttier._resources.sandboxes import (
    get_sandbox,
    resume_sandbox,
    stop_sandbox,
    terminate_sandbox,
)
from agenttier._resources.waiting import (
    DEFAULT_TIMEOUT,
    RUNNING,
    STOPPED,
    wait_for,
    wait_until_gone,
)
from agenttier.exceptions import AgentTierError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from types import TracebackType

    from agenttier._driver import AsyncDriver, Driver
    from agenttier._http import AsyncHTTPClient, SyncHTTPClient
    from agenttier.models import CommandResult, ForwardedPort, SandboxPhase, SandboxSummary

_log = logging.getLogger("agenttier")
_LONGEST_CLEANUP = 30.0
_NOT_TERMINATED = "sandbox %s could not be terminated: %s"


class Sandbox:
    """A handle on one sandbox; making one sends nothing.

    As a context manager it terminates the sandbox at the end::

        with client.create_sandbox("general-coding", wait=True) as sandbox:
            sandbox.exec("make test").check()

    Args:
        http: A client's connection, or an ``httpx.Client`` of your own whose ``base_url`` is the
            Router's.
        sandbox_id: What the Router calls the sandbox: its name.
        name: The sandbox's name.
        namespace: Its namespace; "" where it is not known.
    """

    def __init__(
        self, http: Driver | SyncHTTPClient, sandbox_id: str, name: str, namespace: str
    ) -> None:
        self.id = sandbox_id
        self.name = name
        self.namespace = namespace
        self._http = driver_over(http)
        self._termination = terminate_sandbox

    def status(self) -> SandboxSummary:
        """Look at the sandbox.

        Raises:
            NotFoundError: It is gone, or somebody else's.
        """
        return self._http.send(get_sandbox(self.id))

    @property
    def phase(self) -> SandboxPhase:
        """The present phase: each time this is read, the Router is asked."""
        return self.get_phase()

    def get_phase(self) -> SandboxPhase:
        """Ask for the present phase."""
        return self.status().phase

    def wait_until_running(
        self, timeout: float = DEFAULT_TIMEOUT, poll_interval: float | None = None
    ) -> SandboxSummary:
        """Wait until the sandbox is Running.

        The first look is at once, the next ones after 2 ms and growing pauses of at most 1 s. A
        Router that is away for a moment, and a pod that is to be restarted, are waited for. The
        last look is at the deadline, and is given 1 s.

        Args:
            timeout: Seconds to wait; 0 looks once.
            poll_interval: Seconds between two looks, in place of the growing pauses.

        Raises:
            SandboxTimeoutError: It was not Running in time; the message shows where it was when.
            SandboxErrorState: It is Stopped, or in Error for good.
            NotFoundError: It is gone, or somebody else's.
        """
        return self._http.run(
            wait_for(self.id, RUNNING, timeout=timeout, poll_interval=poll_interval)
        )

    def wait_until_stopped(
        self, timeout: float = DEFAULT_TIMEOUT, poll_interval: float | None = None
    ) -> SandboxSummary:
        """Wait until the sandbox is Stopped.

        Args:
            timeout: Seconds to wait; 0 looks once.
            poll_interval: Seconds between two looks, in place of the growing pauses.

        Raises:
            SandboxTimeoutError: It was not Stopped in time; the message shows where it was when.
            SandboxErrorState: It is in Error for good.
            NotFoundError: It is gone, or somebody else's.
        """
        return self._http.run(
            wait_for(self.id, STOPPED, timeout=timeout, poll_interval=poll_interval)
        )

    def wait_until_terminated(
        self, timeout: float = DEFAULT_TIMEOUT, poll_interval: float | None = None
    ) -> None:
        """Wait until the sandbox is gone, as it is a moment after ``terminate()``.

        Args:
            timeout: Seconds to wait; 0 looks once.
            poll_interval: Seconds between two looks, in place of the growing pauses.

        Raises:
            SandboxTimeoutError: It was still there; the message shows where it was when.
        """
        self._http.run(wait_until_gone(self.id, timeout=timeout, poll_interval=poll_interval))

    def exec(
        self,
        command: str | Sequence[str | PathLike[str]],
        timeout: float = 30,
        *,
        check: bool = False,
    ) -> CommandResult:
        """Run a command in the sandbox's shell, and wait for its end.

        The Router ends every command after 5 s (``ExecTimeoutError``), and cuts long output.

        Args:
            command: Text for ``sh -c``; or a sequence of words and paths, quoted for it.
            timeout: Whole seconds after which the command is to be ended.
            check: Raise if the exit code is not 0.

        Raises:
            InvalidRequestError: The command is empty or no text, or the timeout is no positive
                whole number.
            ConflictError: The sandbox is not Running.
            ExecTimeoutError: The Router gave up on the command.
            CommandError: ``check`` is set, and the exit code is not 0.
        """
        return self._http.send(exec_command(self.id, command, timeout=timeout, check=check))

    def stop(self) -> None:
        """Stop the sandbox; ``/workspace`` is kept, and the phase changes a moment later.

        Raises:
            ConflictError: It is not Running.
        """
        self._http.send(stop_sandbox(self.id))

    def resume(self) -> None:
        """Start the stopped sandbox again, or one in Error.

        Raises:
            ConflictError: It is neither Stopped nor in Error.
        """
        self._http.send(resume_sandbox(self.id))

    def terminate(self, missing_ok: bool = False) -> None:
        """Delete the sandbox and its ``/workspace``; it is gone a moment later.

        Args:
            missing_ok: Whether a sandbox that is gone already is fine.

        Raises:
            NotFoundError: It is gone already, or somebody else's.
        """
        self._http.run(self._termination(self.id, missing_ok=missing_ok))

    def delete(self, missing_ok: bool = False) -> None:
        """Do the same as ``terminate()``."""
        self.terminate(missing_ok)

    def forward_port(self, port: int, protocol: str = "http") -> ForwardedPort:
        """Forward a port, in every phase; forwarding it again is fine."""
        return self._http.send(forward_port(self.id, port, protocol))

    def list_ports(self) -> list[ForwardedPort]:
        """List the forwarded ports."""
        return self._http.send(list_ports(self.id))

    def remove_port(self, port: int) -> None:
        """Stop forwarding a port; removing one that is not forwarded is fine."""
        self._http.send(remove_port(self.id, port))

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.terminate(missing_ok=True)
        except AgentTierError as error:
            if exc is None:
                raise
            _log.warning(_NOT_TERMINATED, self.name, error)

    def __repr__(self) -> str:
        return f"Sandbox(id={self.id!r}, name={self.name!r}, namespace={self.namespace!r})"


class AsyncSandbox:
    """A handle on one sandbox; making one sends nothing."""

    def __init__(
        self, http: AsyncDriver | AsyncHTTPClient, sandbox_id: str, name: str, namespace: str
    ) -> None:
        self.id = sandbox_id
        self.name = name
        self.namespace = namespace
        self._http = async_driver_over(http)
        self._termination = terminate_sandbox

    async def status(self) -> SandboxSummary:
        """Look at the sandbox."""
        return await self._http.send(get_sandbox(self.id))

    async def get_phase(self) -> SandboxPhase:
        """Ask for the present phase."""
        return (await self.status()).phase

    async def wait_until_running(
        self, timeout: float = DEFAULT_TIMEOUT, poll_interval: float | None = None
    ) -> SandboxSummary:
        """Wait until the sandbox is Running."""
        return await self._http.run(
            wait_for(self.id, RUNNING, timeout=timeout, poll_interval=poll_interval)
        )

    async def wait_until_stopped(
        self, timeout: float = DEFAULT_TIMEOUT, poll_interval: float | None = None
    ) -> SandboxSummary:
        """Wait until the sandbox is Stopped."""
        return await self._http.run(
            wait_for(self.id, STOPPED, timeout=timeout, poll_interval=poll_interval)
        )

    async def wait_until_terminated(
        self, timeout: float = DEFAULT_TIMEOUT, poll_interval: float | None = None
    ) -> None:
        """Wait until the sandbox is gone, as it is a moment after ``terminate()``."""
        await self._http.run(wait_until_gone(self.id, timeout=timeout, poll_interval=poll_interval))

    async def exec(
        self,
        command: str | Sequence[str | PathLike[str]],
        timeout: float = 30,
        *,
        check: bool = False,
    ) -> CommandResult:
        """Run a command in the sandbox's shell, and wait for its end."""
        return await self._http.send(exec_command(self.id, command, timeout=timeout, check=check))

    async def stop(self) -> None:
        """Stop the sandbox; ``/workspace`` is kept, and the phase changes a moment later."""
        await self._http.send(stop_sandbox(self.id))

    async def resume(self) -> None:
        """Start the stopped sandbox again, or one in Error."""
        await self._http.send(resume_sandbox(self.id))

    async def terminate(self, missing_ok: bool = False) -> None:
        """Delete the sandbox and its ``/workspace``; it is gone a moment later."""
        await self._http.run(self._termination(self.id, missing_ok=missing_ok))

    async def delete(self, missing_ok: bool = False) -> None:
        """Do the same as ``terminate()``."""
        await self.terminate(missing_ok)

    async def forward_port(self, port: int, protocol: str = "http") -> ForwardedPort:
        """Forward a port, in every phase; forwarding it again is fine."""
        return await self._http.send(forward_port(self.id, port, protocol))

    async def list_ports(self) -> list[ForwardedPort]:
        """List the forwarded ports."""
        return await self._http.send(list_ports(self.id))

    async def remove_port(self, port: int) -> None:
        """Stop forwarding a port; removing one that is not forwarded is fine."""
        await self._http.send(remove_port(self.id, port))

    async def __aenter__(self) -> AsyncSandbox:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Shielded: a cancelled task still deletes what it made.
        with anyio.move_on_after(_LONGEST_CLEANUP, shield=True):
            try:
                await self.terminate(missing_ok=True)
            except AgentTierError as error:
                if exc is None:
                    raise
                _log.warning(_NOT_TERMINATED, self.name, error)

    def __repr__(self) -> str:
        return f"AsyncSandbox(id={self.id!r}, name={self.name!r}, namespace={self.namespace!r})"
