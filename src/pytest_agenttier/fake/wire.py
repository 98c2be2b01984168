"""Requests and responses as the fake sees them: bytes and small values, no sockets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .go.encoding import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class BodyStream(Protocol):
    """A response body in pieces; whoever stops reading early closes it."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """Give up what is left."""
        ...


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
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    body: bytes | BodyStream = b""


_JSON = ("Content-Type", "application/json")
_TEXT = ("Content-Type", "text/plain; charset=utf-8")
_NOSNIFF = ("X-Content-Type-Options", "nosniff")


def json_response(status: int, value: object) -> Response:
    """Go-encoded JSON and one newline."""
    return Response(status, [_JSON], encode(value).encode() + b"\n")


def error_response(status: int, text: str) -> Response:
    """A handler's error (contract 1.8, family A)."""
    return json_response(status, {"error": text})


def plain_response(status: int, text: str) -> Response:
    """What Go's ``http.Error`` writes: text and newline (contract 1.8, families B and C)."""
    return Response(status, [_TEXT, _NOSNIFF], text.encode("utf-8", "surrogateescape") + b"\n")


def empty_response(status: int) -> Response:
    """No body, no content type."""
    return Response(status)
