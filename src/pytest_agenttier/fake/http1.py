"""HTTP/1.1 as Go's net/http speaks it: requests parsed, answers framed; no sockets.

Not h11: which requests are refused in which words, and the order and case of headers, are Go's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_agenttier.fake.wire import Response

Headers = list[tuple[str, str]]

_HEADER_LIMIT = (1 << 20) + 4096
_BLANKS = " \t"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_HOST = re.compile(r"[!$%&()*+,\-.:;=\[\]'_~0-9A-Za-z]*")
_VERSION = re.compile(r"HTTP/([0-9])\.([0-9])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.\-]*:"
    r"(?://(?:[^@/?]*@)?(?:\[[^\]/?]*\]|[^\[\]:/?%]*)(?::[0-9]*)?|(?!//))"
    r"(?P<target>(?:[/?].*)?)"
)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")
_GO_REASONS = {  # where Go's words are not those of every Python
    413: "Request Entity Too Large",
    414: "Request URI Too Long",
    416: "Requested Range Not Satisfiable",
    422: "Unprocessable Entity",
}


class Refused(Exception):  # noqa: N818 - not a failure: an answer
    """A request answered below the Router: no Date, and the connection closes (contract 1.3)."""

    def __init__(self, status: str = "400 Bad Request", text: str | None = None) -> None:
        super().__init__(status)
        self.status: int = int(status[:3])
        self.answer: bytes = (
            f"HTTP/1.1 {status}\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Connection: close\r\n\r\n"
            f"{text or status}"
        ).encode()


class Inbox:
    """What a client has sent, by line and by count.

    Args:
        receive: Waits for more; gives ``b""`` once the client has finished sending.
    """

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._unread = bytearray()
        self._header_budget = _HEADER_LIMIT

    def wait_for(self, count: int) -> bool:
        """Whether ``count`` bytes have come; False where the client finished before."""
        while len(self._unread) < count:
            if not (more := self._receive()):
                return False
            self._unread += more
        return True

    def begin_header(self) -> None:
        """Allow a whole new request header."""
        self._header_budget = _HEADER_LIMIT

    def line(self) -> str:
        """The next line without its end.

        Raises:
            Refused: the client finished before its end, or the header has grown too large.
        """
        while (end := self._unread.find(b"\n")) < 0 and len(self._unread) <= self._header_budget:
            if not self.wait_for(len(self._unread) + 1):
                raise Refused
        self._header_budget -= end + 1
        if end < 0 or self._header_budget < 0:
            raise Refused("431 Request Header Fields Too Large")
        return self.take(end + 1)[:-1].removesuffix(b"\r").decode("latin-1")

    def take(self, count: int) -> bytes:
        """Exactly ``count`` bytes.

        Raises:
            ConnectionError: the client finished before.
        """
        if not self.wait_for(count):
            raise ConnectionError("the client left in the middle of its request")
        taken = bytes(self._unread[:count])
        del self._unread[:count]
        return taken


@dataclass(frozen=True, slots=True)
class Head:
    """A request's line and headers, and what they say about the connection."""

    method: str
    target: str
    """In origin form: Go routes an absolute URL by its path."""
    headers: tuple[tuple[str, str], ...]
    is_http_1_1: bool
    body_length: int | None
    """None where the body is chunked."""
    expects_continue: bool
    expects_else: bool
    """Something is expected that is not known here."""
    closes: bool
    """The connection ends with the answer."""


def read_head(inbox: Inbox) -> Head:
    """Read a request's line and headers, judged in Go's order.

    Raises:
        Refused: Go answers this one itself.
    """
    inbox.begin_header()
    method, target, version = _request_line(inbox.line())
    headers = _read_headers(inbox)
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(value)
    hosts = values.get("host", [])
    if len(hosts) > 1:
        raise Refused
    is_http_1_1 = version >= (1, 1)
    body_length = _body_length(values, is_http_1_1=is_http_1_1)
    if version[0] != 1:
        raise Refused("505 HTTP Version Not Supported: unsupported protocol version")
    if is_http_1_1 and not hosts and method != "CONNECT":
        raise Refused("400 Bad Request: missing required Host header")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise Refused("400 Bad Request: malformed Host header")
    if any(" " in name for name, _ in headers):
        raise Refused("400 Bad Request: invalid header name")
    if body_length is None:  # a length beside chunks is not believed, nor handed on
        headers = [header for header in headers if header[0].lower() != "content-length"]
    connection = _tokens(values.get("connection", []))
    expected = _tokens(values.get("expect", []))
    return Head(
        method,
        target,
        tuple(headers),
        is_http_1_1,
        body_length,
        expects_continue="100-continue" in expected,
        expects_else=bool(expected - {""}) and "100-continue" not in expected,
        closes="close" in connection or not (is_http_1_1 or "keep-alive" in connection),
    )


def _request_line(line: str) -> tuple[str, str, tuple[int, int]]:
    method, _, rest = line.partition(" ")
    target, _, protocol = rest.partition(" ")
    version = _VERSION.fullmatch(protocol)
    if not version or not _TOKEN.fullmatch(method) or _CONTROL.search(target):
        raise Refused
    if absolute := _ABSOLUTE.fullmatch(target):
        target = absolute["target"]
        if not target.startswith("/"):
            target = "/" + target
    if not target.startswith("/") and target != "*":
        raise Refused
    if _BROKEN_ESCAPE.search(target.partition("?")[0]):
        raise Refused
    return method, target, (int(version[1]), int(version[2]))


def _read_headers(inbox: Inbox) -> Headers:
    headers: Headers = []
    while line := inbox.line():
        if _CONTROL.search(line.replace("\t", "")):
            raise Refused
        if line[0] in _BLANKS and headers:  # the header before goes on
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip(_BLANKS)}".strip(_BLANKS))
            continue
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.fullmatch(name.replace(" ", "")) or line[0] in _BLANKS:
            raise Refused
        headers.append((name, value.strip(_BLANKS)))
    return headers


def _body_length(values: dict[str, list[str]], *, is_http_1_1: bool) -> int | None:
    codings = values.get("transfer-encoding", [])
    chunked = bool(codings) and is_http_1_1
    if chunked and [coding.lower() for coding in codings] != ["chunked"]:
        raise Refused("501 Not Implemented", "Unsupported transfer encoding")
    lengths = values.get("content-length", [])
    if lengths and (len(set(lengths)) > 1 or not re.fullmatch("[0-9]{1,18}", lengths[0])):
        raise Refused
    if chunked:
        return None
    return int(lengths[0]) if lengths else 0


def _tokens(values: list[str]) -> set[str]:
    return {token.lower() for value in values for token in re.split("[ \t,]+", value)}


def read_body(inbox: Inbox, head: Head) -> bytes:
    """Read a request's body, without its transfer coding.

    Raises:
        Refused: a chunk's frame is broken.
        ConnectionError: the client finished before the end.
    """
    if head.body_length is not None:
        return inbox.take(head.body_length)
    return b"".join(_chunks(inbox))


def _chunks(inbox: Inbox) -> Iterator[bytes]:
    while True:
        inbox.begin_header()
        size = _CHUNK_SIZE.fullmatch(inbox.line().encode("latin-1"))
        if not size:
            raise Refused
        if not (length := int(size[1], 16)):
            break
        yield inbox.take(length)
        if inbox.line():
            raise Refused
    _read_headers(inbox)  # trailers, which the Router never looks at


@dataclass(frozen=True, slots=True)
class Framing:
    """How an answer goes over the wire."""

    head: bytes
    """Status line and headers, up to and with the empty line."""
    has_body: bool
    chunked: bool
    closes: bool
    """The connection ends with this answer."""

    def piece(self, data: bytes) -> bytes:
        """A piece of the body as it is sent."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self.chunked and data else data

    @property
    def end(self) -> bytes:
        """What follows the last piece."""
        return b"0\r\n\r\n" if self.chunked else b""


def frame(head: Head, response: Response) -> Framing:
    """Put the connection's own headers at their places (contract 1.5).

    A body whose length no header tells is chunked; HTTP/1.0 has no chunks, and ends with the
    connection.
    """
    names = {name.lower(): value for name, value in response.headers}
    has_body = head.method != "HEAD" and response.status not in (204, 304)
    unmeasured = has_body and "content-length" not in names
    chunked = unmeasured and head.is_http_1_1
    told_to_close = names.get("connection") == "close"
    closes = head.closes or told_to_close or (unmeasured and not chunked)
    lines = [f"HTTP/1.{int(head.is_http_1_1)} {response.status} {_reason(response.status)}"]
    for name, value in response.headers:
        if not (closes and name.lower() == "connection") or told_to_close:
            lines.append(f"{name}: {value}")
    if closes and head.is_http_1_1 and not told_to_close:
        lines.append("Connection: close")
    if not closes and not head.is_http_1_1 and "connection" not in names:
        lines.append("Connection: keep-alive")
    if chunked:
        lines.append("Transfer-Encoding: chunked")
    return Framing(
        "\r\n".join([*lines, "", ""]).encode("latin-1"), has_body, chunked=chunked, closes=closes
    )


def _reason(status: int) -> str:
    if status in _GO_REASONS:
        return _GO_REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"status code {status}"
