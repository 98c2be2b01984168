"""Which engine is taken, and what is said where none works."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.engines import EngineUnavailable, PodSpec
from pytest_agenttier.fake.engines.obstacles import explain
from pytest_agenttier.fake.engines.runtime import NodeRuntime
from pytest_agenttier.fake.engines.scripted import Scripted

from .conftest import Sandbox, running

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Sandbox as AnySandbox


def test_the_first_engine_that_works_is_taken(pods: None) -> None:
    """In the order that was given."""
    with running("pod", "subprocess") as runtime:
        assert runtime.engine == "pod"
    with running("subprocess", "pod") as runtime:
        assert runtime.engine == "subprocess"
    with running("scripted", "pod") as runtime:
        assert runtime.engine == "scripted"


def test_an_engine_that_does_not_work_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one is tried."""
    monkeypatch.setattr("sys.executable", "/nonexistent/python")

    with running("pod", "scripted") as runtime:
        assert runtime.engine == "scripted"


def test_an_unknown_engine_is_refused() -> None:
    """With the names that there are."""
    clock = FakeClock()

    with pytest.raises(ValueError, match="'docker'; there are: pod, subprocess, scripted"):
        NodeRuntime(["pod", "docker"], clock=clock, scripted=Scripted(clock))


def test_no_engine_at_all_is_refused() -> None:
    """An empty list would run nothing, ever."""
    clock = FakeClock()

    with pytest.raises(ValueError, match="there are: pod, subprocess, scripted"):
        NodeRuntime([], clock=clock, scripted=Scripted(clock))


def test_nothing_is_started_before_the_first_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without commands pays for none."""
    monkeypatch.setattr("subprocess.Popen", None)

    with running("pod") as runtime:
        runtime.stop("uid")
        runtime.delete("uid")


def test_where_no_engine_works_the_ways_out_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Script the answers, or run on the host, knowingly."""
    monkeypatch.setattr("sys.executable", "/nonexistent/python")

    with running("pod") as runtime, pytest.raises(EngineUnavailable) as raised:
        Sandbox(runtime).run("true")

    lines = str(raised.value).splitlines()
    assert lines[0] == "no engine can run commands here:"
    assert lines[1].startswith("  pod: the node process (")
    assert 'fake_router.exec.register("<command>", stdout="…")' in lines[2]
    assert 'agenttier_exec = "pod, subprocess"' in lines[2]


BROKEN = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
from node import image, main
def refuse(*_): raise OSError({number}, os.strerror({number}))
{what}
main.main()
"""
"""The node's program, in which something is refused."""


def break_node(patch: pytest.MonkeyPatch, what: str, number: int = errno.EPERM) -> None:
    patch.setattr(
        "pytest_agenttier.fake.engines.host._BOOT", BROKEN.format(what=what, number=number)
    )


def test_a_limit_reached_at_the_very_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node tells of it before it is one."""
    break_node(monkeypatch, "os.fork = refuse", errno.EAGAIN)

    with running("pod") as runtime, pytest.raises(EngineUnavailable) as raised:
        Sandbox(runtime).run("true")

    assert "ulimit -u (forking: Resource temporarily unavailable)\n" in str(raised.value)


def test_what_the_node_tells_is_said_though_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends right after it; whether it still hears us changes nothing."""
    break_node(monkeypatch, "os.fork = refuse")

    def unheard(*_: object) -> None:
        raise EngineUnavailable("gone")

    monkeypatch.setattr("pytest_agenttier.fake.engines.host.Node._tell", unheard)
    with running("pod") as runtime, pytest.raises(EngineUnavailable, match="seccomp=unconfined"):
        Sandbox(runtime).run("true")


def test_a_step_that_is_refused_is_named(pods: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of the last, and each time it is tried."""
    break_node(monkeypatch, "socket.sethostname = refuse")

    with running("pod") as runtime:
        for _ in range(2):
            with pytest.raises(EngineUnavailable, match=r"\(setting the hostname: Operation not"):
                Sandbox(runtime).run("true")


def test_a_device_that_the_host_lacks_is_left_out(
    pods: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container, which has few."""
    break_node(monkeypatch, "image._DEVICES += ('of-no-host',)")

    with running("pod") as runtime:
        assert Sandbox(runtime).run("test -c /dev/null && ! test -e /dev/of-no-host").exit_code == 0


@pytest.mark.parametrize(
    ("sysctls", "number", "step", "said"),
    [
        (
            {"kernel.apparmor_restrict_unprivileged_userns": "1"},
            errno.EACCES,
            "writing /proc/self/uid_map",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        (
            {"kernel.unprivileged_userns_clone": "0"},
            errno.EPERM,
            "making a user namespace",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        ),
        (
            {"user.max_user_namespaces": "0"},
            errno.ENOSPC,
            "making a user namespace",
            "sudo sysctl -w user.max_user_namespaces=15000",
        ),
        ({}, errno.ENOSPC, "making a PID namespace", "user.max_*_namespaces"),
        ({}, errno.EAGAIN, "", "ulimit -u"),
        ({}, errno.EPERM, "making a user namespace", "--security-opt seccomp=unconfined"),
        ({}, errno.EPERM, "mounting proc on /proc", "--security-opt systempaths=unconfined"),
        ({}, errno.ENOSYS, "restricting /usr (mount_setattr)", "Linux 5.12 or newer"),
        ({}, errno.EPERM, "changing the root (pivot_root)", "--security-opt seccomp=unconfined"),
        ({}, errno.ENOTDIR, "working in /etc/passwd", "the template's working directory"),
    ],
)
def test_an_obstacle_is_named_with_the_line_that_removes_it(
    sysctls: dict[str, str], number: int, step: str, said: str
) -> None:
    """And with what the kernel said, where."""
    told = [b"failed", str(number).encode(), os.strerror(number).encode(), step.encode()]

    text = explain(told, sysctls.get)

    assert said in text
    assert text.endswith(f"{os.strerror(number)})")
    assert step in text


def test_a_working_directory_that_cannot_be_is_an_error_of_the_engine(pod: AnySandbox) -> None:
    """With its name; the sandbox is not stuck with it."""
    spec = PodSpec(pod.spec.uid, "demo", workdir="/workspace/file")
    pod.run("touch file")
    pod.stop()

    with pytest.raises(EngineUnavailable, match=r"\(working in /workspace/file: File exists\)"):
        pod.runtime.exec(spec, "true", timeout=30, transport="http", disconnected=lambda: False)

    assert pod.run("pwd").stdout == b"/workspace\n"


@pytest.mark.parametrize("workdir", ["/workspace/a/b", "/tmp/a", "/home/sandbox", "/"])
def test_a_template_may_choose_the_working_directory(pod: AnySandbox, workdir: str) -> None:
    """It is made where that is possible (contract 5.2)."""
    spec = PodSpec(pod.spec.uid, "demo", workdir=workdir)

    result = pod.runtime.exec(spec, "pwd", timeout=30, transport="http", disconnected=lambda: False)

    assert result.stdout == f"{workdir}\n".encode()


def test_a_template_may_set_the_environment(sandbox: AnySandbox) -> None:
    """Its variables come on top of the image's (contract 5.2)."""
    spec = PodSpec(sandbox.spec.uid, "demo", env={"HOME": "/workspace", "GREETING": "a=b c\nd é"})

    result = sandbox.runtime.exec(
        spec, 'echo "$HOME|$GREETING"', timeout=30, transport="http", disconnected=lambda: False
    )

    assert result.stdout == "/workspace|a=b c\nd é\n".encode()


def test_a_subprocess_works_in_a_directory_of_the_host(pods: None, tmp_path: Path) -> None:
    """There is no /workspace; HOME is the sandbox's own directory, and empty."""
    with running("subprocess") as runtime:
        result = Sandbox(runtime).run('ls -A; [ "$PWD" = "$HOME" ] && echo same')

    assert result.stdout == b"same\n"


def test_pods_are_a_matter_of_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere it is said at once."""
    monkeypatch.setattr("sys.platform", "darwin")

    with running("pod") as runtime, pytest.raises(EngineUnavailable) as raised:
        Sandbox(runtime).run("true")

    assert "  pod: pods are Linux namespaces, and this is darwin\n" in str(raised.value)
