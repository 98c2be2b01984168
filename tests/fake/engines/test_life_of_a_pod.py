"""What outlives a command, a stop, a delete, a close, and the death of the process itself."""

from __future__ import annotations

import os
import select
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier.fake.engines import EngineUnavailable, ExecFailed, ExecResult

from .conftest import Sandbox, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_agenttier.fake.engines.runtime import NodeRuntime

    from .conftest import PodServer


def ends_of(marker: str) -> list[int]:
    """Descriptors that become readable at the ends of the processes which show a marker."""
    shown = {path: _arguments(path) for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [
        os.pidfd_open(int(path.parent.name))
        for path, arguments in shown.items()
        if marker in arguments
    ]


def _arguments(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return ""


def all_end(descriptors: list[int]) -> bool:
    """Whether those processes end; waits for it, but not for ever."""
    ended = [bool(select.select([descriptor], [], [], 20)[0]) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    return all(ended)


def test_a_background_process_outlives_its_command(sandbox: Sandbox) -> None:
    """The next command still finds it (contract 5.1)."""
    pid = int(sandbox.run("sleep 600 > /dev/null 2>&1 & echo $!").stdout)

    assert sandbox.run(f"kill -0 {pid}").exit_code == 0


def test_a_background_process_ends_at_stop(sandbox: Sandbox, marker: str) -> None:
    """Also one that has left its session (contract 4.5)."""
    sandbox.run(f"setsid sleep {marker} > /dev/null 2>&1 &")
    sandbox.run(f"(sleep {marker} > /dev/null 2>&1 &) ")
    ends = ends_of(f"sleep {marker}")

    sandbox.stop()

    assert (len(ends), all_end(ends)) == (2, True)


def test_workspace_survives_stop_and_resume(pod: Sandbox) -> None:
    """/workspace is the volume; /tmp and /dev/shm are the pod's (contract 4.5)."""
    pod.run("echo kept > /workspace/k; echo lost > /tmp/l; echo lost > /dev/shm/l")

    pod.stop()

    assert pod.run("cat /workspace/k; ls -A /tmp /dev/shm").stdout == b"kept\n/dev/shm:\n\n/tmp:\n"


def test_nothing_of_a_stopped_pod_meets_the_resumed_one(sandbox: Sandbox, marker: str) -> None:
    """Its last process has ended before the first command of the next pod begins."""
    sandbox.run(f"for i in $(seq 300); do sleep {marker} > /dev/null 2>&1 & done")
    ends = ends_of(f"sleep {marker}")
    sandbox.stop()

    sandbox.run("true")

    ended = select.select(ends, [], [], 0)[0]
    assert all_end(ends)
    assert (len(ends), len(ended)) == (300, 300)


@pytest.mark.parametrize("engine", ["pod", "subprocess"])
def test_the_volume_of_a_deleted_sandbox_goes(
    engine: str, pods: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without waiting for the end of the run; and the same uid begins empty."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with running(engine) as runtime:
        sandbox = Sandbox(runtime)
        sandbox.run("mkdir -p a/b; touch a/b/c; chmod 0 a; sleep 600 > /dev/null 2>&1 &")
        sandbox.delete()

        while [*tmp_path.glob("*/*")]:
            continue

        assert sandbox.run("ls -A").stdout == b""


def test_what_was_never_used_can_be_stopped_and_deleted(own_runtime: NodeRuntime) -> None:
    """Without a command there is neither pod nor volume."""
    own_runtime.stop("no such uid")
    own_runtime.delete("no such uid")


@pytest.mark.parametrize("engine", ["pod", "subprocess"])
def test_nothing_is_left_after_close(engine: str, pods: None, marker: str, tmp_path: Path) -> None:
    """No process, no directory, no descriptor; and links in a volume are not followed."""
    (tmp_path / "kept").touch()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(temporary))
        descriptors = open_descriptors()
        with running(engine) as runtime:
            Sandbox(runtime).run(f"setsid sleep {marker} > /dev/null 2>&1 &")
            Sandbox(runtime).run(
                f"ln -s {tmp_path} link; mkdir -p a/b; ln -s {tmp_path}/kept a/b; chmod 000 a/b a"
            )
            ends = ends_of(marker)

    assert len(ends) == 1
    assert all(select.select([end], [], [], 0)[0] for end in ends)
    assert all_end(ends)
    assert (list(temporary.iterdir()), (tmp_path / "kept").exists()) == ([], True)
    assert open_descriptors() == descriptors


def test_a_closed_runtime_runs_nothing(pods: None) -> None:
    """It says so, and close may be called again."""
    with running("pod") as runtime:
        sandbox = Sandbox(runtime)
        sandbox.run("true")
        runtime.close()

        with pytest.raises(EngineUnavailable, match="closed"):
            sandbox.run("true")


def test_nothing_is_left_after_the_process_is_killed(
    killable_server: PodServer, marker: str, tmp_path: Path
) -> None:
    """SIGKILL leaves it no moment to clean up; the node does it."""
    killable_server.run(f"touch file; setsid sleep {marker} > /dev/null 2>&1 &")
    [directory] = tmp_path.glob("pytest-agenttier-*")
    ends = ends_of(marker) + ends_of(str(directory))

    killable_server.process.kill()

    assert len(ends) >= 3  # the sleep, the node, and what waits for the node
    assert all_end(ends)
    assert not directory.exists()


@pytest.mark.parametrize("engine", ["pod", "subprocess"])
def test_a_node_that_was_killed_is_named(engine: str, pods: None, marker: str) -> None:
    """All that it ran dies with it, and the next sandbox hears of it."""
    others = children_of(os.getpid())
    with running(engine) as runtime:
        Sandbox(runtime).run(f"setsid sleep {marker} > /dev/null 2>&1 &")
        [end] = ends_of(f"sleep {marker}")
        [waiting] = children_of(os.getpid()) - others
        [node] = children_of(waiting)

        os.kill(node, signal.SIGKILL)

        assert all_end([end])
        with pytest.raises(EngineUnavailable, match=r"the node process .* has ended"):
            Sandbox(runtime).run("true")


def test_a_command_under_way_fails_when_its_pod_is_stopped(pod: Sandbox) -> None:
    """Over HTTP the Router sees its connection end (contract 5.1)."""
    with ThreadPoolExecutor() as threads:
        under_way = threads.submit(pod.run, "touch started; sleep 600")
        pod.run("until [ -e started ]; do :; done")
        pod.stop()

        with pytest.raises(ExecFailed, match=r'^Post "http://10\.42\.\d+\.\d+:9000/exec": EOF$'):
            under_way.result()


def test_over_spdy_it_ends_as_killed(pod: Sandbox) -> None:
    """With the output so far, and 137 (contract 5.1)."""
    with ThreadPoolExecutor() as threads:
        under_way = threads.submit(
            pod.run, "echo so far; touch started; sleep 600", transport="spdy"
        )
        pod.run("until [ -e started ]; do :; done")
        pod.stop()

        assert under_way.result() == ExecResult(b"so far\n", b"", 137)


def test_commands_of_a_sandbox_run_at_the_same_time(sandbox: Sandbox) -> None:
    """One can wait for another (contract 5.2)."""
    together(
        lambda: sandbox.run("mkfifo p; cat p"),
        lambda: sandbox.run("until [ -p p ]; do :; done; echo x > p"),
    )


def test_many_commands_run_at_the_same_time(pod: Sandbox) -> None:
    """64 of them, each of which waits for all others (contract 5.2)."""
    wait = "touch $$.here; until [ $(ls | grep -c here) -ge 64 ]; do sleep 0.05; done; echo done"

    results = together(*[lambda: pod.run(wait, transport="spdy")] * 64)

    assert results == [ExecResult(b"done\n", b"", 0)] * 64


def test_many_sandboxes_run_at_the_same_time(own_runtime: NodeRuntime) -> None:
    """Each with its own files."""
    sandboxes = [Sandbox(own_runtime, f"s{number}") for number in range(16)]

    results = together(*(lambda s=s: s.run(f"echo {s.spec.name} > f; cat f") for s in sandboxes))

    assert [result.stdout for result in results] == [b"s%d\n" % number for number in range(16)]


def test_sandboxes_leave_nothing_in_this_process(own_runtime: NodeRuntime) -> None:
    """200 of them, each with a command and an end: no descriptor, no thread, no child more."""
    Sandbox(own_runtime).run("true")
    before = open_descriptors(), threading.active_count(), children_of(os.getpid())

    for _ in range(200):
        sandbox = Sandbox(own_runtime)
        sandbox.run("true")
        sandbox.delete()

    assert (open_descriptors(), threading.active_count(), children_of(os.getpid())) == before


def test_commands_leave_nothing_in_their_pod(pod: Sandbox) -> None:
    """After 200 of them: no process but the first, no zombie, and no descriptor more."""
    for _ in range(200):
        pod.run("(true &)")

    alone = "until [ $(ls -d /proc/[0-9]* | wc -l) -le 5 ]; do :; done"  # 1, sh, $( ), ls, wc
    assert pod.run(f"{alone}; ls /proc/self/fd | wc -l") == ExecResult(b"4\n", b"", 0)


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def together(*functions: Callable[[], ExecResult]) -> list[ExecResult]:
    with ThreadPoolExecutor(len(functions)) as threads:
        return [each.result() for each in [threads.submit(function) for function in functions]]
