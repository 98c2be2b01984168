"""What a call is, before anybody sends it.

An endpoint is a pure function that returns an ``Operation``. What takes several steps is a
``Flow``: a generator that yields operations, ``Sleep`` and ``Now``, and is sent what came of them.
Neither knows a connection, a loop or a clock; the drivers in ``_http`` bring those.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from agenttier.exceptions import InvalidRequestError, error_for_content, error_for_status

if TYPE_CHECKING:
    from pydantic import JsonValue

T = TypeVar("T")

PREFIX = "/api/v1"
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*")


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """One request, and how to read its answer.

    Attributes:
        path: As ``path`` makes it, with whatever it needs quoted.
        parse: Turns the body of a 2xx answer into the result; raises ``ValueError`` if it cannot.
        query: Parameters; those that are None are left out.
        body: What is sent as JSON; None sends no body.
        read_timeout: Seconds to wait for the answer, in place of the client's.
        deadline: When, on the driver's clock, nobody waits for the answer any more; one that is
            near is put off, so that the call has a second.
    """

    method: str
    path: str
    parse: Callable[[bytes], T]
    query: Mapping[str, str | None] | None = None
    body: Mapping[str, JsonValue] | None = None
    read_timeout: float | None = None
    deadline: float | None = None

    @property
    def target(self) -> str:
        """Path and query, as sent below the Router's address."""
        given = {key: _utf8(text) for key, text in (self.query or {}).items() if text is not None}
        return f"{self.path}?{urlencode(given)}" if given else self.path

    @property
    def content(self) -> bytes | None:
        """The body as sent."""
        if self.body is None:
            return None
        return _utf8(json.dumps(self.body, ensure_ascii=False, separators=(",", ":")))

    def result(self, answer: Answer) -> T:
        """What the answer says.

        Raises:
            HTTPError: It refuses, or cannot be read.
        """
        status, headers, body = answer
        if not 200 <= status < 300:
            raise error_for_status(status, headers, body, method=self.method, path=self.target)
        try:
            return self.parse(body)
        except (ValueError, RecursionError) as error:
            raise error_for_content(
                _reason(error), status, headers, body, method=self.method, path=self.target
            ) from error


class Answer(NamedTuple):
    """What came back: the body is whole, the headers are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Sleep:
    """A step of a flow: let time pass."""

    seconds: float


class Now:
    """A step of a flow: ask for the driver's monotonic seconds."""


NOW = Now()

Step: TypeAlias = "Operation[Any] | Sleep | Now"
Flow: TypeAlias = Generator[Step, Any, T]


def path(*segments: str) -> str:
    """The path of an endpoint; each segment stays one segment, whatever text it holds.

    Raises:
        InvalidRequestError: A segment that would name another endpoint however it is quoted,
            since the Router decodes a path before it matches and cleans it (contract 1.3).
    """
    return "/".join([PREFIX, *map(_segment, segments)])


def nothing(body: bytes) -> None:
    """Read an answer of which only the status matters: it is empty, or any JSON."""
    if body:
        json.loads(body)


def _segment(text: str) -> str:
    if _PLAIN_SEGMENT.fullmatch(text):
        return text
    if text in ("", ".", "..") or "/" in text:
        raise InvalidRequestError(
            f"{text!r} cannot name anything: empty, dots alone, or with a slash"
        )
    return quote(_utf8(text), safe="")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(
            f"{text!r} is no text that can be sent: {error.reason}"
        ) from error


def _reason(error: Exception) -> str:
    """The cause in one line; pydantic names the field."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}"
    return str(error)
