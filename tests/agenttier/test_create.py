"""Creating: names, lost answers, waiting, and clean-up at the end of a block."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from agenttier import (
    AgentTierClient,
    APIConnectionError,
    APIError,
    APIKeyAuth,
    APITimeoutError,
    AsyncAgentTierClient,
    NotFoundError,
    RetryConfig,
    SandboxErrorState,
    SandboxTimeoutError,
)
from agenttier._resources.sandboxes import new_name, terminate_sandbox

from .conftest import RUNNING, Script

if TYPE_CHECKING:
    from agenttier._operation import Flow

    from .conftest import Colour

CREATED = (201, {**RUNNING, "status": "Creating"})
MISSING = (404, {"error": "sandbox demo not found"})
LOST = httpx.RemoteProtocolError("Server disconnected without sending a response.")
GATEWAY = (502, b"<html>Bad Gateway</html>")
LOSSES = [LOST, httpx.ReadTimeout("timed out"), httpx.ReadError("reset"), GATEWAY]


def test_a_name_is_made_where_none_is_given(colour: Colour) -> None:
    """Valid and unique: sbx- and twelve letters or digits."""
    client, script = colour.script(CREATED)

    colour.call(client.create_sandbox, "t")

    assert re.fullmatch(r"sbx-[a-z2-7]{12}", json.loads(script.requests[0].content)["name"])
    assert len({new_name() for _ in range(1000)}) == 1000


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_answer_is_made_up_for_by_a_look(colour: Colour, loss: Any) -> None:
    """With a name of our own, what is found under it is ours."""
    client, script = colour.script(loss, (200, RUNNING))

    sandbox = colour.call(client.create_sandbox, "t")

    name = json.loads(script.requests[0].content)["name"]
    assert sandbox.id == "demo"
    assert script.lines == ["POST /api/v1/sandboxes", f"GET /api/v1/sandboxes/{name}"]


def test_a_create_still_under_way_is_found_a_little_later(colour: Colour) -> None:
    """The answer may be lost before the Router is done."""
    client, script = colour.script(LOST, MISSING, LOST, (200, RUNNING))

    assert colour.call(client.create_sandbox, "t").id == "demo"
    assert script.clock.pauses == [0.0, 0.1, 0.4]


def test_a_create_that_is_never_found_says_so(colour: Colour) -> None:
    """The error is the loss itself, with the name to look for."""
    client, script = colour.script(LOST, MISSING)

    with pytest.raises(APIConnectionError, match="may have been made all the same") as caught:
        colour.call(client.create_sandbox, "t")

    name = json.loads(script.requests[0].content)["name"]
    assert f"client.get_sandbox('{name}')" in str(caught.value)
    assert len(script.requests) == 5


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_answer_under_a_given_name_is_an_error(colour: Colour, loss: Any) -> None:
    """What is there may be somebody else's, so nothing is assumed."""
    client, script = colour.script(loss, (200, RUNNING))

    with pytest.raises((APIConnectionError, APITimeoutError, APIError)) as caught:
        colour.call(client.create_sandbox, "t", "demo")

    assert "client.sandbox('demo').terminate(missing_ok=True)" in str(caught.value)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        (500, {"error": 'failed to create sandbox: sandboxes.agenttier.io "demo" already exists'}),
        (400, {"error": "invalid timeout"}),
        httpx.ConnectError("refused"),
    ],
)
def test_a_refusal_is_not_a_lost_answer(colour: Colour, refusal: Any) -> None:
    """Nothing was made, so there is nothing to look for."""
    client, script = colour.script(refusal)

    with pytest.raises((APIError, APIConnectionError)) as caught:
        colour.call(client.create_sandbox, "t")

    assert "all the same" not in str(caught.value)
    assert {line.split()[0] for line in script.lines} == {"POST"}


@pytest.mark.parametrize("wait", [True, 5.0])
def test_wait_returns_a_running_sandbox(colour: Colour, wait: Any) -> None:
    """True, or seconds."""
    client, script = colour.script(CREATED, (200, {**RUNNING, "status": ""}), (200, RUNNING))

    colour.call(client.create_sandbox, "t", "demo", wait=wait)

    assert script.lines == ["POST /api/v1/sandboxes", *["GET /api/v1/sandboxes/demo"] * 2]


def test_a_sandbox_that_does_not_get_running_is_deleted_again(colour: Colour) -> None:
    """Otherwise nobody would have a handle on it."""
    client, script = colour.script(CREATED, (200, {**RUNNING, "status": "Creating"}), (204, b""))

    with pytest.raises(SandboxTimeoutError, match="What was made is being deleted"):
        colour.call(client.create_sandbox, "t", "demo", wait=0)

    assert script.lines[-1] == "DELETE /api/v1/sandboxes/demo"


def test_a_sandbox_that_ends_in_error_is_deleted_again(colour: Colour) -> None:
    """The same for a dead end."""
    failed = {**RUNNING, "status": "Error", "message": "Template resolution failed: x"}
    client, script = colour.script(CREATED, (200, failed), (204, b""))

    with pytest.raises(SandboxErrorState, match="Template resolution failed"):
        colour.call(client.create_sandbox, "t", "demo", wait=True)

    assert script.lines[-1] == "DELETE /api/v1/sandboxes/demo"


def _in_block(colour: Colour, sandbox: Any, error: Exception | None = None) -> None:
    """Enter and leave a block, by an error if there is one."""

    def synchronously() -> None:
        with sandbox:
            if error:
                raise error

    async def asynchronously() -> None:
        async with sandbox:
            if error:
                raise error

    colour.call(asynchronously if colour.is_async else synchronously)


def test_a_block_terminates_its_sandbox(colour: Colour) -> None:
    """At its end, whichever it is."""
    client, script = colour.script((204, b""))

    _in_block(colour, client.sandbox("demo"))

    assert script.lines == ["DELETE /api/v1/sandboxes/demo"]


def test_a_block_does_not_mind_a_sandbox_that_is_gone(colour: Colour) -> None:
    """It was to be gone."""
    _in_block(colour, colour.client(MISSING).sandbox("demo"))


def test_a_block_raises_what_termination_ends_in(colour: Colour) -> None:
    """Unless there is an error already."""
    with pytest.raises(APIError, match="etcd is away"):
        _in_block(colour, colour.client((500, {"error": "etcd is away"})).sandbox("demo"))


def test_a_block_never_hides_the_error_in_flight(
    colour: Colour, caplog: pytest.LogCaptureFixture
) -> None:
    """That termination failed as well is logged."""
    sandbox = colour.client((500, {"error": "etcd is away"})).sandbox("demo")

    with pytest.raises(ZeroDivisionError), caplog.at_level(logging.WARNING, "agenttier"):
        _in_block(colour, sandbox, ZeroDivisionError())

    assert "sandbox demo could not be terminated: etcd is away" in caplog.text


def test_terminating_what_is_gone_is_an_error_unless_it_is_fine(colour: Colour) -> None:
    """missing_ok decides."""
    sandbox = colour.client(MISSING).sandbox("demo")

    colour.call(sandbox.terminate, missing_ok=True)
    with pytest.raises(NotFoundError):
        colour.call(sandbox.terminate)


def test_an_owner_of_a_client_can_book_what_is_deleted(colour: Colour) -> None:
    """By a flow around the client's, whichever way a handle came and is terminated."""
    client = colour.client(CREATED, (204, b""), (200, RUNNING), (204, b""))
    deleted = []

    def booked(sandbox_id: str, *, missing_ok: bool) -> Flow[None]:
        yield from terminate_sandbox(sandbox_id, missing_ok=missing_ok)
        deleted.append((sandbox_id, missing_ok))

    client._termination = booked
    colour.call(colour.call(client.create_sandbox, "t").terminate)
    colour.call(colour.call(client.get_sandbox, "demo").delete)
    _in_block(colour, client.sandbox("other"))

    assert deleted == [("demo", False), ("demo", False), ("other", True)]


def test_a_delete_that_fails_is_not_booked(colour: Colour) -> None:
    """The flow of the client raises inside of its owner's."""
    client = colour.client((500, {"error": "etcd is away"}))
    deleted = []

    def booked(sandbox_id: str, *, missing_ok: bool) -> Flow[None]:
        yield from terminate_sandbox(sandbox_id, missing_ok=missing_ok)
        deleted.append(sandbox_id)

    client._termination = booked
    with pytest.raises(APIError, match="etcd is away"):
        colour.call(client.sandbox("demo").terminate)

    assert deleted == []


@pytest.mark.parametrize("loss", LOSSES)
def test_a_delete_that_is_sent_again_has_succeeded_when_nothing_is_left(
    colour: Colour, loss: Any
) -> None:
    """The first one was carried out, and its answer lost."""
    client, script = colour.script(loss, MISSING, retry=RetryConfig())

    colour.call(client.sandbox("demo").terminate)

    assert script.lines == ["DELETE /api/v1/sandboxes/demo"] * 2


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (httpx.ConnectError("refused"), MISSING),
        ((500, {"error": "etcd is away"}), MISSING),
        (LOST, (404, {"error": "access denied to sandbox demo"})),
    ],
)
def test_a_delete_that_was_not_lost_has_not_succeeded(
    colour: Colour, first: Any, then: Any
) -> None:
    """It never left, or was refused; or the sandbox is there, and somebody else's."""
    client, script = colour.script(first, then, retry=RetryConfig())

    with pytest.raises(NotFoundError):
        colour.call(client.sandbox("demo").terminate)

    assert len(script.requests) == 2


def test_a_create_that_is_sent_again_finds_what_the_lost_one_made(colour: Colour) -> None:
    """Its name is taken then, by nobody else."""
    taken = (500, {"error": 'failed to create sandbox: sandboxes.agenttier.io "x" already exists'})
    config = RetryConfig(max_retries=1, retry_post=True)
    client, script = colour.script(LOST, taken, (200, RUNNING), retry=config)

    assert colour.call(client.create_sandbox, "t").id == "demo"
    assert [line.split()[0] for line in script.lines] == ["POST", "POST", "GET"]


def test_somebody_elses_sandbox_is_not_missing(colour: Colour) -> None:
    """It is a 404 as well, but it is there (contract 2)."""
    sandbox = colour.client((404, {"error": "access denied to sandbox demo"})).sandbox("demo")

    with pytest.raises(NotFoundError, match="access denied"):
        colour.call(sandbox.terminate, missing_ok=True)


def test_the_loser_of_two_deletes_is_done(colour: Colour) -> None:
    """Its 500 says that the sandbox is gone (contract 3.4)."""
    race = 'failed to delete sandbox: sandboxes.agenttier.io "demo" not found'

    colour.call(colour.client((500, {"error": race})).sandbox("demo").terminate)


def _async_client(*answers: Any) -> tuple[AsyncAgentTierClient, Script]:
    script = Script(*answers)
    return AsyncAgentTierClient("http://router", APIKeyAuth("k"), transport=script), script


def test_a_creation_can_be_entered_without_await() -> None:
    """async with client.create_sandbox(...) as sandbox."""

    async def main() -> list[str]:
        client, script = _async_client(CREATED, (204, b""))
        async with client, client.create_sandbox("t", "demo") as sandbox:
            assert sandbox.id == "demo"
        return script.lines

    assert anyio.run(main) == ["POST /api/v1/sandboxes", "DELETE /api/v1/sandboxes/demo"]


def test_tasks_can_be_made_of_a_creation() -> None:
    """It is a coroutine: gather, create_task and wait_for take it."""

    async def main() -> list[str]:
        client, _ = _async_client(CREATED)
        async with client:
            task = asyncio.create_task(client.create_sandbox("t"))
            first, second = await asyncio.gather(task, client.create_sandbox("t"))
            third = await asyncio.wait_for(client.create_sandbox("t"), 5)
        return [first.id, second.id, third.id]

    assert asyncio.run(main()) == ["demo", "demo", "demo"]


def test_a_creation_that_is_forgotten_is_warned_about() -> None:
    """As with any coroutine that is never awaited."""
    client, _ = _async_client(CREATED)

    with pytest.warns(RuntimeWarning, match="was never awaited"):
        client.create_sandbox("t")


def test_a_creation_can_be_closed() -> None:
    """Then nothing is sent, and nothing warned about."""
    client, script = _async_client(CREATED)

    client.create_sandbox("t").close()

    assert script.lines == []


def test_a_task_made_of_a_creation_can_be_cancelled() -> None:
    """Before it has sent anything."""

    async def main() -> list[str]:
        client, script = _async_client(CREATED)
        async with client:
            task = asyncio.create_task(client.create_sandbox("t"))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        return script.lines

    assert asyncio.run(main()) == []


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_task_deletes_what_it_made(backend: str) -> None:
    """Also where every await of a cancelled task is cancelled."""

    class Network(Script):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.lowlevel.checkpoint()
            return await super().handle_async_request(request)

    async def main() -> list[str]:
        script = Network(CREATED, (204, b""))
        async with AsyncAgentTierClient("http://router", transport=script) as client:
            with anyio.CancelScope() as scope:
                async with client.create_sandbox("t", "demo"):
                    scope.cancel()
                    await anyio.sleep_forever()
        return script.lines

    assert anyio.run(main, backend=backend)[-1] == "DELETE /api/v1/sandboxes/demo"


def test_the_block_of_a_client_closes_it() -> None:
    """Its transport, too."""
    closed = []

    class Transport(Script):
        def close(self) -> None:
            closed.append(True)

    with AgentTierClient("http://router", transport=Transport(CREATED)):
        assert closed == []

    assert closed == [True]
