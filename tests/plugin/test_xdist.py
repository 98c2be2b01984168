"""Parallel runs: names, workers, one Router in another process."""

from __future__ import annotations

import re
import select
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_agenttier.naming import SandboxName

from .conftest import HELLO, INTERRUPTIBLE


@dataclass
class Served:
    """A fake Router in another process.

    Attributes:
        log: Its access log so far: method, target, status.
    """

    url: str
    key: str
    process: subprocess.Popen[str]
    log: list[tuple[str, str, int]] = field(default_factory=list)

    def get(self, path: str) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", headers={"X-API-Key": self.key})
        with urllib.request.urlopen(request) as answer:
            body: bytes = answer.read()
        return body

    def end(self, log: Path) -> None:
        """Interrupt it, and read what it logged."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        for line in log.read_text().splitlines():
            method, target, status = line.split()[:3]
            self.log.append((method, target, int(status)))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """``pytest-agenttier serve``, its key in the environment."""
    command = [sys.executable, "-m", "pytest_agenttier", "serve", "--port", "0"]
    with (
        tmp_path.joinpath("serve.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        printed = dict(process.stdout.readline().strip().split("=", 1) for _ in range(2))
        monkeypatch.setenv("AGENTTIER_API_KEY", printed["AGENTTIER_API_KEY"])
        yield Served(printed["AGENTTIER_API_URL"], printed["AGENTTIER_API_KEY"], process)
        if process.poll() is None:
            process.terminate()


def test_200_tests_on_two_workers_leave_nothing(
    pytester: pytest.Pytester, served: Served, tmp_path: Path
) -> None:
    """200 creates with 200 names, 200 deletes, and an empty list."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", range(200))
        def test_it(sandbox, n): pass
        """
    )

    result = pytester.runpytest_subprocess("-n2", f"--agenttier-url={served.url}")

    result.assert_outcomes(passed=200)
    served.get("/api/v1/sandboxes")
    assert served.get("/api/v1/sandboxes") == b'{"sandboxes":null}\n'
    served.end(tmp_path / "serve.log")
    creates = [line for line in served.log if line == ("POST", "/api/v1/sandboxes", 201)]
    deleted = [
        target for method, target, status in served.log if (method, status) == ("DELETE", 204)
    ]
    names = {SandboxName.parse(target.rpartition("/")[2]) for target in deleted}
    assert (len(creates), len(deleted), len(names)) == (200, 200, 200)
    assert None not in names
    assert {name.worker for name in names if name} == {"gw0", "gw1"}
    assert len({name.run for name in names if name}) == 1


@pytest.mark.usefixtures("pods")
def test_the_five_lines_run_offline_and_against_another_process(
    pytester: pytest.Pytester, served: Served
) -> None:
    """The same file, unchanged, in a pod of this process and in one of the other."""
    pytester.makepyfile(HELLO)

    pytester.runpytest_subprocess().assert_outcomes(passed=1)
    pytester.runpytest_subprocess(f"--agenttier-url={served.url}").assert_outcomes(passed=1)


@pytest.mark.usefixtures("pods")
def test_offline_every_worker_has_a_fake_of_its_own(pytester: pytest.Pytester) -> None:
    """What one worker makes the other does not see (design 2.10)."""
    pytester.makepyfile(
        """
        import pytest
        from pytest_agenttier import assert_exec

        @pytest.mark.parametrize("n", range(8))
        def test_it(sandbox, agenttier_client, worker_id, n):
            assert_exec(sandbox, f"echo {worker_id}", stdout=f"{worker_id}\\n")
            names = [summary.name for summary in agenttier_client.list_sandboxes()]
            assert {name.split("-")[2] for name in names} == {worker_id}
        """
    )

    pytester.runpytest_subprocess("-n2").assert_outcomes(passed=8)


PODS = """
import os, time
from pytest_agenttier import assert_exec

def test_it(sandbox):
    assert_exec(sandbox, "sleep 1234.5 > /dev/null 2>&1 &")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.usefixtures("pods")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_of_a_pod_outlives_the_run(
    pytester: pytest.Pytester, number: signal.Signals
) -> None:
    """Whatever ends pytest ends the pods too."""
    pytester.makepyfile(PODS)
    command = [sys.executable, "-c", INTERRUPTIBLE, "-s", "-p", "no:cacheprovider"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if "ready" in line:
                break
        below = _descendants(run.pid)
        assert any("sleep\x001234.5" in each for each in below.values())

        run.send_signal(number)
        run.stdout.read()
        run.wait(20)

    deadline = 2000
    while any(_commands(pid) == command for pid, command in below.items()):
        deadline -= 1
        assert deadline, f"still alive: {below}"
        select.select([], [], [], 0.005)


def _commands(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _descendants(root: int) -> dict[int, str]:
    """Command lines of all processes below one, by process id."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            match = re.match(r"(\d+) \(.*\) \S (\d+)", stat.read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
        if match:
            parents[int(match[1])] = int(match[2])
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: _commands(pid) for pid in found - {root}}
