"""One call through each mount, beside the same through httpx's own MockTransport."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx

from agenttier import AgentTierClient, APIKeyAuth
from benchmarks.measure import Row, in_turns, repeated
from pytest_agenttier import FakeRouter

_CALLS = 500


def rows() -> Iterator[Row]:
    """GET of one sandbox."""
    with ExitStack() as stack:
        router = stack.enter_context(FakeRouter(exec="scripted"))
        router.create("demo")
        headers = {"X-API-Key": router.api_key}
        target = "/api/v1/sandboxes/demo"
        real = router.get(target)
        if not isinstance(real.body, bytes):
            raise TypeError("a sandbox is no stream")
        body = real.body

        def answer(request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers=real.headers, stream=httpx.ByteStream(body))

        def get(**options: object) -> httpx.Client:
            client = httpx.Client(headers=headers, **options)  # type: ignore[arg-type]  # two of them
            return stack.enter_context(client)

        mock = get(base_url="http://router.invalid", transport=httpx.MockTransport(answer))
        inside = get(base_url="http://router.invalid", transport=router.transport)
        outside = get(base_url=router.url)
        ours = stack.enter_context(
            AgentTierClient(
                "http://router.invalid", APIKeyAuth(router.api_key), transport=router.transport
            )
        ).sandbox("demo")
        times = in_turns(
            {
                "mock": repeated(lambda: mock.get(target), _CALLS),
                "in process": repeated(lambda: inside.get(target), _CALLS),
                "client": repeated(ours.status, _CALLS),
                "loopback": repeated(lambda: outside.get(target), _CALLS),
            },
            rounds=9,
        )
    mocked = times["mock"] / _CALLS
    for name, what, goal in (
        ("in process", "a call in process, by httpx", "1.3 times"),
        ("client", "a call in process, by our client, parsed", ""),
        ("loopback", "a call over loopback, by httpx", ""),
    ):
        taken = times[name] / _CALLS
        yield Row(
            what,
            f"{taken * 1e6:.0f} µs",
            f"MockTransport {mocked * 1e6:.0f} µs",
            taken / mocked,
            goal,
        )
