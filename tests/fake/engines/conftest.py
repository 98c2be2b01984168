"""Sandboxes to run commands in: in this process, in another, and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.engines import ExecResult, ExecTransport, PodSpec
from pytest_agenttier.fake.engines.runtime import NodeRuntime
from pytest_agenttier.fake.engines.scripted import Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SOURCES = Path(__file__).parents[3] / "src"
SERVER = Path(__file__).with_name("pod_server.py")

_numbers = count()


def _stays() -> bool:
    return False


class Sandbox:
    """A sandbox of a runtime in this process."""

    def __init__(self, runtime: NodeRuntime, name: str = "demo") -> None:
        self.runtime = runtime
        self.spec = PodSpec(uid=f"uid-{next(_numbers)}", name=name)

    def run(
        self,
        command: str,
        *,
        timeout: int = 30,
        transport: ExecTransport = "http",
        disconnected: Callable[[], bool] = _stays,
    ) -> ExecResult:
        return self.runtime.exec(
            self.spec, command, timeout=timeout, transport=transport, disconnected=disconnected
        )

    def stop(self) -> None:
        self.runtime.stop(self.spec.uid)

    def delete(self) -> None:
        self.runtime.delete(self.spec.uid)


@contextmanager
def running(*engines: str) -> Iterator[NodeRuntime]:
    clock = FakeClock()
    runtime = NodeRuntime(engines, clock=clock, scripted=Scripted(clock))
    try:
        yield runtime
    finally:
        runtime.close()


@pytest.fixture(scope="session")
def _pod_runtime(pods: None) -> Iterator[NodeRuntime]:
    with running("pod") as runtime:
        yield runtime


@pytest.fixture(scope="session")
def _subprocess_runtime() -> Iterator[NodeRuntime]:
    with running("subprocess") as runtime:
        yield runtime


@pytest.fixture
def own_runtime(pods: None) -> Iterator[NodeRuntime]:
    """A runtime with pods that no other test uses."""
    with running("pod") as runtime:
        yield runtime


@pytest.fixture
def pod(_pod_runtime: NodeRuntime) -> Iterator[Sandbox]:
    """A fresh sandbox in a pod."""
    sandbox = Sandbox(_pod_runtime)
    yield sandbox
    sandbox.delete()


@pytest.fixture
def bare(_subprocess_runtime: NodeRuntime) -> Iterator[Sandbox]:
    """A fresh sandbox whose commands are subprocesses."""
    sandbox = Sandbox(_subprocess_runtime)
    yield sandbox
    sandbox.delete()


@pytest.fixture(params=["pod", "subprocess"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A fresh sandbox, on each engine that runs commands."""
    sandbox = Sandbox(request.getfixturevalue(f"_{request.param}_runtime"))
    yield sandbox
    sandbox.delete()


@pytest.fixture
def marker() -> str:
    """An argument for ``sleep`` that no other process has."""
    return f"86400.{os.getpid()}{threading.get_native_id()}"


@pytest.fixture
def dash() -> None:
    """The texts of shells differ; dash's are those of the recordings."""
    if not os.path.realpath("/bin/sh").endswith("/dash"):
        pytest.skip("/bin/sh is not dash here")


class Outcome(NamedTuple):
    """What a command left behind, as text."""

    stdout: str
    stderr: str
    exit_code: int


class PodServer:
    """Pods that belong to another process, maybe another user's."""

    def __init__(self, process: subprocess.Popen[str], prefix: str = "") -> None:
        self.process = process
        self._prefix = prefix

    def run(self, command: str, sandbox: str = "demo") -> Outcome:
        return Outcome(*self._ask(sandbox, command))

    def stop(self, sandbox: str = "demo") -> None:
        self._ask(sandbox, None)

    def with_fresh_sandboxes(self) -> PodServer:
        return PodServer(self.process, f"n{next(_numbers)}-")

    def _ask(self, sandbox: str, command: str | None) -> list[str]:
        asked = json.dumps({"sandbox": self._prefix + sandbox, "command": command})
        print(asked, file=self.process.stdin, flush=True)
        answer: list[str] = json.loads(self.process.stdout.readline())
        return answer


@contextmanager
def pod_server(
    python: str, sources: Path, temporary: Path, user: int, before: Sequence[str] = ()
) -> Iterator[PodServer]:
    with subprocess.Popen(
        [*before, python, sources / SERVER.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(sources), "TMPDIR": str(temporary), "SECRET": "of-the-host"},
        **({"user": user, "group": user, "extra_groups": []} if user != os.getuid() else {}),
    ) as process:
        yield PodServer(process)


@pytest.fixture
def killable_server(pods: None, tmp_path: Path) -> Iterator[PodServer]:
    """A server for one test, which may end it as it likes."""
    sources = _copy_sources(tmp_path)
    with pod_server(sys.executable, sources, tmp_path, os.getuid()) as server:
        yield server


@pytest.fixture(scope="session", params=["this user", "an ordinary user", "the only user"])
def _server(request: pytest.FixtureRequest, pods: None) -> Iterator[PodServer]:
    directory = Path(tempfile.mkdtemp(dir="/tmp"))  # a way that every user may go
    directory.chmod(0o755)
    temporary = directory / "temporary"
    temporary.mkdir()
    try:
        user, python = os.getuid(), sys.executable
        before: Sequence[str] = ()
        if request.param == "an ordinary user":
            user, python = _ordinary_user()
            os.chown(temporary, user, user)
        if request.param == "the only user":
            before = _in_a_namespace_of_its_own()
        with pod_server(python, _copy_sources(directory), temporary, user, before) as server:
            yield server
        assert list(temporary.iterdir()) == []
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def someones_pods(_server: PodServer) -> PodServer:
    """Pods of this user, root maybe; where this is root, of an ordinary user; and of one who is
    root in a namespace without other users."""
    return _server.with_fresh_sandboxes()


def _copy_sources(directory: Path) -> Path:
    sources = directory / "src"
    shutil.copytree(SOURCES, sources, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SERVER, sources)
    return sources


def _in_a_namespace_of_its_own() -> Sequence[str]:
    """What to put before a command so that it is root there, and nobody else exists."""
    before = ("unshare", "--user", "--map-root-user")
    try:
        subprocess.run([*before, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("unshare makes no user namespace here")
    return before


def _ordinary_user() -> tuple[int, str]:
    """A user id that nobody has, and a Python that it may run."""
    if os.getuid() != 0:
        pytest.skip("this user is an ordinary user already")
    user = 20_000 + os.getpid() % 10_000
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            version = subprocess.run(
                [python, "-c", "import sys; print(sys.version_info >= (3, 10))"],
                user=user,
                group=user,
                extra_groups=[],
                stdout=subprocess.PIPE,
                check=False,
            )
        except OSError:  # not even a way to it
            continue
        if version.stdout == b"True\n":
            return user, python
    pytest.skip("no Python 3.10 or newer here that an ordinary user may run")
