"""The node's two processes: one that makes the places, and one that clears up when it is gone."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from typing import NoReturn

from . import frames, linux
from .agent import Agent
from .children import ended_children, wait_for_children, wake_at_child_exit
from .kinds import Bare, Kind, Pod
from .orders import Order
from .removal import begin_to_remove

READY, FAILED, GONE = b"ready", b"failed", b"gone"
"""What is said to the host. After ``failed`` come an error number, its text, and the step."""

_DESCRIPTORS = 64  # the node has fewer, and the lowest numbers are taken first


def main() -> None:
    """Serve the host on the socket that is standard input, until the host is gone.

    Arguments: the kind of place, and the directory of the volumes, which is removed at the end.
    """
    kind: Kind = Pod() if sys.argv[2] == "pod" else Bare()
    directory = sys.argv[3]
    host = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.umask(0o022)
    os.chdir(directory)
    gc.freeze()  # what is forked from here on shares these pages
    gc.disable()
    try:
        if sys.platform == "linux":
            linux.adopt_orphans()  # a node in a PID namespace is a grandchild
        with linux.step("forking"):
            first = os.fork()
    except OSError as error:  # the host removes the directory
        frames.send(host, _told(error))
        return
    if not first:
        _be_node(host, kind)
    host.close()
    os.waitpid(first, 0)
    kind.end()
    wait_for_children()
    begin_to_remove(directory)
    wait_for_children()


def _be_node(host: socket.socket, kind: Kind) -> NoReturn:
    try:
        kind.isolate()
        Node(host, kind).serve()
    except Exception as error:  # the host shows it
        frames.send(host, _told(error))
    finally:
        os._exit(0)


class Node:
    """Makes places, one ahead, and removes the volumes of deleted sandboxes.

    A place is offered to the host as the socket on which it will take its orders; which sandbox it
    has become, the host tells both.
    """

    def __init__(self, host: socket.socket, kind: Kind) -> None:
        self._host = host
        self._kind = kind
        self._offered = 0
        """The first process of the place that is no sandbox's yet."""
        self._pids: dict[str, int] = {}
        """The first process of each sandbox's place that has not ended yet, by its volume."""
        self._doomed: set[str] = set()
        """Volumes to remove once their place has ended."""

    def serve(self) -> None:
        """Make places until the host is gone."""
        self._kind.set_up_node()
        woken = wake_at_child_exit()
        self._offer()
        poll = select.poll()
        poll.register(self._host, select.POLLIN)
        poll.register(woken, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == woken:
                    os.read(woken, 4096)
                    self._reap()
                elif not self._take_order():
                    wait_for_children()  # they see the host go, too, and end
                    return

    def _take_order(self) -> bool:
        frame = frames.receive(self._host)
        if frame is None:
            return False
        word, volume = (field.decode() for field in frame.fields())
        if word == "taken":
            self._pids[volume] = self._offered
        if word in ("taken", "offer"):
            self._offer()
        elif word == "await":
            self._await(volume)
        elif volume in self._pids:
            self._doomed.add(volume)
        else:
            begin_to_remove(volume)
        return True

    def _offer(self) -> None:
        """Make a place, and give the host its socket; or tell why none can be made."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            try:
                self._offered = self._kind.fork()
            except OSError as error:  # as when a limit of this machine is reached
                frames.send(self._host, _told(error))
                return
            if not self._offered:
                _become_place(self._kind, theirs)
            frames.send(self._host, READY, [ours.fileno()])

    def _await(self, volume: str) -> None:
        """Say when a place that is about to end has ended, and its last process with it."""
        if (pid := self._pids.pop(volume, None)) is not None:
            os.waitpid(pid, 0)
        frames.send(self._host, GONE)

    def _reap(self) -> None:
        ended = {pid for pid, _ in ended_children()}
        for volume, pid in list(self._pids.items()):
            if pid in ended:
                del self._pids[volume]
                if volume in self._doomed:
                    self._doomed.remove(volume)
                    begin_to_remove(volume)


def _become_place(kind: Kind, control: socket.socket) -> NoReturn:
    """The life of a place: prepared, told which sandbox it is, ended with its control socket."""
    try:
        _close_all_but(control.fileno())
        kind.prepare()
        agent = Agent(control)
        frames.send(control, READY)
        if (frame := frames.receive(control)) is not None:
            order = Order.unpacked(frame.payload)
            kind.enter(order)
            agent.serve(order.environment)
        kind.end()
    except Exception as error:  # the host shows it
        frames.send(control, _told(error))
    finally:
        os._exit(0)


def _close_all_but(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, _DESCRIPTORS)


def _told(error: Exception) -> bytes:
    if isinstance(error, OSError):
        fields = (str(error.errno or 0), error.strerror or str(error), error.filename or "")
    else:
        fields = ("0", repr(error), "")
    return b"\0".join((FAILED, *(os.fsencode(field) for field in fields)))
