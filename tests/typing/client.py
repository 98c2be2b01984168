"""Checked by type checkers, never run: what users of the client write has the types they expect."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
from typing_extensions import assert_type

from agenttier import (
    AgentTierClient,
    APIKeyAuth,
    AsyncAgentTierClient,
    AsyncSandbox,
    AuthProvider,
    CommandResult,
    ForwardedPort,
    HTTPError,
    RetryConfig,
    Sandbox,
    SandboxCreation,
    SandboxPhase,
    SandboxSummary,
    SandboxTimeoutError,
)


class TeamAuth(AuthProvider):
    def apply(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = "Bearer team"


def synchronous() -> None:
    with AgentTierClient("http://r", TeamAuth(), 5, retry=RetryConfig(max_retries=1)) as client:
        assert_type(client, AgentTierClient)
        sandbox = client.create_sandbox("t", timeout=timedelta(hours=1), wait=30)
        assert_type(sandbox, Sandbox)
        assert_type(client.list_sandboxes(status=SandboxPhase.RUNNING), list[SandboxSummary])
        assert_type(sandbox.wait_until_running(), SandboxSummary)
        assert_type(sandbox.phase, SandboxPhase)
        assert_type(sandbox.exec(["echo", "hi"], check=True).check(), CommandResult)
        assert_type(sandbox.forward_port(8080), ForwardedPort)
        with client.sandbox("other") as other:
            assert_type(other, Sandbox)
    Sandbox(httpx.Client(base_url="http://r"), "a", "a", "default").exec("true", timeout=5)
    AgentTierClient("http://r", transport=httpx.HTTPTransport())


async def asynchronous() -> None:
    async with AsyncAgentTierClient("http://r", APIKeyAuth("k")) as client:
        assert_type(client, AsyncAgentTierClient)
        creation = client.create_sandbox("t")
        assert_type(creation, SandboxCreation)
        assert_type(await creation, AsyncSandbox)
        async with client.create_sandbox("t", wait=True) as sandbox:
            assert_type(sandbox, AsyncSandbox)
            assert_type(await sandbox.exec("true"), CommandResult)
            assert_type(await sandbox.get_phase(), SandboxPhase)
        task = asyncio.create_task(client.create_sandbox("t"))
        assert_type(await task, AsyncSandbox)
    AsyncAgentTierClient("http://r", transport=httpx.AsyncHTTPTransport())


def errors(error: HTTPError, timeout: SandboxTimeoutError) -> None:
    assert_type(error.status_code, int)
    assert_type(error.request_id, str | None)
    assert_type(error.retry_after, float | None)
    builtin: TimeoutError = timeout
    raise builtin
