"""The two kinds of place in which a sandbox's commands run: a pod, and the bare host."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import NamedTuple, Protocol

from . import image, linux

WORKSPACE = "/workspace"
_USER = 1000
NOBODY = 65534
"""Whom the user of a pod is on the host where root runs it: one who owns nothing there."""

_READ_ONLY_IN_PROC = ("sys", "sysrq-trigger")
"""Though no user of a pod is root on the host, some of these belong to the user namespace."""
_WRITABLE = linux.NO_SUID | linux.NO_DEVICES


class Order(NamedTuple):
    """The sandbox that a prepared process is to become."""

    volume: str
    hostname: str
    workdir: str


class Kind(Protocol):
    """How a place is made, in the order in which it happens."""

    def isolate(self) -> None:
        """In the node process, before anything else."""
        ...

    def set_up_node(self) -> None:
        """Once, in the node: what all places share. The volumes are in its working directory."""
        ...

    def fork(self) -> int:
        """Fork the first process of a place."""
        ...

    def prepare(self) -> None:
        """In that process: all that can be done before the sandbox is known."""
        ...

    def enter(self, order: Order) -> None:
        """In that process: become the place of one sandbox, for good."""
        ...

    def end(self) -> None:
        """In that process, and after the node: leave no other process behind."""
        ...


class Pod:
    """A set of Linux namespaces; all rights in them are gone before the first command runs."""

    _pids: int
    _user_limits: int

    def isolate(self) -> None:
        """Become an ordinary user, first process of a new user and PID namespace."""
        if os.getuid() == 0:
            # Even what a namespace fails to hide from uid 0 stays out of reach.
            os.chown(".", NOBODY, NOBODY)  # the volumes
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            linux.set_readable(True)  # its own /proc/self/uid_map, otherwise root's
        uid, gid = os.getuid(), os.getgid()
        linux.unshare(linux.NEW_USER | linux.NEW_PIDS, "making a user namespace")
        # devpts wants a user 0; pods get a user namespace of their own, and 1000, in `enter`.
        linux.map_ids(inside=0, outside_uid=uid, outside_gid=gid)
        if os.fork():
            os._exit(0)  # only a child is in the new PID namespace: as its first process

    def set_up_node(self) -> None:
        """Enter a root file system that has nothing of the host but ``/usr``."""
        linux.unshare(linux.NEW_MOUNTS, "making a mount namespace")
        image.build()
        os.chdir(image.VOLUMES)
        self._pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def fork(self) -> int:
        """Fork the first process of a new PID namespace."""
        linux.unshare(linux.NEW_PIDS, "making a PID namespace")
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:  # in the node, also where it cannot fork
                linux.join_pids(self._pids)
        return pid

    def prepare(self) -> None:
        """Make the other namespaces and mounts of a pod."""
        linux.unshare(
            linux.NEW_MOUNTS | linux.NEW_NET | linux.NEW_IPC | linux.NEW_UTS | linux.NEW_CGROUP,
            "making the namespaces of a pod",
        )
        linux.mount("proc", "/proc", _WRITABLE | linux.NO_EXEC)
        self._user_limits = os.open("/proc/sys/user", os.O_RDONLY | os.O_CLOEXEC)
        for name in _READ_ONLY_IN_PROC:
            if os.path.exists(f"/proc/{name}"):
                linux.bind(f"/proc/{name}", f"/proc/{name}", linux.READ_ONLY)
        linux.mount("tmpfs", "/dev/shm", _WRITABLE, "size=64m,mode=1777")  # noqa: S108 - inside
        linux.mount(
            "devpts", "/dev/pts", linux.NO_SUID | linux.NO_EXEC, "newinstance,ptmxmode=0666"
        )
        linux.bring_loopback_up()

    def enter(self, order: Order) -> None:
        """Mount the volume, become uid 1000 of a user namespace, and give up every right."""
        socket.sethostname(order.hostname)
        os.makedirs(order.volume, exist_ok=True)
        linux.bind(order.volume, WORKSPACE)
        # The volumes of all others are below /tmp, and so out of sight from here on.
        linux.mount("tmpfs", "/tmp", _WRITABLE, "size=256m,mode=1777")  # noqa: S108 - inside
        linux.unshare(linux.NEW_USER, "making the user namespace of a pod")
        linux.map_ids(inside=_USER, outside_uid=0, outside_gid=0)
        linux.write("max_user_namespaces", "0", directory=self._user_limits)
        os.close(self._user_limits)
        linux.drop_capabilities()
        linux.forbid_new_privileges()
        linux.set_readable(False)
        linux.set_name("sleep")  # what the first process of a real pod is (recorded in lifecycle)
        _work_in(order.workdir)

    def end(self) -> None:
        """The kernel ends a PID namespace with its first process."""


class Bare:
    """A directory on the host, and no isolation."""

    def isolate(self) -> None:
        """Do nothing: there is no isolation."""

    def set_up_node(self) -> None:
        """Do nothing: the host is what places share."""

    def fork(self) -> int:
        """Fork."""
        return os.fork()

    def prepare(self) -> None:
        """See to it that `end` finds all that the commands start."""
        if sys.platform == "linux":
            linux.adopt_orphans()

    def enter(self, order: Order) -> None:
        """Work in the volume's directory; other directories of the template are not there."""
        inside = os.path.relpath(order.workdir, WORKSPACE)
        _work_in(order.volume)
        if not inside.startswith(".."):
            _work_in(inside)

    def end(self) -> None:
        """Kill what the commands have left, generation by generation, as orphans come here."""
        while children := _children():
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            for pid in children:
                os.waitpid(pid, 0)


def _work_in(directory: str) -> None:
    try:
        os.makedirs(directory, exist_ok=True)
        os.chdir(directory)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"entering {directory}") from None


def _children() -> list[int]:
    path = f"/proc/self/task/{os.getpid()}/children"
    try:
        with open(path, "rb") as file:
            return [int(pid) for pid in file.read().split()]
    except FileNotFoundError:  # not Linux: only shells that still run are known, and killed
        return []
