"""The few calls to the Linux kernel that Python has no name for."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

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

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1

_CAPABILITIES_V3 = (ctypes.c_uint32 * 2)(0x2008_0522, 0)  # of this process
_NO_CAPABILITIES = (ctypes.c_uint32 * 6)()

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns")]


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
        os.fsencode(source), target.encode(), None, ctypes.c_ulong(_BIND | _RECURSIVE), None
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
    _call("entering the new root", _libc.pivot_root(b".", b"."))
    unmount(".")
    os.chdir("/")


def map_ids(*, inside: int, outside_uid: int, outside_gid: int) -> None:
    """Give the new user namespace its one user and its one group."""
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{inside} {outside_uid} 1")
    write("/proc/self/gid_map", f"{inside} {outside_gid} 1")


def write(name: str, content: str, directory: int | None = None) -> None:
    """Set what a file of ``/proc`` stands for; its name may be relative to an open directory."""
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CLOEXEC, dir_fd=directory)
        try:
            os.write(descriptor, content.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OSError(error.errno, error.strerror, f"writing {name}") from None


def bring_loopback_up() -> None:
    """Let 127.0.0.1 and ::1 work in this network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


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
