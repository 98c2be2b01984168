"""The host's end of the node: starts it, orders places, and reaches the agents in them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from . import EngineUnavailable
from .forks import keep_from_children
from .node import frames
from .node.kinds import user_of_pods
from .node.main import READY
from .node.removal import begin_to_remove
from .obstacles import descriptors_may_run_out, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .node.orders import Order

PlaceKind = Literal["pod", "subprocess"]

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from node.main import main; main()"
_PATIENCE = 30.0  # seconds until a node that says nothing is given up
_NODE = f"the node process ({sys.executable} -I -S)"
_GONE = f"{_NODE} has ended, or does not answer"


class PlaceFailed(EngineUnavailable):
    """A place did not come up; the text says why."""


class Place:
    """One sandbox's pod, or its directory on the host."""

    def __init__(self, control: socket.socket, user: int | None) -> None:
        self._control = control
        self._user = user
        """Whom its commands are on the host, if not the one who starts them."""
        self._lock = threading.Lock()

    def enter(self, order: Order) -> None:
        """Tell the place which sandbox it is to be."""
        self._send(order.packed(), ())

    def ask(self, request: bytes, descriptors: tuple[int, int, int]) -> None:
        """Ask the agent for something; where it is gone, the descriptors are closed unheard."""
        if self._user is not None:
            for stream in descriptors[:2]:
                os.fchown(stream, self._user, -1)  # so that /dev/stdout can be opened
        self._send(request, descriptors)

    def check(self) -> None:
        """Raise `PlaceFailed` with what kept the place from coming up, if anything did."""
        with self._lock:
            told = frames.receive(self._control) if self._control.fileno() != -1 else None
        if told is not None and told.payload != READY:
            raise PlaceFailed(explain(told.fields()))

    def kill(self) -> None:
        """End the place, without waiting until it is gone."""
        with contextlib.suppress(OSError):  # it is gone already
            self._control.shutdown(socket.SHUT_RDWR)  # whoever is in a call on it returns
        with self._lock:
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
        self.kind: PlaceKind = kind
        self._starting = threading.Lock()
        self._telling = threading.Lock()
        self._volumes: set[str] = set()
        self._spare: Place | None = None
        with descriptors_may_run_out(), ExitStack() as undo:
            self._user = user_of_pods() if kind == "pod" else None
            self.directory: Path = Path(tempfile.mkdtemp(prefix="pytest-agenttier-"))
            undo.callback(_remove, self.directory)
            ours, theirs = socket.socketpair()
            self._socket = keep_from_children(undo.enter_context(ours))
            self._socket.settimeout(_PATIENCE)
            with theirs:
                undo.callback(_launch(theirs, kind, self.directory).wait)
            undo.callback(self._hang_up)
            self._spare = self._receive_place()
            self._undo = undo.pop_all()

    def start(self, order: Order) -> Place:
        """Make a place on a volume, and the volume where it does not exist.

        Raises:
            EngineUnavailable: it could not be made; the text says why.
        """
        with self._starting, descriptors_may_run_out():
            if self._spare is None:
                self._spare = self._receive_place()
            if order.volume in self._volumes:  # nothing of its last place may meet the next one
                self._tell("await", order.volume)
                self._receive()
            self._volumes.add(order.volume)
            self._tell("taken", order.volume)
            place, self._spare = self._spare, None
        place.enter(order)
        return place

    def delete(self, volume: str) -> None:
        """Have a volume removed as soon as no place is on it. Does not wait."""
        with contextlib.suppress(EngineUnavailable):  # then `close` removes it
            self._tell("delete", volume)

    def close(self) -> None:
        """End every place, remove every volume, and wait until both is done."""
        self._undo.close()

    def _hang_up(self) -> None:
        """Let the node end, and wait until all that it made has ended."""
        if self._spare is not None:
            self._spare.kill()
        with contextlib.suppress(OSError):  # it has ended already, or does not answer
            self._socket.shutdown(socket.SHUT_WR)
            while self._socket.recv(4096):
                continue

    def _receive_place(self) -> Place:
        """The place that the node has made ahead; it makes the next when this one is taken."""
        try:
            told = self._receive()
            if not told.descriptors:
                raise PlaceFailed(explain(told.fields()))
            control = keep_from_children(socket.socket(fileno=told.descriptors[0]))
            place = Place(control, self._user)
            try:
                place.check()
            except PlaceFailed:
                place.kill()
                raise
        except (PlaceFailed, OSError):
            with contextlib.suppress(EngineUnavailable):  # the next attempt says so
                self._tell("offer", "")
            raise
        return place

    def _tell(self, word: str, volume: str) -> None:
        with self._telling:
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


def _launch(host: socket.socket, kind: PlaceKind, directory: Path) -> subprocess.Popen[bytes]:
    """Start the node's program."""
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
    except (FileNotFoundError, PermissionError, BlockingIOError) as error:
        raise EngineUnavailable(f"{_NODE} cannot be started: {error.strerror}") from None


def _remove(directory: Path) -> None:
    """Remove it where the node did not live to do so."""
    if (remover := begin_to_remove(os.fspath(directory))) is not None:
        os.waitpid(remover, 0)
