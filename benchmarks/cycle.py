"""A sandbox's whole life, beside the same command by bare subprocess."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator

from agenttier import AgentTierClient, APIKeyAuth
from benchmarks.measure import Row, in_turns, repeated
from pytest_agenttier import FakeRouter

_CYCLES = 50


def rows() -> Iterator[Row]:
    """Create, wait, exec, terminate; in process."""
    with FakeRouter(exec="scripted") as scripted, FakeRouter(exec="pod") as pods:
        scripted.exec.register("echo hi", stdout="hi\n", times=None)
        times = in_turns(
            {
                "subprocess": repeated(_bare, _CYCLES),
                "scripted": repeated(_cycle(scripted), _CYCLES),
                "pod": repeated(_cycle(pods), _CYCLES),
            },
            rounds=9,
        )
    bare = times["subprocess"] / _CYCLES
    for name, what, goal in (
        ("scripted", "sandbox cycle, scripted", "0.6 ms"),
        ("pod", "sandbox cycle, in a pod", "2.2 ms"),
    ):
        taken = times[name] / _CYCLES
        yield Row(
            what,
            f"{taken * 1e3:.2f} ms",
            f"subprocess.run {bare * 1e3:.2f} ms",
            taken / bare,
            goal,
        )


def _bare() -> None:
    subprocess.run(["/bin/sh", "-c", "echo hi"], capture_output=True, check=True)


def _cycle(router: FakeRouter) -> Callable[[], None]:
    client = AgentTierClient(
        "http://router.invalid", APIKeyAuth(router.api_key), transport=router.transport
    )

    def cycle() -> None:
        sandbox = client.create_sandbox("general-coding")
        sandbox.wait_until_running()
        if sandbox.exec("echo hi").stdout != "hi\n":
            raise RuntimeError("the command did not run")
        sandbox.terminate()

    return cycle
