"""What answers in a place: starts commands, tells how they ended, kills them when told to.

One thread and one loop, like the runtime in a real pod. In a pod it is the first process, so it
also reaps what commands leave behind.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
from typing import TYPE_CHECKING

from . import frames, setup
from .children import ended_children, wake_at_child_exit
from .orders import SET_UP, Setup

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDED = struct.Struct("!ci")
"""What is told of a command: a letter, and a number. ``x``: the exit code, or minus the signal;
``e``: the error number with which the shell could not be started."""

_SHELL = "/bin/sh"
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)


class Agent:
    """Runs the commands of one sandbox until the host closes the control socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._environment: Mapping[bytes, bytes] = {}
        self._null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._poll = select.poll()
        self._shells: dict[int, tuple[int, socket.socket]] = {}
        """By the descriptor of the socket on which the host waits for the end."""
        self._woken = wake_at_child_exit()
        self._poll.register(self._control, select.POLLIN)
        self._poll.register(self._woken, select.POLLIN)

    def serve(self, environment: Mapping[bytes, bytes]) -> None:
        """Take commands until the control socket ends; then kill those that still run."""
        self._environment = environment
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor == self._woken:
                    os.read(self._woken, 4096)
                    self._tell_ends()
                elif descriptor in self._shells:
                    os.kill(self._shells[descriptor][0], signal.SIGKILL)
                    self._poll.unregister(descriptor)
                elif descriptor == self._control.fileno() and not self._take_request():
                    self._kill_shells()
                    return

    def _take_request(self) -> bool:
        frame = frames.receive(self._control)
        if frame is None:
            return False
        stdout, stderr, status = frame.descriptors
        host = socket.socket(fileno=status)
        kind, asked = frame.payload[:1], frame.payload[1:]
        start = self._set_up if kind == SET_UP else self._spawn
        try:
            pid = start(asked, stdout, stderr)
        except OSError as error:
            _tell(host, b"e", error.errno or 0)
            host.close()
        else:
            self._shells[status] = (pid, host)
            self._poll.register(status, 0)  # the host says nothing here; it hangs up
        finally:
            os.close(stdout)
            os.close(stderr)
        return True

    def _spawn(self, command: bytes, stdout: int, stderr: int) -> int:
        if b"\0" in command:
            raise OSError(errno.EINVAL, "an argument ends at its first NUL")
        return os.posix_spawn(
            _SHELL,
            (_SHELL, "-c", command),
            self._environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, self._null, 0),
                (os.POSIX_SPAWN_DUP2, stdout, 1),
                (os.POSIX_SPAWN_DUP2, stderr, 2),
            ],
            setpgroup=0,
            setsigdef=_PYTHON_IGNORES,
        )

    def _set_up(self, asked: bytes, stdout: int, stderr: int) -> int:
        """Have a child do it, which is followed as a command is; its exit code is 0 or 1."""
        if pid := os.fork():
            os.setpgid(pid, pid)
            return pid
        code = 1
        try:
            done = setup.apply(
                Setup.unpacked(asked), lambda script: self._spawn(script, stdout, stderr)
            )
            code = 0 if done else 1
        except OSError as error:
            os.write(stderr, f"{error}\n".encode())
        finally:
            os._exit(code)

    def _tell_ends(self) -> None:
        statuses = dict(ended_children())
        for descriptor, (pid, host) in list(self._shells.items()):
            if pid in statuses:
                _tell(host, b"x", os.waitstatus_to_exitcode(statuses[pid]))
                del self._shells[descriptor]
                self._forget(descriptor)
                host.close()

    def _forget(self, descriptor: int) -> None:
        try:
            self._poll.unregister(descriptor)
        except KeyError:  # it was killed, and so not listened to any more
            return

    def _kill_shells(self) -> None:
        for pid, _ in self._shells.values():
            os.killpg(pid, signal.SIGKILL)


def _tell(host: socket.socket, letter: bytes, number: int) -> None:
    try:
        host.sendall(ENDED.pack(letter, number))
    except OSError:
        return  # the host has hung up: nobody waits for this end
