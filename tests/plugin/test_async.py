"""Both async worlds: pytest-asyncio and anyio, asyncio and trio."""

from __future__ import annotations

import pytest

from pytest_agenttier import FakeRouter

from .conftest import leftovers

TESTS = """
import pytest
from pytest_agenttier import assert_exec

pytestmark = [{marks}]

async def test_sandbox(async_sandbox):
    assert (await async_sandbox.status()).status == "Running"

async def test_factory(async_sandbox_factory):
    async with async_sandbox_factory() as one, async_sandbox_factory() as other:
        assert one.name != other.name
        assert (await other.status()).status == "Running"

async def test_client(agenttier_async_client):
    sandbox = await agenttier_async_client.create_sandbox("general-coding")
    await sandbox.wait_until_running()
"""

SYNC = """
def test_sync(sandbox):
    assert sandbox.status().status == "Running"
"""

STRICT = ["-p", "asyncio", "-o", "asyncio_default_fixture_loop_scope=function"]


@pytest.fixture(params=["offline", "live"])
def router_options(request: pytest.FixtureRequest, live: FakeRouter) -> list[str]:
    """The same tests on the fake in process and on a Router over loopback."""
    if request.param == "offline":
        return ["--agenttier-exec=scripted"]
    return [f"--agenttier-url={live.url}"]


@pytest.mark.parametrize(
    ("marks", "arguments", "passed"),
    [
        pytest.param("pytest.mark.asyncio", STRICT, 4, id="asyncio-strict"),
        pytest.param("", [*STRICT, "-o", "asyncio_mode=auto"], 4, id="asyncio-auto"),
        pytest.param(
            "pytest.mark.asyncio(loop_scope='module')", STRICT, 4, id="asyncio-module-loop"
        ),
        pytest.param("pytest.mark.anyio", [], 7, id="anyio-asyncio-and-trio"),
        pytest.param("pytest.mark.anyio", STRICT, 7, id="both-plugins"),
    ],
)
def test_async_tests_run_without_a_warning(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    live: FakeRouter,
    router_options: list[str],
    marks: str,
    arguments: list[str],
    passed: int,
) -> None:
    """Every runner, under -W error; nothing is left open and nothing is left behind."""
    monkeypatch.delenv("PYTEST_ADDOPTS")
    if not arguments:
        arguments = ["-p", "no:asyncio"]
    pytester.makepyfile(TESTS.format(marks=marks), test_sync=SYNC)

    result = pytester.runpytest_subprocess("-W", "error", *arguments, *router_options)

    result.assert_outcomes(passed=passed)
    assert leftovers(live) == b'{"sandboxes":null}\n'


FORGOTTEN = """
import pytest
from pytest_agenttier import assert_exec

@pytest.mark.anyio
async def test_it(async_sandbox, anyio_backend_name):
    assert_exec(async_sandbox, "true")
"""


def test_an_assertion_that_is_not_awaited_fails_the_test(pytester: pytest.Pytester) -> None:
    """It checked nothing, and the message has the line to write."""
    pytester.makepyfile(FORGOTTEN)

    result = pytester.runpytest("--agenttier-exec=scripted", "-W", "error", "-k", "asyncio")

    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        ["*was never awaited, so it checked nothing; write: await assert_exec(sandbox, 'true', *"]
    )


def test_nobody_else_is_blamed_for_a_forgotten_await(pytester: pytest.Pytester) -> None:
    """Neither when the test has failed already, nor when a fixture forgot it at its end."""
    pytester.makepyfile(
        """
        import pytest
        from pytest_agenttier import assert_exec

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_fails_otherwise(async_sandbox):
            assert_exec(async_sandbox, "false")
            assert 1 == 2

        @pytest.fixture
        def late(async_sandbox):
            yield
            assert_exec(async_sandbox, "false")

        def test_late(late): pass

        def test_innocent(): pass
        """
    )

    result = pytester.runpytest("--agenttier-exec=scripted", "-W", "error")

    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_late*", "assert_exec on an *"])


def test_an_awaited_assertion_checks(pytester: pytest.Pytester) -> None:
    """Directly, in a task group, and in gather."""
    pytester.makepyfile(
        """
        import asyncio
        import pytest
        from pytest_agenttier import assert_exec

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def test_it(async_sandbox, fake_router):
            fake_router.exec.register("a", stdout="1", times=3)
            result = await assert_exec(async_sandbox, "a", stdout="1")
            assert result.exit_code == 0
            await asyncio.gather(
                assert_exec(async_sandbox, "a", stdout="1"),
                asyncio.create_task(assert_exec(async_sandbox, "a", stdout="1")),
            )

        async def test_wrong(async_sandbox, fake_router):
            fake_router.exec.register("a", stdout="1")
            await assert_exec(async_sandbox, "a", stdout="2")
        """
    )

    result = pytester.runpytest("--agenttier-exec=scripted", "-W", "error")

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*stdout differs (- expected, + got):*"])
