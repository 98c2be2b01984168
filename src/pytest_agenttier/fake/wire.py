"""Requests and responses as the fake sees them: bytes and small values, no sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol


class BodyStream(Protocol):
    """A response body in pieces; whoever stops reading early closes it."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


def _stays() -> bool:
    return False


@dataclass(slots=True)
class Request:
    """One request, as it came over whichever mount."""

    method: str
    target: str
    """Path and query exactly as sent: still percent-encoded."""
    headers: tuple[tuple[str, str], ...] = ()
    """In the order and case in which they came."""
    body: bytes = b""
    """The whole body, without transfer coding."""
    disconnected: Callable[[], bool] = field(default=_stays)
    """True once the client has gone; what may take long looks at it."""

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case; None where it is absent."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return None


@dataclass(slots=True)
class Response:
    """One answer; its headers are complete and in wire order once ``handle`` returns it."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | BodyStream = b""
