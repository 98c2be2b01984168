"""The fixtures, each documented as ``pytest --fixtures`` shows it. PYTEST_DONT_REWRITE."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from pytest_agenttier import settings as _settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agenttier import AgentTierClient, AsyncAgentTierClient, AsyncSandbox, Sandbox
    from pytest_agenttier.factories import AsyncSandboxFactory, SandboxFactory
    from pytest_agenttier.fake import FakeRouter
    from pytest_agenttier.options import SandboxOptions
    from pytest_agenttier.run import Run


READ_MARKER = pytest.StashKey[bool]()
"""Set on a test whose ``agenttier`` marker has configured a sandbox."""


@pytest.fixture(scope="session")
def _agenttier_run(
    pytestconfig: pytest.Config, agenttier_templates: Mapping[str, Mapping[str, Any]]
) -> Iterator[Run]:
    from pytest_agenttier.run import Run

    run = Run.of(pytestconfig)
    run.check()  # for whoever asks by request.getfixturevalue()
    run.add_templates(agenttier_templates)
    yield run
    run.books.finish()


@pytest.fixture(scope="session")
def agenttier_templates() -> Mapping[str, Mapping[str, Any]]:
    """Templates of your own for the offline fake; redefine it in a conftest.

    Returns:
        Per name of a template its ``spec``, as ``POST /api/v1/templates`` takes it (contract
        3.10): ``{"my-agent": {"image": {"repository": "ghcr.io/acme/agent:v1"}}}``. On a live run
        nothing is registered: there the cluster has them.
    """
    return {}


@pytest.fixture
def agenttier_sandbox_options() -> SandboxOptions:
    """How ``sandbox`` is made where a test says nothing; redefine it in a conftest.

    Returns:
        A ``SandboxOptions``. Parameters, markers, and options given for this run
        (command line, environment) count before it; ini keys and defaults behind it.
    """
    from pytest_agenttier.options import SandboxOptions

    return SandboxOptions()


@pytest.fixture(scope="session")
def agenttier_template(request: pytest.FixtureRequest) -> str:
    """Name of the template of sandboxes that name none.

    With several ``--agenttier-template`` each test that makes a sandbox runs once per template.
    """
    template: str = getattr(request, "param", request.config.stash[_settings.KEY].template.value[0])
    return template


@pytest.fixture(scope="session")
def agenttier_client(_agenttier_run: Run) -> AgentTierClient:
    """An ``AgentTierClient`` on the offline fake, or on the Router of ``--agenttier-url``.

    On the fake it calls in process, as an ordinary user (no admin). Sandboxes made through it are
    named and, at the end of the run at the latest, deleted. It belongs to the run: closing it
    does nothing.
    """
    return _agenttier_run.client


@pytest.fixture(scope="session")
def agenttier_async_client(_agenttier_run: Run) -> AsyncAgentTierClient:
    """The ``AsyncAgentTierClient`` beside ``agenttier_client``: same Router, same rules.

    It may be used from any event loop, asyncio's or trio's, in turn.
    """
    return _agenttier_run.async_client


@pytest.fixture(scope="session")
def agenttier_url(_agenttier_run: Run) -> str:
    """Base URL of the Router; on the fake this starts a server on loopback."""
    return _agenttier_run.url


@pytest.fixture(scope="session")
def agenttier_env(_agenttier_run: Run, agenttier_url: str) -> dict[str, str]:
    """Environment variables that take another program to the same Router.

    Returns:
        ``AGENTTIER_API_URL`` and, where there is one, the credential (``AGENTTIER_API_KEY`` or
        ``AGENTTIER_TOKEN``); on the fake also ``NO_PROXY``, which keeps it off any proxy. Put them
        over a copy of ``os.environ``.
    """
    return {"AGENTTIER_API_URL": agenttier_url, **_agenttier_run.access(os.environ)}


@pytest.fixture(scope="session")
def sandbox_factory(_agenttier_run: Run, agenttier_template: str) -> SandboxFactory:
    """Makes sandboxes, as in ``with sandbox_factory(template="…") as sandbox:``.

    For several in one test, and for wider scopes: redefine ``sandbox`` with
    ``@pytest.fixture(scope="module")`` and yield from the factory. It takes what it is given, and
    the options of the run behind it; markers and ``agenttier_sandbox_options`` are of ``sandbox``.
    """
    return _agenttier_run.factory(agenttier_template)


@pytest.fixture(scope="session")
def async_sandbox_factory(_agenttier_run: Run, agenttier_template: str) -> AsyncSandboxFactory:
    """Makes sandboxes in async code, as in ``async with async_sandbox_factory() as sandbox:``."""
    return _agenttier_run.async_factory(agenttier_template)


@pytest.fixture
def sandbox(
    request: pytest.FixtureRequest,
    _agenttier_run: Run,
    agenttier_templates: Mapping[str, Mapping[str, Any]],
    sandbox_factory: SandboxFactory,
    agenttier_sandbox_options: SandboxOptions,
) -> Iterator[Sandbox]:
    """A Running sandbox of this test's own, deleted afterwards whatever happened.

    Configured by ``@pytest.mark.agenttier(template=…)``, or by indirect parametrization with a
    template's name or a ``SandboxOptions``.
    """
    _agenttier_run.add_templates(agenttier_templates)
    yield from _sandbox(request, sandbox_factory, agenttier_sandbox_options)


@pytest.fixture
def async_sandbox(
    request: pytest.FixtureRequest,
    _agenttier_run: Run,
    agenttier_templates: Mapping[str, Mapping[str, Any]],
    sandbox_factory: SandboxFactory,
    agenttier_sandbox_options: SandboxOptions,
) -> Iterator[AsyncSandbox]:
    """``sandbox`` for async tests: the same, as an ``AsyncSandbox``."""
    _agenttier_run.add_templates(agenttier_templates)
    for made in _sandbox(request, sandbox_factory, agenttier_sandbox_options):
        sandbox = _agenttier_run.async_client.sandbox(made.id)
        sandbox.namespace = made.namespace
        yield sandbox


def _sandbox(
    request: pytest.FixtureRequest, factory: SandboxFactory, conftest: SandboxOptions
) -> Iterator[Sandbox]:
    from pytest_agenttier.options import from_markers, from_parameter

    request.node.stash[READ_MARKER] = True
    layers = [from_markers(request.node)]
    if hasattr(request, "param"):
        layers.insert(0, from_parameter(request.param))
    with factory.make(layers, conftest) as made:
        yield made


@pytest.fixture
def fake_router(_agenttier_run: Run) -> FakeRouter:
    """The ``FakeRouter`` behind this test: to script, to inspect. Skips on a live Router.

    What a test bends on it is straightened before the fixtures of the test clean up; scripted
    answers that were not used, and commands that nothing answers, fail the test.
    """
    router = _agenttier_run.router
    if router is None:
        url = _agenttier_run.settings.url
        pytest.skip(f"needs the offline fake, and this run is live: {url.value} ({url.source})")
    return router
