"""The root file system that all pods of a node share: read-only, made anew in memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import linux

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_ROOT = "/tmp"  # noqa: S108 - any directory of the host will do: the new root covers it

_NEW_ROOT = "/run"  # nothing is in it

VOLUMES = "/tmp/volumes"  # noqa: S108 - inside
"""Where the node has the volumes of all sandboxes; a pod covers it with its own ``/tmp``."""

_DIRECTORIES = (
    *("dev", "dev/pts", "dev/shm", "etc", "home", "home/sandbox", "proc", "run", "tmp"),
    *("tmp/volumes", "usr", "var", "workspace"),
)
_LINKS = {
    "dev/fd": "/proc/self/fd",
    "dev/ptmx": "pts/ptmx",
    "dev/stderr": "/proc/self/fd/2",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "etc/hostname": "/proc/sys/kernel/hostname",
    "etc/mtab": "/proc/self/mounts",
    "var/tmp": "/tmp",  # noqa: S108 - a path inside the pod
}
_FILES = {
    "etc/group": "root:x:0:\nsandbox:x:1000:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/passwd": (
        "root:x:0:0:root:/root:/usr/sbin/nologin\n"
        "sandbox:x:1000:1000:sandbox:/home/sandbox:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
}
_DEVICES = ("full", "null", "random", "tty", "urandom", "zero")
_SYSTEM = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_FROM_ETC = ("alternatives", "ld.so.cache")
"""What programs in ``/usr`` need of the host's ``/etc``: links, and where the libraries are."""


def build() -> None:
    """Leave the host's files for a root with ``/usr`` and what makes it work.

    The current directory, where the volumes are, becomes `VOLUMES`. Nothing else of the host stays
    reachable.
    """
    linux.make_mounts_private()
    linux.mount("tmpfs", _ROOT, linux.NO_SUID | linux.NO_DEVICES, "mode=755")
    for directory in _DIRECTORIES:
        os.mkdir(f"{_ROOT}/{directory}")
    for name, target in _LINKS.items():
        os.symlink(target, f"{_ROOT}/{name}")
    for name, text in _FILES.items():
        _write(f"{_ROOT}/{name}", text)
    for name in filter(_is_device, _DEVICES):
        _write(f"{_ROOT}/dev/{name}", "")
        linux.bind(f"/dev/{name}", f"{_ROOT}/dev/{name}", linux.NO_SUID | linux.NO_EXEC)
    _bind_read_only("/usr", f"{_ROOT}/usr")
    for name in _SYSTEM:
        _copy_system_directory(name)
    for name in _FROM_ETC:
        if os.path.exists(f"/etc/{name}"):
            _bind_read_only(f"/etc/{name}", f"{_ROOT}/etc/{name}")
    linux.bind(".", f"{_ROOT}{VOLUMES}", linux.NO_SUID | linux.NO_DEVICES)
    linux.mount("proc", f"{_ROOT}/proc", linux.NO_SUID | linux.NO_DEVICES | linux.NO_EXEC)
    linux.enter_root(_ROOT)
    linux.restrict("/", linux.READ_ONLY, recursive=False)
    os.stat("/bin/sh")  # not every host has it in /usr


def extended_root(missing: Collection[bytes]) -> str:
    """Build a root like this one, in which directories exist that are missing here.

    Returns:
        Where it is; this mount namespace may enter it, others do not see it.
    """
    linux.mount("tmpfs", _NEW_ROOT, linux.NO_SUID | linux.NO_DEVICES, "mode=755")
    parents = {parent for path in missing for parent in _parents(path) if os.path.isdir(parent)}
    _show_entries(b"/", parents)
    for path in missing:
        with linux.step(f"making {os.fsdecode(path)}"):
            os.makedirs(os.fsencode(_NEW_ROOT) + path, exist_ok=True)
    return _NEW_ROOT


def _show_entries(directory: bytes, own: Collection[bytes]) -> None:
    """Have the entries of a directory in the new root: those in ``own`` anew, others bound."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        inside = os.fsencode(_NEW_ROOT) + path
        if os.path.islink(path):
            os.symlink(os.readlink(path), inside)
        elif path in own:
            os.mkdir(inside)
            _show_entries(path, own)
        else:
            _make_mount_point(os.fsdecode(inside), directory=os.path.isdir(path))
            if path != os.fsencode(_NEW_ROOT):
                linux.bind(os.fsdecode(path), os.fsdecode(inside))


def _parents(path: bytes) -> Iterator[bytes]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent


def _is_device(name: str) -> bool:
    """Whether the host has it; a container may lack some."""
    return os.path.exists(f"/dev/{name}")


def _copy_system_directory(name: str) -> None:
    """``/bin`` and its like: a link into ``/usr`` on most hosts, a directory on others."""
    host, inside = f"/{name}", f"{_ROOT}/{name}"
    if os.path.islink(host):
        os.symlink(os.readlink(host), inside)
    elif os.path.isdir(host):
        _bind_read_only(host, inside)


def _bind_read_only(host: str, inside: str) -> None:
    if not os.path.exists(inside):
        _make_mount_point(inside, directory=os.path.isdir(host))
    linux.bind(host, inside, linux.READ_ONLY | linux.NO_SUID | linux.NO_DEVICES)


def _make_mount_point(path: str, *, directory: bool) -> None:
    if directory:
        os.mkdir(path)
    else:
        _write(path, "")


def _write(path: str, text: str) -> None:
    with open(path, "wb") as file:  # bytes: a codec would have to be imported from the old root
        file.write(text.encode())
