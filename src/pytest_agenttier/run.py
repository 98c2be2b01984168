"""One process's part of a run: the Router it talks to, and what it made there."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from agenttier import (
    AgentTierClient,
    AgentTierError,
    APIKeyAuth,
    AsyncAgentTierClient,
    auto_detect_auth,
)
from pytest_agenttier import naming
from pytest_agenttier import settings as _settings
from pytest_agenttier.cleanup.books import Books
from pytest_agenttier.factories import AsyncSandboxFactory, SandboxFactory
from pytest_agenttier.fake import FakeRouter
from pytest_agenttier.fake.engines.scripted import UnexpectedCommand

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping

    from agenttier import AuthProvider
    from pytest_agenttier.fake.transport import InProcessTransport
    from pytest_agenttier.naming import Namer
    from pytest_agenttier.settings import Settings

_CREDENTIALS = ("AGENTTIER_API_KEY", "AGENTTIER_TOKEN")
# Calls in process need a host in their URL; this one resolves nowhere (RFC 2606).
_IN_PROCESS_URL = "http://router.invalid"


class _LentClient(AgentTierClient):
    """The run's own: a test that closes it, as code under test may, does no harm to the others."""

    def close(self) -> None:
        """Do nothing."""


class _AsyncLentClient(AsyncAgentTierClient):
    """The asynchronous twin; it keeps no connection, so that any event loop may use it."""

    _keep_alive = False

    async def close(self) -> None:
        """Do nothing."""


class Run:
    """The Router of this process, its clients, and the books of what they make.

    Made once, when a test first needs it: ``Run.of(config)``.

    Args:
        settings: The plugin's options.
        namer: Makes this process's names.
    """

    KEY = pytest.StashKey["Run"]()

    def __init__(self, settings: Settings, namer: Namer) -> None:
        self.settings = settings
        self.namer = namer
        self.router: FakeRouter | None = None
        """The fake; None on a live run."""
        if settings.url.value is None:
            self.router = FakeRouter(exec=settings.exec.value)
            # A cluster has the namespace that a run is told to use.
            self.router.add_namespace(settings.namespace.value)
        self._templates: dict[str, Mapping[str, Any]] = {}
        self.books: Books = Books(namer, lambda: self.client, url=settings.url.value)
        """What is made through the clients, and its deleting."""
        self._unreachable: str | None = None
        self._checked = False

    @classmethod
    def of(cls, config: pytest.Config) -> Run:
        """The run of this process, made when first asked for."""
        run = config.stash.get(cls.KEY, None)
        if run is None:
            run = cls(config.stash[_settings.KEY], config.stash[naming.KEY])
            config.stash[cls.KEY] = run
            config.add_cleanup(run.close)
        return run

    @cached_property
    def client(self) -> AgentTierClient:
        """The synchronous client; what is made through it is deleted with the run."""
        url, auth, transport = self._way()
        client = _LentClient(url, auth, transport=transport)
        self.books.keep(client)
        return client

    @cached_property
    def async_client(self) -> AsyncAgentTierClient:
        """The asynchronous twin."""
        url, auth, transport = self._way()
        client = _AsyncLentClient(url, auth, transport=transport)
        self.books.keep(client)
        return client

    def _way(self) -> tuple[str, AuthProvider, InProcessTransport | None]:
        """How clients reach the Router: address, credentials, and the transport into the fake."""
        if self.router is None:
            return self.url, auto_detect_auth(), None
        return _IN_PROCESS_URL, APIKeyAuth(self.router.api_key), self.router.transport

    @property
    def url(self) -> str:
        """Base URL of the Router; the fake then serves on loopback."""
        if self.router is not None:
            return self.router.url
        url = self.settings.url.value
        if url is None:  # a run without a fake has a URL
            raise RuntimeError("neither a fake nor a URL")
        return url

    def access(self, environ: Mapping[str, str]) -> dict[str, str]:
        """The environment variables, besides the URL, that let another program in."""
        if self.router is None:
            return {name: environ[name] for name in _CREDENTIALS if environ.get(name)}
        spared = environ.get("NO_PROXY") or environ.get("no_proxy")
        hosts = f"{spared},127.0.0.1" if spared else "127.0.0.1"
        return {"AGENTTIER_API_KEY": self.router.api_key, "NO_PROXY": hosts, "no_proxy": hosts}

    def factory(self, template: str) -> SandboxFactory:
        """Makes sandboxes, of ``template`` where none is named."""
        return SandboxFactory(self, template)

    def async_factory(self, template: str) -> AsyncSandboxFactory:
        """Makes sandboxes in async code, of ``template`` where none is named."""
        return AsyncSandboxFactory(self, template)

    def add_templates(self, templates: Mapping[str, Mapping[str, Any]]) -> None:
        """Register a team's own templates in the fake."""
        if self.router is not None:
            for name, spec in templates.items():
                if self._templates.get(name) != spec:
                    self.router.add_template(name, spec)
                    self._templates[name] = spec

    @contextmanager
    def deleting(self) -> Generator[str]:
        """A name for one sandbox, noted before it is made and deleted at the end.

        A delete that fails is tried again with the run's end; it is raised here only where it
        hides no other failure.
        """
        name = self.books.new_name()
        try:
            yield name
        except BaseException:
            with suppress(AgentTierError):  # finish() tries again, and raises
                self.books.terminate(name)
            raise
        self.books.terminate(name)

    @asynccontextmanager
    async def deleting_async(self) -> AsyncGenerator[str]:
        """``deleting`` for async code; a cancelled test's sandbox goes all the same."""
        name = self.books.new_name()
        try:
            yield name
        except BaseException:
            with suppress(AgentTierError):  # finish() tries again, and raises
                await self._terminate_async(name)
            raise
        await self._terminate_async(name)

    async def _terminate_async(self, name: str) -> None:
        with anyio.CancelScope(shield=True):
            await self.async_client.sandbox(name).terminate(missing_ok=True)

    def check(self) -> None:
        """Fail the test if the live Router does not answer: once at length, then in one line."""
        if self.router is not None:
            return
        if not self._checked:
            self._checked = True
            complaint = self._complaint()
            if complaint is not None:
                url = self.settings.url
                self._unreachable = (
                    f"agenttier: {url.value} is not usable, as {self.namer.test} tells"
                )
                pytest.fail(complaint, pytrace=False)
        if self._unreachable is not None:
            pytest.fail(self._unreachable, pytrace=False)

    def _complaint(self) -> str | None:
        url = self.settings.url
        try:
            self.client.current_user()
        except AgentTierError as error:
            given = " and ".join(self.access(os.environ))
            return "\n".join(
                [
                    f"agenttier: the Router at {url.value} (from {url.source}) is not usable.",
                    f"  Tried: GET {url.value}/api/v1/user/me with {given or 'no credential'}",
                    f"  Got: {type(error).__name__}: {error}",
                    "  Offline instead: run without it.",
                ]
            )
        return None

    def end_of_test(self, *, passed: bool) -> list[str]:
        """Lift what the test bent on the fake; what is to be said about it.

        Answers that were not needed are no news of a test that did not get to its end.
        """
        if self.router is None:
            return []
        script = self.router.exec
        complaints = [
            f"fake_router.exec: the answer to {answer} was not needed; drop it, or register it "
            "with times=None"
            for answer in (script.unused() if passed else ())
        ]
        complaints += [
            f"fake_router.exec: nothing answered {request.command!r} in sandbox {request.sandbox}; "
            f"write: fake_router.exec.register({request.command!r}, stdout=…)"
            for request in script.unexpected()
        ]
        complaints += [
            f"fake_router: answering over loopback failed: {type(error).__name__}: {error}"
            for error in self.router.errors
            if not isinstance(error, UnexpectedCommand)  # told above
        ]
        self.router.reset_overlay()
        return complaints

    def close(self) -> None:
        """Let connections and the fake go."""
        self.books.close()
        if "client" in self.__dict__:
            AgentTierClient.close(self.client)
        if self.router is not None:
            self.router.close()
