"""Why this machine refuses to make a pod, and the line that removes the obstacle."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

_SYSCTLS = Path("/proc/sys")


def _sysctl(name: str) -> str | None:
    try:
        return _SYSCTLS.joinpath(*name.split(".")).read_text(encoding="ascii").strip()
    except OSError:  # this kernel does not have it
        return None


def explain(told: Sequence[bytes], sysctl: Callable[[str], str | None] = _sysctl) -> str:
    """Say what stood in the way, from what the node told: failed, error number, text, step."""
    _, number, text, step = (os.fsdecode(field) for field in (*told, b"", b"", b"")[:4])
    seen = f"{step}: {text}" if step else text
    return f"{_reason(int(number or 0), step, sysctl)} ({seen})"


def _reason(number: int, step: str, sysctl: Callable[[str], str | None]) -> str:
    """The first obstacle that is there."""
    if number == errno.ENOSYS:
        return "pods need Linux 5.12 or newer"
    if step.startswith("working in "):
        return "the template's working directory cannot be one"
    if sysctl("kernel.apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor forbids user namespaces to ordinary programs; allow them:"
            " sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if sysctl("kernel.unprivileged_userns_clone") == "0":
        return (
            "this kernel forbids user namespaces to ordinary users; allow them:"
            " sudo sysctl -w kernel.unprivileged_userns_clone=1"
        )
    if sysctl("user.max_user_namespaces") == "0":
        return (
            "user namespaces are limited to none; allow some:"
            " sudo sysctl -w user.max_user_namespaces=15000"
        )
    if number in (errno.ENOSPC, errno.EAGAIN):
        return "a limit is reached: see sysctl user.max_*_namespaces, and ulimit -u"
    if number in (errno.EPERM, errno.EACCES):
        return (
            "namespaces are refused, as by the seccomp filter of a container;"
            " start it with: docker run --security-opt seccomp=unconfined"
            " --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
        )
    return "this machine cannot make a pod"


@contextmanager
def descriptors_may_run_out() -> Generator[None, None, None]:
    """Say what is the matter where this process may not open another file.

    Raises:
        EngineUnavailable: it may not.
    """
    try:
        yield
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise EngineUnavailable(
            "this process is out of file descriptors (ulimit -n): close some, or allow more"
        ) from None
