"""Commands that wait for each other: nothing in the fake makes one wait for the other's end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest

from agenttier import AgentTierClient, APIKeyAuth, AsyncAgentTierClient, CommandResult
from pytest_agenttier import FakeRouter

READER = "mkfifo p; cat p"
WRITER = "until [ -p p ]; do :; done; echo x > p"


@pytest.fixture(params=["in-process", "loopback"])
def address(request: pytest.FixtureRequest, router: FakeRouter) -> dict[str, object]:
    """How a client reaches the fake."""
    if request.param == "loopback":
        return {"api_url": router.url}
    return {"api_url": "http://router.invalid", "transport": router.transport}


def test_two_threads(router: FakeRouter, address: dict[str, object]) -> None:
    """One client, one sandbox, two commands of which each needs the other."""
    with (
        AgentTierClient(auth=APIKeyAuth(router.api_key), **address) as client,  # type: ignore[arg-type]  # of two shapes
        client.create_sandbox("general-coding", wait=True) as sandbox,
        ThreadPoolExecutor(2) as threads,
    ):
        results = list(threads.map(sandbox.exec, [READER, WRITER]))

    assert [result.stdout for result in results] == ["x\n", ""]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_two_tasks(router: FakeRouter, address: dict[str, object], backend: str) -> None:
    """The same in one event loop, of asyncio and of trio."""
    results: dict[str, CommandResult] = {}

    async def both() -> None:
        async with (
            AsyncAgentTierClient(auth=APIKeyAuth(router.api_key), **address) as client,  # type: ignore[arg-type]  # of two shapes
            client.create_sandbox("general-coding", wait=True) as sandbox,
            anyio.create_task_group() as tasks,
        ):

            async def run(command: str) -> None:
                results[command] = await sandbox.exec(command)

            tasks.start_soon(run, READER)
            tasks.start_soon(run, WRITER)

    anyio.run(both, backend=backend)

    assert (results[READER].stdout, results[WRITER].stdout) == ("x\n", "")
