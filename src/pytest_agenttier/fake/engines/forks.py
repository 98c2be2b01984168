"""Sockets that a forked child must let go of: at their other ends are the pods of its parent."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

# Of the process and not of an object: a fork copies all of it.
_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


def keep_from_children(sock: socket.socket) -> socket.socket:
    """Have a socket closed in every process forked from this one; returns it."""
    _sockets.add(sock)
    return sock


def _close_copies() -> None:
    for sock in list(_sockets):
        sock.close()


os.register_at_fork(after_in_child=_close_copies)
