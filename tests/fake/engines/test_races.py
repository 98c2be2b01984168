"""Commands that meet a stop, a delete, a fork, or the end of what this process may open."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_agenttier.fake.engines import EngineUnavailable, PodGone
from pytest_agenttier.fake.engines.host import Node

from .conftest import Sandbox, running
from .test_life_of_a_pod import all_end, children_of, ends_of, open_descriptors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_agenttier.fake.engines.node.orders import Order
    from pytest_agenttier.fake.engines.runtime import NodeRuntime


@pytest.fixture
def after_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Has something happen when a place has just been made."""
    start = Node.start

    def have(happen: Callable[[], object]) -> None:
        def started(node: Node, order: Order) -> object:
            place = start(node, order)
            happen()
            return place

        monkeypatch.setattr(Node, "start", started)

    return have


def test_no_pod_is_started_for_one_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command was on its way when it was stopped, or deleted."""
    monkeypatch.setattr("subprocess.Popen", None)
    with running("pod") as runtime:
        sandbox = Sandbox(runtime)
        sandbox.spec = replace(sandbox.spec, ended=lambda: True)

        with pytest.raises(PodGone):
            sandbox.run("true")


def test_a_pod_stopped_while_it_is_made_runs_nothing(
    own_runtime: NodeRuntime, after_start: Callable[[Callable[[], object]], None]
) -> None:
    """The next one begins with an empty /tmp and no process of it."""
    sandbox = Sandbox(own_runtime)
    ended = threading.Event()
    sandbox.spec = replace(sandbox.spec, ended=ended.is_set)
    after_start(lambda: (ended.set(), sandbox.stop()))

    with pytest.raises(PodGone):
        sandbox.run("touch /workspace/ran /tmp/ran; sleep 600 > /dev/null 2>&1 &")

    after_start(lambda: None)
    sandbox.spec = replace(sandbox.spec, ended=lambda: False)
    assert (
        sandbox.run("ls -A /workspace /tmp; pgrep -c sleep").stdout == b"/tmp:\n\n/workspace:\n1\n"
    )


@pytest.mark.parametrize("engine", ["pod", "subprocess"])
def test_a_sandbox_deleted_while_its_pod_is_made_leaves_no_volume(
    engine: str,
    pods: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after_start: Callable[[Callable[[], object]], None],
) -> None:
    """Nor does the node keep anything of it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with running(engine) as runtime:
        sandbox = Sandbox(runtime)
        after_start(sandbox.delete)

        with pytest.raises(PodGone):
            sandbox.run("true")

        while [*tmp_path.glob("*/*")]:
            continue


@pytest.mark.parametrize("slow", ["Node.__init__", "Node.start"])
def test_stop_and_delete_wait_for_no_pod_that_is_being_made(
    slow: str, own_runtime: NodeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They return while it is; of this sandbox and of others."""
    begun, go_on = threading.Event(), threading.Event()
    made: Any = Node.__init__ if slow == "Node.__init__" else Node.start

    def slowly(*arguments: object) -> object:
        begun.set()
        go_on.wait()
        return made(*arguments)

    monkeypatch.setattr(f"pytest_agenttier.fake.engines.host.{slow}", slowly)
    one, other = Sandbox(own_runtime), Sandbox(own_runtime)
    with ThreadPoolExecutor() as threads:
        under_way = threads.submit(one.run, "echo done")
        begun.wait()
        for sandbox in (one, other):
            sandbox.stop()
        other.delete()
        go_on.set()

        assert under_way.result().stdout == b"done\n"


def test_stop_ends_init_scripts(sandbox: Sandbox, marker: str) -> None:
    """The command that waits for them finds its pod gone."""
    sandbox.spec = replace(sandbox.spec, init_scripts=[f"sleep {marker}; true"])
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(sandbox.run, "true")
        while not (ends := ends_of(f"sleep {marker}")):
            continue
        sandbox.stop()

        assert all_end(ends)
        with pytest.raises(PodGone):
            waiting.result()


@pytest.mark.parametrize("what", ["os.pipe", "socket.socketpair"])
def test_a_process_that_may_open_no_more_is_told_so(
    what: str, own_runtime: NodeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leaves no descriptor open, and goes on once it may."""
    sandbox = Sandbox(own_runtime)
    sandbox.run("true")
    before = open_descriptors()

    with monkeypatch.context() as patch:
        patch.setattr(what, refuse)
        with pytest.raises(EngineUnavailable, match=r"out of file descriptors \(ulimit -n\)"):
            sandbox.run("true")

    assert open_descriptors() == before
    assert sandbox.run("echo on").stdout == b"on\n"


def test_a_pod_that_may_not_be_reached_is_given_up(
    own_runtime: NodeRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel drops the descriptor of its socket where this process may open no more."""
    Sandbox(own_runtime).run("true")
    sandbox, before = Sandbox(own_runtime), open_descriptors()
    receive = socket.recv_fds

    def truncate(*arguments: Any) -> tuple[bytes, list[int], int, object]:
        message, descriptors, flags, sender = receive(*arguments)
        for descriptor in descriptors:
            os.close(descriptor)
        return message, [], flags | socket.MSG_CTRUNC, sender

    with monkeypatch.context() as patch:
        patch.setattr("socket.recv_fds", truncate)
        with pytest.raises(EngineUnavailable, match=r"out of file descriptors \(ulimit -n\)"):
            sandbox.run("true")

    assert open_descriptors() == before
    assert sandbox.run("echo on > f; cat f").stdout == b"on\n"
    sandbox.stop()
    assert sandbox.run("cat f").stdout == b"on\n"


def refuse(*_: object) -> None:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_node_that_cannot_be_started_leaves_nothing(
    pods: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its directory nor a descriptor."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = open_descriptors()

    monkeypatch.setattr("socket.socketpair", refuse)
    with running("pod") as runtime, pytest.raises(EngineUnavailable, match="ulimit -n"):
        Sandbox(runtime).run("true")

    assert (open_descriptors(), [*tmp_path.iterdir()]) == (before, [])


def test_a_forked_child_leaves_its_parent_s_pods_alone(pods: None) -> None:
    """It runs no commands in them and ends none, and they end with the parent, not with it."""
    program = """if True:
        import os
        from pytest_agenttier.fake import FakeRouter
        from pytest_agenttier.fake.engines import EngineUnavailable
        run = b'{"command":"cat /tmp/f || touch /tmp/f"}'
        with FakeRouter() as router:
            path = f"/api/v1/sandboxes/{router.create('demo')}"
            router.post(f"{path}/exec", b'{"command":"echo kept > /tmp/f"}')
            sockets = len(os.listdir("/proc/self/fd"))
            if not os.fork():
                print(sockets - len(os.listdir("/proc/self/fd")), flush=True)
                try:
                    router.post(f"{path}/exec", run)
                except EngineUnavailable as error:
                    print(error, flush=True)
                router.cluster.close()
                os._exit(0)
            os.wait()
            print(router.post(f"{path}/exec", run).body.decode(), end="", flush=True)
    """

    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (child.stderr, child.stdout) == (
        "",
        "2\n"  # the way to the node, and that to the pod
        "this process was forked from the one whose fake Router this is, and runs no commands in"
        " its pods: make a FakeRouter here\n"
        '{"stdout":"kept\\n","stderr":"","exitCode":0}\n',
    )


@pytest.mark.parametrize("engine", ["pod", "subprocess"])
def test_volumes_go_also_when_nothing_of_the_node_lives(
    engine: str, pods: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the modes in them, and whoever runs the tests."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    others = children_of(os.getpid())
    with running(engine) as runtime:
        Sandbox(runtime).run("mkdir -p a/b; touch a/b/c; chmod 0 a/b a .")
        [waiting] = children_of(os.getpid()) - others
        os.kill(waiting, signal.SIGKILL)

    assert [*tmp_path.iterdir()] == []
