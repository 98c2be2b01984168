"""How users of the plugin annotate their tests; checked by mypy and pyright, never run."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from typing_extensions import assert_type

from agenttier import AsyncSandbox, CommandResult, Sandbox
from pytest_agenttier import (
    AsyncSandboxFactory,
    FakeRouter,
    SandboxFactory,
    SandboxOptions,
    assert_exec,
    assert_result,
)


def test_sync(sandbox: Sandbox, sandbox_factory: SandboxFactory, fake_router: FakeRouter) -> None:
    assert_type(assert_exec(sandbox, "true", stdout=re.compile("x")), CommandResult)
    assert_type(assert_exec(sandbox, ["true"], exit_code=None, within=3), CommandResult)
    assert_type(assert_result(sandbox.exec("true"), stderr=""), CommandResult)
    with sandbox_factory(template="x", timeout="30m") as other:
        assert_type(other, Sandbox)
    assert_type(fake_router.url, str)


async def test_async(
    async_sandbox: AsyncSandbox, async_sandbox_factory: AsyncSandboxFactory
) -> None:
    task: Coroutine[Any, Any, CommandResult] = assert_exec(async_sandbox, "true")
    await task
    assert_type(await assert_exec(async_sandbox, "true"), CommandResult)
    async with async_sandbox_factory(storage_size="1Gi") as other:
        assert_type(other, AsyncSandbox)


@pytest.fixture(scope="module")
def wider(sandbox_factory: SandboxFactory) -> Iterator[Sandbox]:
    with sandbox_factory() as sandbox:
        yield sandbox


@pytest.fixture
def agenttier_sandbox_options() -> SandboxOptions:
    return SandboxOptions(template="x", wait_timeout=300)
