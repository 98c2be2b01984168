"""The two kinds of place in which a sandbox's commands run: a pod, and the bare host."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Protocol

from . import image, linux
from .children import kill_descendants

if TYPE_CHECKING:
    from .orders import Order

_USER = 1000
_NOBODY = 65534

_READ_ONLY_IN_PROC = ("sys", "sysrq-trigger")
"""Though no user of a pod is root on the host, some of these belong to the user namespace."""
_HIDDEN_IN_PROC = ("keys",)
"""Where a pod would see the names of keys that its user has on the host."""
_WRITABLE = linux.NO_SUID | linux.NO_DEVICES
_MADE_BY_ITS_USER = (b"/tmp/", b"/dev/shm/")
_FIRST_PROCESS = b"sleep\0infinity"  # of a real pod (contract 4.5)


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


def user_of_pods() -> int | None:
    """Whom pods run as on the host where root makes them: one who owns nothing there.

    None where pods are the user's own who makes them, and where there is only one user: in a
    namespace that maps no other, as of ``unshare --map-root-user``.
    """
    return _NOBODY if os.getuid() == 0 and linux.is_mapped(_NOBODY) else None


class Pod:
    """A set of Linux namespaces; all rights in them are gone before the first command runs.

    Not covered: ``AF_VSOCK`` belongs to no namespace, so a pod reaches what the host serves there.
    """

    _pids: int
    _user_limits: int
    _arguments: tuple[int, int]

    def isolate(self) -> None:
        """Become an ordinary user, first process of a new user and PID namespace."""
        if (user := user_of_pods()) is not None:
            # Even what a namespace fails to hide from uid 0 stays out of reach.
            with linux.step("becoming an ordinary user"):
                os.chown(".", user, user)  # the volumes
                os.setgroups([])
                os.setresgid(user, user, user)
                os.setresuid(user, user, user)
            linux.set_readable(True)  # its own /proc/self/uid_map, otherwise root's
        linux.lose_session_keyring()
        uid, gid = os.getuid(), os.getgid()
        linux.unshare(linux.NEW_USER | linux.NEW_PIDS, "making a user namespace")
        # devpts wants a user 0; pods get a user namespace of their own, and 1000, in `enter`.
        linux.map_ids(inside=0, outside_uid=uid, outside_gid=gid)
        with linux.step("forking"):
            if os.fork():
                os._exit(0)  # only a child is in the new PID namespace: as its first process

    def set_up_node(self) -> None:
        """Enter a root file system that has nothing of the host but ``/usr``."""
        linux.unshare(linux.NEW_MOUNTS, "making a mount namespace")
        image.build()
        os.chdir(image.VOLUMES)
        self._pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._arguments = linux.arguments_area()

    def fork(self) -> int:
        """Fork the first process of a new PID namespace."""
        linux.unshare(linux.NEW_PIDS, "making a PID namespace")
        pid = -1
        try:
            with linux.step("forking"):
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
        for name in _HIDDEN_IN_PROC:
            if os.path.exists(f"/proc/{name}"):
                linux.bind("/dev/null", f"/proc/{name}")
        linux.mount("tmpfs", "/dev/shm", _WRITABLE, "size=64m,mode=1777")  # noqa: S108 - inside
        linux.mount(
            "devpts", "/dev/pts", linux.NO_SUID | linux.NO_EXEC, "newinstance,ptmxmode=0666"
        )
        # The volumes are below /tmp, and so out of sight from here on; but for the working
        # directory, which `enter` leaves.
        linux.mount("tmpfs", "/tmp", _WRITABLE, "size=256m,mode=1777")  # noqa: S108 - inside
        linux.bring_loopback_up()
        linux.set_arguments(self._arguments, _FIRST_PROCESS)
        linux.set_name("sleep")

    def enter(self, order: Order) -> None:
        """Mount the volume, become uid 1000 of a user namespace, and give up every right."""
        mount = os.path.normpath(b"/" + order.mount.lstrip(b"/"))
        workdir = os.path.normpath(b"/" + order.workdir.lstrip(b"/"))
        with linux.step("setting the hostname"):
            socket.sethostname(order.hostname)
        _make_volume(order.volume)
        root = ""
        if missing := _missing(mount, workdir):
            root = image.extended_root(missing)
        linux.bind(order.volume, root + os.fsdecode(mount))
        if root:
            linux.enter_root(root)
            linux.restrict("/", linux.READ_ONLY, recursive=False)
        os.chdir("/")  # away from the volumes
        linux.unshare(linux.NEW_USER, "making the user namespace of a pod")
        linux.map_ids(inside=_USER, outside_uid=0, outside_gid=0)
        linux.write("max_user_namespaces", "0", directory=self._user_limits)
        os.close(self._user_limits)
        linux.drop_capabilities()
        linux.forbid_new_privileges()
        linux.set_readable(False)
        _work_in(workdir)

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
        with linux.step("forking"):
            return os.fork()

    def prepare(self) -> None:
        """See to it that `end` finds all that the commands start."""
        if sys.platform == "linux":
            linux.adopt_orphans()

    def enter(self, order: Order) -> None:
        """Work in the volume: the host has said where in it."""
        _make_volume(order.volume)
        _work_in(order.workdir)

    def end(self) -> None:
        """Kill what the commands have left, as orphans come here."""
        kill_descendants()


def _make_volume(volume: str) -> None:
    with linux.step("making the volume"):
        try:
            os.mkdir(volume)
        except FileExistsError:  # a command may have locked its own sandbox out
            os.chmod(volume, 0o700 | os.stat(volume).st_mode & 0o7777)


def _missing(mount: bytes, workdir: bytes) -> list[bytes]:
    """Which of the two have to be there before the root is closed, and are not."""
    ours = (os.path.join(mount, b""), *_MADE_BY_ITS_USER)
    wanted = [mount] if workdir.startswith(ours) else [mount, workdir]
    return [path for path in wanted if not os.path.isdir(path)]


def _work_in(directory: bytes) -> None:
    with linux.step(f"working in {os.fsdecode(directory)}"):
        os.makedirs(directory, exist_ok=True)
        os.chdir(directory)
