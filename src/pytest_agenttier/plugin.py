"""pytest hooks of pytest-agenttier. PYTEST_DONT_REWRITE.

At import this takes pytest, the standard library and the plugin's own settings, nothing else:
whoever does not use a sandbox does not pay for one.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_agenttier import naming
from pytest_agenttier import settings as _settings
from pytest_agenttier.fixtures import (
    READ_MARKER,
    _agenttier_run,  # pyright: ignore[reportPrivateUsage]  # private to users, not to pytest
    agenttier_async_client,
    agenttier_client,
    agenttier_env,
    agenttier_sandbox_options,
    agenttier_template,
    agenttier_templates,
    agenttier_url,
    async_sandbox,
    async_sandbox_factory,
    fake_router,
    sandbox,
    sandbox_factory,
)

if TYPE_CHECKING:
    from collections.abc import Generator

# pytest takes the fixtures from this module, as from every plugin.
__all__ = [
    "_agenttier_run",
    "agenttier_async_client",
    "agenttier_client",
    "agenttier_env",
    "agenttier_sandbox_options",
    "agenttier_template",
    "agenttier_templates",
    "agenttier_url",
    "async_sandbox",
    "async_sandbox_factory",
    "fake_router",
    "sandbox",
    "sandbox_factory",
]

_RUN_INPUT = "agenttier_run"
_PASSED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    _settings.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, resolve the options, name the run."""
    config.addinivalue_line(
        "markers",
        "agenttier(*, template, namespace, timeout, idle_timeout, storage_size, wait_timeout): "
        "how the sandbox of a test is made; on a function it counts before the class's and the "
        "module's.",
    )
    config.addinivalue_line("markers", "agenttier_live: makes sense on a live Router only.")
    config.addinivalue_line("markers", "agenttier_offline: makes sense on the offline fake only.")
    if config.option.help:
        return  # a broken configuration must not hide the page that explains it
    config.stash[_settings.KEY] = _settings.resolve(config)
    workerinput: dict[str, Any] = getattr(config, "workerinput", {})  # xdist's; any plugin adds
    config.stash[naming.KEY] = naming.Namer(
        workerinput.get(_RUN_INPUT) or naming.new_run(time.time()),
        workerinput.get("workerid", "main"),
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # xdist's WorkerController has no public type
    """Tell an xdist worker which run it belongs to."""
    node.workerinput[_RUN_INPUT] = node.config.stash[naming.KEY].run


def pytest_sessionstart(session: pytest.Session) -> None:
    """Take SIGTERM, by which CI systems cancel, to pytest's own interrupt: it cleans up."""
    settings = session.config.stash[_settings.KEY]
    if settings.url.value is None or not settings.sigterm.value:
        return
    here = threading.current_thread() is threading.main_thread()
    if here and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        session.config.add_cleanup(_give_sigterm_back)


def _give_sigterm_back() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # xdist's WorkerController has no public type
    """Delete what a worker left that is no more."""
    _bury(node.config, node.gateway.id)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Delete what dead workers left, once more at the end."""
    if not hasattr(session.config, "workerinput"):
        _bury(session.config, "")


def _bury(config: pytest.Config, worker: str) -> None:
    settings = config.stash.get(_settings.KEY, None)
    # Only xdist's controller has workers to bury.
    if settings is None or settings.url.value is None or not config.getoption("tx", None):
        return
    from pytest_agenttier.run import Run

    Run.of(config).books.bury(worker)


def pytest_report_header(config: pytest.Config) -> str:
    """Say what the sandboxes of this run are, and where that was chosen."""
    settings = config.stash[_settings.KEY]
    url, template, engines = settings.url, settings.template, settings.exec
    words = (
        [f"Router at {url.value} (from {url.source})"]
        if url.value
        else [
            f"offline fake Router (url: {url.source})",
            f"exec: {', '.join(engines.value)} ({engines.source}){_engine_taken(config)}",
        ]
    )
    words.append(f"template: {', '.join(template.value)} ({template.source})")
    if settings.namespace.source != "default":
        words.append(f"namespace: {settings.namespace.value} ({settings.namespace.source})")
    return f"agenttier: {'; '.join(words)}"


def _engine_taken(config: pytest.Config) -> str:
    """What the header adds where commands may run unisolated; trying it out has been asked for."""
    engines = config.stash[_settings.KEY].exec.value
    if "subprocess" not in engines or config.option.collectonly:
        return ""
    from pytest_agenttier.fake import FakeRouter
    from pytest_agenttier.fake.engines import EngineUnavailable

    with FakeRouter(exec=engines) as router:
        try:
            taken = router.engine
        except EngineUnavailable:  # the first command tells why
            return ", of which none works here"
    return ": subprocess, on this machine, not isolated" if taken == "subprocess" else f": {taken}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Report a marker that says nothing; run tests once per template where there are several."""
    marked = _marked_template(metafunc)
    if "agenttier_template" not in metafunc.fixturenames or marked:
        return
    templates = metafunc.config.stash[_settings.KEY].template.value
    if len(templates) > 1 and not _parametrizes_sandbox(metafunc.definition):
        metafunc.parametrize("agenttier_template", templates, indirect=True, scope="session")


def _marked_template(metafunc: pytest.Metafunc) -> str | None:
    if metafunc.definition.get_closest_marker("agenttier") is None:
        return None
    from pytest_agenttier.options import from_markers

    try:
        return from_markers(metafunc.definition).template
    except ValueError as error:
        pytest.fail(f"{metafunc.definition.nodeid}: {error}", pytrace=False)


def _parametrizes_sandbox(definition: pytest.Function) -> bool:
    own = {"agenttier_template", "sandbox", "async_sandbox"}
    for mark in definition.iter_markers("parametrize"):
        names = mark.args[0] if mark.args else mark.kwargs.get("argnames", ())
        split = names.split(",") if isinstance(names, str) else names
        if own.intersection(name.strip() for name in split):
            return True
    return False


def pytest_make_parametrize_id(val: object) -> str | None:
    """Show a SandboxOptions as what it changes, not as ``sandbox0``."""
    options = sys.modules.get("pytest_agenttier.options")
    return str(val) if options and isinstance(val, options.SandboxOptions) else None


@pytest.hookimpl(specname="pytest_runtest_setup")
def pytest_agenttier_check_router(item: pytest.Item) -> None:
    """Skip a test that is for the other kind of Router; fail one whose Router does not answer.

    By now a test that is skipped by pytest itself has been.
    """
    url = item.config.stash[_settings.KEY].url
    if url.value is None and item.get_closest_marker("agenttier_live"):
        pytest.skip(f"needs a live Router: --agenttier-url=… (url: {url.source})")
    if url.value is not None and item.get_closest_marker("agenttier_offline"):
        pytest.skip(f"needs the offline fake, and this run is live: {url.value} ({url.source})")
    if "_agenttier_run" in getattr(item, "fixturenames", ()) and not item.config.option.setupplan:
        from pytest_agenttier.run import Run

        Run.of(item.config).check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Name what the test makes after it, and judge the assertions of its fixtures."""
    item.config.stash[naming.KEY].test = item.name
    with _awaited():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that forgot to await an assertion, or whose marker came to nothing."""
    _check_marker(item)
    with _awaited():
        outcome = yield
    item.stash[_PASSED] = True
    return outcome


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Lift what a test bent on the fake before fixtures clean up; then judge it."""
    runs = sys.modules.get("pytest_agenttier.run")
    run = item.config.stash.get(runs.Run.KEY, None) if runs is not None else None
    passed = item.stash.get(_PASSED, False)
    complaints: list[str] = run.end_of_test(passed=passed) if run is not None else []
    with _awaited():
        outcome = yield
    if complaints:
        pytest.fail("\n\n".join(complaints), pytrace=False)
    return outcome


@contextmanager
def _awaited() -> Generator[None]:
    """Fail whoever leaves an assertion behind without awaiting it; nobody else gets the blame."""
    try:
        yield
    except BaseException:
        _take_unawaited()
        raise
    if complaint := _take_unawaited():
        pytest.fail(complaint, pytrace=False)


def _take_unawaited() -> str | None:
    assertions = sys.modules.get("pytest_agenttier.assertions")
    complaint: str | None = assertions.take_unawaited() if assertions is not None else None
    return complaint


def _check_marker(item: pytest.Item) -> None:
    """Fail a test whose marker nobody read, since its conftest makes ``sandbox`` in its own way."""
    if item.get_closest_marker("agenttier") is None or item.stash.get(READ_MARKER, False):
        return
    if {"sandbox", "async_sandbox"}.intersection(getattr(item, "fixturenames", ())):
        pytest.fail(
            "@pytest.mark.agenttier configures the sandbox that the plugin makes, and this test's "
            "is made by a fixture of its own: say it there, sandbox_factory(template=…)",
            pytrace=False,
        )
