"""The few calls to the Linux kernel that Python has no name for."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

# Namespaces (sched.h)
NEW_USER, NEW_MOUNTS, NEW_PIDS = 0x1000_0000, 0x0002_0000, 0x2000_0000
NEW_NET, NEW_IPC, NEW_UTS, NEW_CGROUP = 0x4000_0000, 0x0800_0000, 0x0400_0000, 0x0200_0000

# Mounts (sys/mount.h)
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x4_0000
_DETACH = 2

_SYS_MOUNT_SETATTR = 442  # one number on every architecture
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000

# prctl.h
_SET_DUMPABLE, _SET_NAME, _SET_SUBREAPER, _SET_NO_NEW_PRIVS = 4, 15, 36, 38

# keyctl.h
_KEYCTL = {"i686": 288, "ppc64le": 271, "s390x": 280, "x86_64": 250}
_KEYCTL_ELSEWHERE = 219  # aarch64, riscv64, loongarch64: one table for all newer architectures
_JOIN_SESSION_KEYRING, _REVOKE, _SESSION_KEYRING = 1, 3, -3

_ARG_START, _ARG_END = 47, 48  # fields of /proc/self/stat, counted from 0

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

_CAPABILITIES_V3 = (ctypes.c_uint32 * 2)(0x2008_0522, 0)  # of this process
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


class step:  # noqa: N801 - reads as a statement
    """A step that the error of whatever fails in it names: ``with step("doing this"):``."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        """Nothing has failed yet."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, self._what) from None


def _call(what: str, result: int) -> None:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _prctl(what: str, option: int, value: int | bytes) -> None:
    argument = value if isinstance(value, bytes) else ctypes.c_ulong(value)
    zero = ctypes.c_ulong(0)
    _call(what, _libc.prctl(option, argument, zero, zero, zero))


def unshare(namespaces: int, what: str) -> None:
    """Leave the given namespaces for new ones; PIDs: the children only."""
    _call(what, _libc.unshare(namespaces))


def join_pids(namespace: int) -> None:
    """Have further children in the PID namespace that a descriptor stands for."""
    _call("joining a PID namespace", _libc.setns(namespace, NEW_PIDS))


def mount(kind: str, target: str, flags: int, options: str = "") -> None:
    """Mount a new file system of a kind: tmpfs, proc, devpts."""
    arguments = (kind.encode(), target.encode(), kind.encode())
    result = _libc.mount(*arguments, ctypes.c_ulong(flags), options.encode())
    _call(f"mounting {kind} on {target}", result)


def bind(source: str, target: str, flags: int = 0) -> None:
    """Show a file or a directory, and what is mounted below it, at a second place."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(_BIND | _RECURSIVE), None
    )
    _call(f"binding {source} to {target}", result)
    if flags:
        restrict(target, flags)


def restrict(target: str, flags: int, *, recursive: bool = True) -> None:
    """Add flags to a mount, and to what is mounted below it."""
    attributes = _MountAttributes(set=flags)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        target.encode(),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _call(f"restricting {target} (mount_setattr)", result)


def make_mounts_private() -> None:
    """Let no later mount or unmount reach the namespace this one was copied from."""
    result = _libc.mount(None, b"/", None, ctypes.c_ulong(_RECURSIVE | _PRIVATE), None)
    _call("making mounts private", result)


def unmount(target: str) -> None:
    """Take a mount, and all below it, out of this namespace."""
    _call(f"unmounting {target}", _libc.umount2(target.encode(), _DETACH))


def enter_root(root: str) -> None:
    """Make a mounted directory the root, and drop the old root altogether."""
    os.chdir(root)
    _call("changing the root (pivot_root)", _libc.pivot_root(b".", b"."))
    unmount(".")
    os.chdir("/")


def is_mapped(user: int) -> bool:
    """Whether the user namespace of this process has a user and a group of that number."""
    return all(_maps(f"/proc/self/{kind}_map", user) for kind in ("uid", "gid"))


def _maps(path: str, number: int) -> bool:
    with open(path, encoding="ascii") as file:
        ranges = [[int(field) for field in line.split()] for line in file]
    return any(first <= number < first + count for first, _, count in ranges)


def map_ids(*, inside: int, outside_uid: int, outside_gid: int) -> None:
    """Give the new user namespace its one user and its one group."""
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{inside} {outside_uid} 1")
    write("/proc/self/gid_map", f"{inside} {outside_gid} 1")


def write(name: str, content: str, directory: int | None = None) -> None:
    """Set what a file of ``/proc`` stands for; its name may be relative to an open directory."""
    with step(f"writing {name}"):
        descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            os.write(descriptor, content.encode())
        finally:
            os.close(descriptor)


def bring_loopback_up() -> None:
    """Let 127.0.0.1 and ::1 work in this network namespace."""
    with (
        step("bringing the loopback interface up"),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket,
    ):
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


def lose_session_keyring() -> None:
    """Leave the host's session keyring for a revoked one: in it no key is found, and none kept.

    One of its own for each pod would count against the 200 keys that a user may have.
    """
    number = ctypes.c_long(_KEYCTL.get(os.uname().machine, _KEYCTL_ELSEWHERE))
    joined = _libc.syscall(number, ctypes.c_int(_JOIN_SESSION_KEYRING), None)
    if joined == -1 and ctypes.get_errno() in (errno.ENOSYS, errno.EPERM):
        return  # there are no keyrings, or, in a container, no way to use them
    _call("making a session keyring", joined)
    result = _libc.syscall(number, ctypes.c_int(_REVOKE), ctypes.c_int(_SESSION_KEYRING))
    _call("revoking the session keyring", result)


def drop_capabilities() -> None:
    """Give up every capability of this process."""
    _call("dropping capabilities", _libc.capset(_CAPABILITIES_V3, _NO_CAPABILITIES))


def forbid_new_privileges() -> None:
    """From here on no setuid binary and no file capability gains anything, in children too."""
    _prctl("forbidding new privileges", _SET_NO_NEW_PRIVS, 1)


def set_readable(readable: bool) -> None:
    """Whether processes of the same user may read or trace this one."""
    _prctl("setting dumpable", _SET_DUMPABLE, int(readable))


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _prctl("adopting orphans", _SET_SUBREAPER, 1)


def set_name(name: str) -> None:
    """What ``ps`` shows this process as."""
    _prctl("setting the name", _SET_NAME, name.encode() + b"\0")


def arguments_area() -> tuple[int, int]:
    """Where in the memory of this process, and of its forks, its arguments begin and end."""
    with open("/proc/self/stat", "rb") as file:
        # The second field is a name in parentheses, and may hold blanks.
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[_ARG_START - 2]), int(fields[_ARG_END - 2])


def set_arguments(area: tuple[int, int], shown: bytes) -> None:
    """What ``ps`` shows as the arguments of this process, where there is room for it."""
    start, end = area
    if len(shown) < end - start:
        ctypes.memset(start, 0, end - start)
        ctypes.memmove(start, shown, len(shown))
