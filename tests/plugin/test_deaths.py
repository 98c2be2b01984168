"""However a live run dies, nothing is left: real processes, really killed."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from pytest_agenttier import FakeRouter

from .conftest import INTERRUPTIBLE, leftovers

SUITE = """
import os, signal, time
import pytest

def test_before(sandbox): pass

def test_it(sandbox, agenttier_client):
    agenttier_client.create_sandbox("general-coding")
    print("ready", os.getpid(), flush=True)
    with open("ready", "a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(60)

def test_after(sandbox): pass
"""

PATIENCE = 15.0


def nothing_is_left(live: FakeRouter) -> bool:
    """Whether the list becomes empty within the time that is promised."""
    deadline = time.monotonic() + PATIENCE
    while leftovers(live) != b'{"sandboxes":null}\n':
        if time.monotonic() > deadline:
            return False
        select.select([], [], [], 0.05)
    return True


@pytest.fixture
def start(pytester: pytest.Pytester, live: FakeRouter) -> Iterator[Callable[..., Popen[bytes]]]:
    """Starts a run of its own process group, and returns once a test of it has two sandboxes."""
    pytester.makepyfile(SUITE)
    ready = pytester.path / "ready"
    runs: list[Popen[bytes]] = []

    def start(*arguments: str) -> Popen[bytes]:
        run = Popen(
            [sys.executable, "-c", INTERRUPTIBLE, f"--agenttier-url={live.url}", *arguments],
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        runs.append(run)
        deadline = time.monotonic() + 60
        while not (ready.exists() and ready.read_text().endswith("\n")):
            assert run.poll() is None, "the run ended by itself"
            assert time.monotonic() < deadline, "the run never got there"
            select.select([], [], [], 0.02)
        return run

    yield start
    for run in runs:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


@pytest.mark.parametrize("distributed", [[], ["-n1"]], ids=["alone", "xdist"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("whom", ["process", "group"])
def test_a_signal_to_the_run(
    pytester: pytest.Pytester,
    live: FakeRouter,
    start: Callable[..., Popen[bytes]],
    distributed: list[str],
    number: signal.Signals,
    whom: str,
) -> None:
    """To the process that was started, or to all of its group."""
    run = start(*distributed)
    assert leftovers(live) != b'{"sandboxes":null}\n'

    (os.kill if whom == "process" else os.killpg)(run.pid, number)
    run.wait(PATIENCE)

    assert nothing_is_left(live)
    assert journals(pytester) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("restarts", ["0", "4"])
def test_a_signal_to_a_worker(
    pytester: pytest.Pytester,
    live: FakeRouter,
    start: Callable[..., Popen[bytes]],
    number: signal.Signals,
    restarts: str,
) -> None:
    """The controller cleans up after it, whether or not it starts another."""
    run = start("-n1", f"--max-worker-restart={restarts}")
    worker = int(Path(pytester.path, "ready").read_text().split()[0])

    os.kill(worker, number)

    assert run.wait(60) != 0
    assert nothing_is_left(live)
    assert journals(pytester) == []


def journals(pytester: pytest.Pytester) -> list[Path]:
    """What is still on disk of any run."""
    deadline = time.monotonic() + PATIENCE
    while found := list(Path(os.environ["HOME"], ".local/state/pytest-agenttier").glob("runs/*/*")):
        if time.monotonic() > deadline:
            break
        select.select([], [], [], 0.05)
    return found


@pytest.mark.parametrize("distributed", [[], ["-n1"]], ids=["alone", "xdist"])
def test_an_exit_without_goodbye(
    pytester: pytest.Pytester, live: FakeRouter, distributed: list[str]
) -> None:
    """os._exit in a test."""
    pytester.makepyfile("import os\n\ndef test_it(sandbox): os._exit(3)")

    pytester.runpytest_subprocess(f"--agenttier-url={live.url}", *distributed)

    assert nothing_is_left(live)
    assert journals(pytester) == []
