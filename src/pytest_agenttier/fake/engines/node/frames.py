"""Messages on a stream socket: a length, the bytes, and file descriptors with them."""

from __future__ import annotations

# socket.recv_fds imports it when called, and then it may be out of reach.
import array  # noqa: F401  # pyright: ignore[reportUnusedImport]  # see above
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENGTH = struct.Struct("!I")
_MOST_DESCRIPTORS = 3


class Frame(NamedTuple):
    """One message; its descriptors belong to whoever received it."""

    payload: bytes
    descriptors: list[int]

    def fields(self) -> list[bytes]:
        """The parts of a payload that was joined with NUL bytes."""
        return self.payload.split(b"\0")


def send(sock: socket.socket, payload: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send one message; the descriptors stay open on this side.

    Raises:
        OSError: the other side is gone.
    """
    message = memoryview(_LENGTH.pack(len(payload)) + payload)
    sent = socket.send_fds(sock, [message], descriptors) if descriptors else sock.send(message)
    if sent < len(message):  # whoever has it all may be gone: not even nothing can be sent then
        sock.sendall(message[sent:])


def receive(sock: socket.socket) -> Frame | None:
    """The next message; None once the other side is gone.

    Raises:
        OSError: this process may not have the descriptors that came with it: ``EMFILE``.
    """
    try:
        # Never more than the length: a longer read could swallow a part of the next message.
        length, descriptors, flags, _ = socket.recv_fds(sock, _LENGTH.size, _MOST_DESCRIPTORS)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        payload = _exactly(sock, _LENGTH.unpack(length)[0]) if length else None
    except ConnectionError:
        return None
    if flags & socket.MSG_CTRUNC:
        for descriptor in descriptors:
            os.close(descriptor)
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return None if payload is None else Frame(payload, descriptors)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    payload = bytearray()
    while len(payload) < size:
        chunk = sock.recv(min(size - len(payload), 1 << 20))
        if not chunk:
            return None
        payload += chunk
    return bytes(payload)
