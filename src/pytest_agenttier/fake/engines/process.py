"""A command under way in a place, seen from the host: two streams, and how it ended."""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from .forks import keep_from_children
from .node.agent import ENDED
from .obstacles import descriptors_may_run_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from .host import Place

_LOOK = 0.05  # seconds between two looks whether the client is still there
_CHUNK = 65536


class ClientGone(Exception):  # noqa: N818 - a state, not a mistake
    """Nobody waits for the answer any more; the shell has been killed."""


class Ended(NamedTuple):
    """How a shell ended: one of the two is set, and neither when its place died first."""

    status: int | None = None
    """The exit code, or minus the number of the signal."""
    error: int | None = None
    """The error number with which it could not even be started."""


class Output:
    """One stream, kept up to a number of bytes, and read to its end all the same."""

    def __init__(self, descriptor: int, keep: int) -> None:
        self.descriptor = descriptor
        self.kept: bytearray = bytearray()
        self.truncated: bool = False
        self._keep = keep

    def read(self) -> bool:
        """Take what is there; False at the end of the stream."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:  # a command may read its own output: it was faster
            return True
        room = self._keep - len(self.kept)
        self.kept += chunk[:room]
        self.truncated = self.truncated or len(chunk) > room
        return bool(chunk)


class Process:
    """What an agent has been asked to do. A context manager: it lets go at the end.

    Args:
        place: where it runs.
        request: ``RUN`` and a command, or ``SET_UP`` and a packed setup.
        keep: bytes of each stream that are kept.
        disconnected: whether nobody waits for the answer any more.

    Raises:
        EngineUnavailable: this process is out of file descriptors.
    """

    def __init__(
        self, place: Place, request: bytes, *, keep: int, disconnected: Callable[[], bool]
    ) -> None:
        self._place = place
        self._disconnected = disconnected
        self.ended: Ended | None = None
        with descriptors_may_run_out(), ExitStack() as ours, ExitStack() as theirs:
            stdout, its_stdout = _pipe(ours, theirs)
            stderr, its_stderr = _pipe(ours, theirs)
            self._status, its_status = socket.socketpair()
            keep_from_children(ours.enter_context(self._status))
            theirs.enter_context(its_status)
            place.ask(request, (its_stdout, its_stderr, its_status.fileno()))
            self._ours = ours.pop_all()
        self.stdout: Output = Output(stdout, keep)
        self.stderr: Output = Output(stderr, keep)
        self._poll = select.poll()
        self._streams = {output.descriptor: output for output in (self.stdout, self.stderr)}
        for descriptor in (*self._streams, self._status.fileno()):
            self._poll.register(descriptor, select.POLLIN)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._ours.close()

    def kill(self) -> None:
        """Kill the shell, if it still runs; its children live on (contract 5.1)."""
        if self._status.fileno() != -1:
            if self.ended is None:
                self._poll.unregister(self._status)
            self._status.close()

    def wait_for_end(self, until: float | None = None) -> bool:
        """Follow the command until its shell has ended; False if ``until`` comes first."""
        return self._follow(lambda: self.ended is not None, until)

    def wait_for_streams(self, until: float | None = None) -> bool:
        """Follow the command until both streams are closed; False if ``until`` comes first."""
        return self._follow(lambda: not self._streams, until)

    def _follow(self, arrived: Callable[[], bool], until: float | None) -> bool:
        look_at = time.monotonic() + _LOOK
        while not arrived():
            now = time.monotonic()
            if until is not None and now >= until:
                return False
            if now >= look_at:
                if self._disconnected():
                    raise ClientGone
                look_at = now + _LOOK
            wake_at = look_at if until is None else min(look_at, until)
            for descriptor, _ in self._poll.poll((wake_at - now) * 1000):
                self._take(descriptor)
        return True

    def _take(self, descriptor: int) -> None:
        stream = self._streams.get(descriptor)
        if stream is None:
            told = self._status.recv(ENDED.size)
            self._poll.unregister(descriptor)
            self.ended = _ended(told)
            if not told:
                self._place.check()
        elif not stream.read():
            self._poll.unregister(descriptor)
            del self._streams[descriptor]


def _ended(told: bytes) -> Ended:
    if not told:
        return Ended()
    letter, number = ENDED.unpack(told)
    return Ended(status=number) if letter == b"x" else Ended(error=number)


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    """A pipe whose ends are closed with the one and with the other."""
    readable, writable = os.pipe()
    ours.callback(os.close, readable)
    theirs.callback(os.close, writable)
    os.set_blocking(readable, False)
    return readable, writable
