"""Makes sandboxes for tests: Running when handed out, deleted when let go."""

from __future__ import annotations

from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import TYPE_CHECKING

from agenttier import SandboxTimeoutError
from pytest_agenttier.options import Complete, SandboxOptions, completed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Sequence
    from datetime import timedelta

    from agenttier import AsyncSandbox, Sandbox
    from pytest_agenttier.run import Run


class SandboxFactory:
    """Makes sandboxes on the Router of this run.

    Args:
        run: The run, which names and deletes them.
        template: The template of those that name none.
    """

    def __init__(self, run: Run, template: str) -> None:
        self._run = run
        self._template = template

    def __call__(
        self,
        *,
        template: str | None = None,
        namespace: str | None = None,
        timeout: str | timedelta | None = None,
        idle_timeout: str | timedelta | None = None,
        storage_size: str | None = None,
        wait_timeout: float | None = None,
    ) -> AbstractContextManager[Sandbox]:
        """A Running sandbox for the length of a ``with`` block, deleted at its end.

        Args:
            template: Name of the template; else the run's.
            namespace: Kubernetes namespace; else the run's.
            timeout: The sandbox stops this long after it became Running: ``"30m"``, a timedelta.
            idle_timeout: As ``timeout``; commands do not push it back (contract 4.4).
            storage_size: Size of ``/workspace``: ``"10Gi"``.
            wait_timeout: Seconds until it must be Running; else ``--agenttier-wait-timeout``.

        Raises:
            AgentTierError: It could not be made, or was not Running in time.
        """
        options = SandboxOptions(
            template=template,
            namespace=namespace,
            timeout=timeout,
            idle_timeout=idle_timeout,
            storage_size=storage_size,
            wait_timeout=wait_timeout,
        )
        return self.make([options], SandboxOptions())

    @contextmanager
    def make(
        self, layers: Sequence[SandboxOptions], conftest: SandboxOptions
    ) -> Generator[Sandbox]:
        """A sandbox from options in layers, the first counting most; ``conftest`` stands behind."""
        options = completed(layers, self._template, conftest, self._run.settings)
        with self._run.deleting() as name:
            sandbox = self._run.client.create_sandbox(
                options.template,
                name,
                options.namespace,
                options.timeout,
                options.idle_timeout,
                options.storage_size,
            )
            with _way_out(options):
                sandbox.wait_until_running(options.wait_timeout)
            yield sandbox


class AsyncSandboxFactory:
    """``SandboxFactory`` for async code, on asyncio and trio.

    Args:
        run: The run, which names and deletes them.
        template: The template of those that name none.
    """

    def __init__(self, run: Run, template: str) -> None:
        self._run = run
        self._template = template

    def __call__(
        self,
        *,
        template: str | None = None,
        namespace: str | None = None,
        timeout: str | timedelta | None = None,
        idle_timeout: str | timedelta | None = None,
        storage_size: str | None = None,
        wait_timeout: float | None = None,
    ) -> AbstractAsyncContextManager[AsyncSandbox]:
        """A Running sandbox for the length of an ``async with`` block, deleted at its end."""
        options = SandboxOptions(
            template=template,
            namespace=namespace,
            timeout=timeout,
            idle_timeout=idle_timeout,
            storage_size=storage_size,
            wait_timeout=wait_timeout,
        )
        return self._make(
            completed([options], self._template, SandboxOptions(), self._run.settings)
        )

    @asynccontextmanager
    async def _make(self, options: Complete) -> AsyncGenerator[AsyncSandbox]:
        async with self._run.deleting_async() as name:
            sandbox = await self._run.async_client.create_sandbox(
                options.template,
                name,
                options.namespace,
                options.timeout,
                options.idle_timeout,
                options.storage_size,
            )
            with _way_out(options):
                await sandbox.wait_until_running(options.wait_timeout)
            yield sandbox


@contextmanager
def _way_out(options: Complete) -> Generator[None]:
    """Name the plugin's own option where a start took too long."""
    try:
        yield
    except SandboxTimeoutError as error:
        longer = max(options.wait_timeout * 2, 60)
        error.hint = f"Longer: --agenttier-wait-timeout={longer:g}. What was made is being deleted."
        raise
