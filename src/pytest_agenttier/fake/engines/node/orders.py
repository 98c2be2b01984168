"""What the host orders of a place: which sandbox to be, and what to set up in it."""

from __future__ import annotations

import marshal
from typing import NamedTuple

RUN, SET_UP = b"r", b"s"
"""The first byte of what an agent is asked; a command, or a packed `Setup`, follows."""


class Order(NamedTuple):
    """The sandbox that a prepared place is to become."""

    volume: str
    hostname: str
    mount: bytes
    """Where the volume is seen."""
    workdir: bytes
    environment: dict[bytes, bytes]

    def packed(self) -> bytes:
        """As a message; both ends are the same interpreter, which ``marshal`` asks for."""
        return marshal.dumps(tuple(self))

    @classmethod
    def unpacked(cls, message: bytes) -> Order:
        """From a message of the host's."""
        return cls(*marshal.loads(message))  # noqa: S302 - the host is trusted


class Setup(NamedTuple):
    """What a template wants done in a new pod before its first command (contract 4.5)."""

    files: list[tuple[bytes, bytes, int]]
    """Path, content, and mode of each."""
    scripts: list[bytes]

    def packed(self) -> bytes:
        """As a message."""
        return marshal.dumps(tuple(self))

    @classmethod
    def unpacked(cls, message: bytes) -> Setup:
        """From a message of the host's."""
        return cls(*marshal.loads(message))  # noqa: S302 - the host is trusted
