"""The host's end of the node: starts it, orders places, and reaches the agents in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from . import EngineUnavailable
from .node import frames
from .node.kinds import NOBODY
from .node.main import READY
from .obstacles import explain

if TYPE_CHECKING:
    from collections.abc import Mapping

PlaceKind = Literal["pod", "subprocess"]

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from node.main import main; main()"
_START_TIMEOUT = 30.0  # seconds until a node that says nothing is given up


class Place:
    """One sandbox's pod, or its directory on the host."""

    def __init__(self, control: socket.socket, user: int | None) -> None:
        self._control = control
        self._user = user
        """Whom its commands are on the host, if not the one who starts them."""
        self._lock = threading.Lock()

    def ask(self, command: bytes, descriptors: tuple[int, int, int]) -> None:
        """Ask the agent to run a command; where it is gone, the descriptors are closed unheard."""
        if self._user is not None:
            for stream in descriptors[:2]:
                os.fchown(stream, self._user, -1)  # so that /dev/stdout can be opened
        with self._lock, contextlib.suppress(OSError):
            frames.send(self._control, command, descriptors)

    def check(self) -> None:
        """Raise `EngineUnavailable` with what kept the place from coming up, if anything did."""
        with self._lock:
            told = frames.receive(self._control) if self._control.fileno() != -1 else None
        if told is not None:
            raise EngineUnavailable(explain(told.fields()))

    def kill(self) -> None:
        """End the place, without waiting until it is gone."""
        with self._lock:
            with contextlib.suppress(OSError):  # it is gone already
                self._control.shutdown(socket.SHUT_RDWR)
            self._control.close()


class Node:
    """A running node process and the directory with its volumes.

    Raises:
        EngineUnavailable: places of this kind cannot be made here; the text says why.
    """

    def __init__(self, kind: PlaceKind) -> None:
        if kind == "pod" and sys.platform != "linux":
            raise EngineUnavailable(f"pods are Linux namespaces, and this is {sys.platform}")
        self._user = NOBODY if kind == "pod" and os.getuid() == 0 else None
        self._lock = threading.Lock()
        self.directory = Path(tempfile.mkdtemp(prefix="pytest-agenttier-"))
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = _launch(theirs, kind, self.directory)
        try:
            self._check_ready()
        except BaseException:
            self.close()
            raise

    def start(self, volume: str, *, hostname: str, workdir: str, env: Mapping[str, str]) -> Place:
        """Order a place on a volume, which is made where it does not exist. Does not wait."""
        control, theirs = socket.socketpair()
        fields = ("start", volume, hostname, workdir, *(f"{k}={v}" for k, v in env.items()))
        try:
            with theirs:
                self._order(*fields, descriptor=theirs.fileno())
        except BaseException:
            control.close()
            raise
        return Place(control, self._user)

    def delete(self, volume: str) -> None:
        """Have a volume removed as soon as no place is on it. Does not wait."""
        self._order("delete", volume)

    def close(self) -> None:
        """End every place, remove every volume, and wait until both is done."""
        with contextlib.suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._process is not None:
            self._process.wait()
        if self.directory.exists():  # the node was killed before it could remove it
            shutil.rmtree(self.directory)

    def _check_ready(self) -> None:
        self._socket.settimeout(_START_TIMEOUT)
        told = frames.receive(self._socket)
        self._socket.settimeout(None)
        if told is None:
            raise EngineUnavailable(f"{sys.executable} -I -S did not run the node's program")
        if told.payload != READY:
            raise EngineUnavailable(explain(told.fields()))

    def _order(self, *fields: str, descriptor: int | None = None) -> None:
        message = b"\0".join(os.fsencode(field) for field in fields)
        descriptors = [] if descriptor is None else [descriptor]
        try:
            with self._lock:
                frames.send(self._socket, message, descriptors)
        except OSError as error:
            told = frames.receive(self._socket)
            reason = explain(told.fields()) if told else "it was killed"
            raise EngineUnavailable(f"the node process has ended: {reason}") from error


def _launch(
    host: socket.socket, kind: PlaceKind, directory: Path
) -> subprocess.Popen[bytes] | None:
    """Start the node's program; None where this interpreter cannot even be run again."""
    arguments = (os.fspath(Path(__file__).parent), kind, os.fspath(directory))
    try:
        return subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-I", "-S", "-c", _BOOT, *arguments],
            stdin=host.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,  # no signal from the terminal
        )
    except OSError:
        return None
