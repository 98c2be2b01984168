"""What waiting for a sandbox costs: looks and milliseconds, of 200 each."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from agenttier import AgentTierClient, APIKeyAuth
from benchmarks.measure import Row
from pytest_agenttier import FakeRouter

_WAITS = 200


def rows() -> Iterator[Row]:
    """In process on the fake's clock; over loopback against ``serve``, on the wall's."""
    with FakeRouter(exec="scripted") as router:
        client = AgentTierClient(
            "http://router.invalid", APIKeyAuth(router.api_key), transport=router.transport
        )
        seconds = _wait(client)
        looks = sum(request.method == "GET" for request in router.requests)
    yield _row("in process", seconds, looks)
    command = [sys.executable, "-m", "pytest_agenttier", "serve", "--exec", "scripted"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as serve:
        if serve.stdout is None or serve.stderr is None:
            raise RuntimeError("serve has no pipes")
        printed = dict(serve.stdout.readline().strip().split("=", 1) for _ in range(2))
        with AgentTierClient(
            printed["AGENTTIER_API_URL"], APIKeyAuth(printed["AGENTTIER_API_KEY"])
        ) as client:
            seconds = _wait(client)
        serve.terminate()
        looks = sum(line.startswith("GET ") for line in serve.stderr)
    yield _row("over loopback", seconds, looks)


def _wait(client: AgentTierClient) -> float:
    spent = 0.0
    for _ in range(_WAITS):
        sandbox = client.create_sandbox("general-coding")
        started = time.perf_counter()
        sandbox.wait_until_running()
        spent += time.perf_counter() - started
        sandbox.terminate()
    return spent


def _row(where: str, seconds: float, looks: int) -> Row:
    return Row(
        f"waiting until Running, {where}",
        f"{looks / _WAITS:.1f} looks, {seconds / _WAITS * 1e3:.2f} ms",
    )
