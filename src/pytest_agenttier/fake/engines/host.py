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
    from collections.abc import Mapping, Sequence

PlaceKind = Literal["pod", "subprocess"]

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from node.main import main; main()"
_PATIENCE = 30.0  # seconds until a node that says nothing is given up
_GONE = f"the node process ({sys.executable} -I -S) has ended, or does not answer"


class Place:
    """One sandbox's pod, or its directory on the host."""

    def __init__(self, control: socket.socket, user: int | None) -> None:
        self._control = control
        self._user = user
        """Whom its commands are on the host, if not the one who starts them."""
        self._lock = threading.Lock()

    def enter(self, fields: Sequence[str]) -> None:
        """Tell the place which sandbox it is to be: volume, hostname, directory, environment."""
        self._send(b"\0".join(os.fsencode(field) for field in fields), ())

    def ask(self, command: bytes, descriptors: tuple[int, int, int]) -> None:
        """Ask the agent to run a command; where it is gone, the descriptors are closed unheard."""
        if self._user is not None:
            for stream in descriptors[:2]:
                os.fchown(stream, self._user, -1)  # so that /dev/stdout can be opened
        self._send(command, descriptors)

    def check(self) -> None:
        """Raise `EngineUnavailable` with what kept the place from coming up, if anything did."""
        with self._lock:
            told = frames.receive(self._control) if self._control.fileno() != -1 else None
        if told is not None and told.payload != READY:
            raise EngineUnavailable(explain(told.fields()))

    def kill(self) -> None:
        """End the place, without waiting until it is gone."""
        with self._lock:
            with contextlib.suppress(OSError):  # it is gone already
                self._control.shutdown(socket.SHUT_RDWR)
            self._control.close()

    def _send(self, message: bytes, descriptors: Sequence[int]) -> None:
        with self._lock, contextlib.suppress(OSError):
            frames.send(self._control, message, descriptors)


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
        self._volumes: set[str] = set()
        self._spare: Place | None = None
        self.directory: Path = Path(tempfile.mkdtemp(prefix="pytest-agenttier-"))
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(_PATIENCE)
        with theirs:
            self._process = _launch(theirs, kind, self.directory)
        try:
            self._spare = self._receive_place()
        except BaseException:
            self.close()
            raise

    def start(self, volume: str, *, hostname: str, workdir: str, env: Mapping[str, str]) -> Place:
        """Make a place on a volume, and the volume where it does not exist.

        Raises:
            EngineUnavailable: it could not be made; the text says why.
        """
        with self._lock:
            if self._spare is None:
                self._spare = self._receive_place()
            if volume in self._volumes:  # nothing of its last place may meet the next one
                self._tell("await", volume)
                self._receive()
            self._volumes.add(volume)
            self._tell("taken", volume)
            place, self._spare = self._spare, None
        place.enter((volume, hostname, workdir, *(f"{key}={env[key]}" for key in env)))
        return place

    def delete(self, volume: str) -> None:
        """Have a volume removed as soon as no place is on it. Does not wait."""
        with self._lock, contextlib.suppress(EngineUnavailable):  # then `close` removes it
            self._tell("delete", volume)

    def close(self) -> None:
        """End every place, remove every volume, and wait until both is done."""
        if self._spare is not None:
            self._spare.kill()
        with contextlib.suppress(OSError):  # it has ended already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._process is not None:
            self._process.wait()
        if self.directory.exists():  # the node was killed before it could remove it
            shutil.rmtree(self.directory)

    def _receive_place(self) -> Place:
        """The place that the node has made ahead; it makes the next when this one is taken."""
        told = self._receive()
        if not told.descriptors:
            self._tell("offer", "")
            raise EngineUnavailable(explain(told.fields()))
        place = Place(socket.socket(fileno=told.descriptors[0]), self._user)
        try:
            place.check()
        except EngineUnavailable:
            place.kill()
            self._tell("offer", "")
            raise
        return place

    def _tell(self, word: str, volume: str) -> None:
        try:
            frames.send(self._socket, f"{word}\0{volume}".encode())
        except OSError:
            raise EngineUnavailable(_GONE) from None

    def _receive(self) -> frames.Frame:
        try:
            told = frames.receive(self._socket)
        except TimeoutError:
            told = None
        if told is None:
            raise EngineUnavailable(_GONE)
        return told


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
