"""The node's two processes: one that makes the places, and one that clears up when it is gone."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from typing import NamedTuple, NoReturn

from . import frames, linux
from .agent import Agent, ended_children, wake_at_child_exit
from .kinds import Bare, Kind, Order, Pod

READY, FAILED = b"ready", b"failed"
"""First field of what a node says of itself. After ``failed``: error number, text, the step."""

_DESCRIPTORS = 64  # the node has fewer, and the lowest numbers are taken first

_REMOVE = 'rm -rf -- "$0" 2>/dev/null || { chmod -R u+rwx -- "$0"; rm -rf -- "$0"; }'


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
    if sys.platform == "linux":
        linux.adopt_orphans()  # a node that isolates itself is a grandchild
    if not os.fork():
        _be_node(host, kind)
    host.close()
    _wait_for_children()
    _remove(directory)
    _wait_for_children()


def _be_node(host: socket.socket, kind: Kind) -> NoReturn:
    try:
        kind.isolate()
        Node(host, kind).serve()
    except Exception as error:  # the host shows it
        frames.send(host, _told(error))
    finally:
        os._exit(0)


def _wait_for_children() -> None:
    try:
        while True:
            os.wait()
    except ChildProcessError:
        return


class _Spare(NamedTuple):
    """A prepared process that waits to be told which sandbox it is to serve."""

    pid: int
    orders: socket.socket


class Node:
    """Makes places on demand, one ahead, and removes the volumes of deleted sandboxes."""

    def __init__(self, host: socket.socket, kind: Kind) -> None:
        self._host = host
        self._kind = kind
        self._spare: _Spare | None = None
        self._pids: dict[str, int] = {}
        """The first process of each place that has not ended yet, by its volume."""
        self._doomed: set[str] = set()
        """Volumes to remove once their place has ended."""

    def serve(self) -> None:
        """Say whether places can be made here; make them until the host is gone."""
        self._kind.set_up_node()
        woken = wake_at_child_exit()
        self._spare = self._prepare()
        frames.send(self._spare.orders, b"")
        outcome = frames.receive(self._spare.orders)
        frames.send(self._host, outcome.payload if outcome else FAILED)
        poll = select.poll()
        poll.register(self._host, select.POLLIN)
        poll.register(woken, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == woken:
                    os.read(woken, 4096)
                    self._reap()
                elif not self._take_order():
                    self._end()
                    return

    def _take_order(self) -> bool:
        frame = frames.receive(self._host)
        if frame is None:
            return False
        word, volume = frame.fields()[:2]
        if word == b"start":
            self._start(volume.decode(), frame)
        elif volume.decode() in self._pids:
            self._doomed.add(volume.decode())
        else:
            _remove(volume.decode())
        return True

    def _start(self, volume: str, frame: frames.Frame) -> None:
        with socket.socket(fileno=frame.descriptors[0]) as control:
            try:
                self._use_spare(volume, frame)
                self._spare = self._prepare()
            except OSError as error:  # as when a limit of this machine is reached
                if volume not in self._pids:
                    frames.send(control, _told(error))

    def _use_spare(self, volume: str, frame: frames.Frame) -> None:
        if (old := self._pids.pop(volume, None)) is not None:
            os.waitpid(old, 0)  # stopped, and about to be gone: nothing of it meets the new one
        place, self._spare = self._spare or self._prepare(), None
        os.makedirs(volume, exist_ok=True)
        frames.send(place.orders, frame.payload, frame.descriptors)
        place.orders.close()
        self._pids[volume] = place.pid

    def _prepare(self) -> _Spare:
        ours, theirs = socket.socketpair()
        pid = self._kind.fork()
        if not pid:
            _become_place(self._kind, theirs)
        theirs.close()
        return _Spare(pid, ours)

    def _reap(self) -> None:
        ended = {pid for pid, _ in ended_children()}
        for volume, pid in list(self._pids.items()):
            if pid in ended:
                del self._pids[volume]
                if volume in self._doomed:
                    self._doomed.remove(volume)
                    _remove(volume)

    def _end(self) -> None:
        """Wait for the places: they see the host go, too, and end."""
        if self._spare is not None:
            self._spare.orders.close()
        _wait_for_children()


def _become_place(kind: Kind, orders: socket.socket) -> NoReturn:
    """The life of a place: prepared ahead, told whom to serve, ended with its control socket."""
    teller = orders
    try:
        _close_all_but(orders.fileno())
        failure = _failure_of(kind)
        while (frame := frames.receive(orders)) and not frame.descriptors:
            frames.send(orders, _told(failure) if failure else READY)
        if frame:
            orders.close()
            teller = control = socket.socket(fileno=frame.descriptors[0])
            if failure:
                raise failure
            _, volume, hostname, workdir, *environment = frame.fields()
            kind.enter(Order(volume.decode(), hostname.decode(), os.fsdecode(workdir)))
            Agent(control, dict(_pairs(environment))).serve()
        kind.end()
    except Exception as error:  # the host shows it
        frames.send(teller, _told(error))
    finally:
        os._exit(0)


def _failure_of(kind: Kind) -> OSError | None:
    try:
        kind.prepare()
    except OSError as error:
        return error
    return None


def _close_all_but(kept: int) -> None:
    os.closerange(3, kept)
    os.closerange(kept + 1, _DESCRIPTORS)


def _pairs(environment: list[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, _, value in (each.partition(b"=") for each in environment)]


def _told(error: Exception) -> bytes:
    if isinstance(error, OSError):
        fields = (str(error.errno or 0), error.strerror or str(error), error.filename or "")
    else:
        fields = ("0", repr(error), "")
    return b"\0".join((FAILED, *(os.fsencode(field) for field in fields)))


def _remove(directory: str) -> None:
    """Start to remove a directory, whatever the modes in it; an empty one is gone at once."""
    try:
        os.rmdir(directory)
    except OSError:  # not empty, or never made
        shell = ["/bin/sh", "-c", _REMOVE, directory]
        os.posix_spawn(shell[0], shell, {"PATH": "/usr/bin:/bin"})
