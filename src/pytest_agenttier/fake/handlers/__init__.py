"""One function per endpoint: a call in, the contract's answer out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from ..auth import ANONYMOUS, Caller
from ..go.decoding import Struct, Type, Values, decode, decode_any
from ..go.parsing import DecodeError
from ..wire import Request, Response

if TYPE_CHECKING:
    from ..auth import Credentials
    from ..engines import Runtime
    from ..quirks import Quirks
    from ..state import State


class Refusal(Exception):  # noqa: N818 - what the endpoint answers
    """An endpoint's own error answer: status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(slots=True)
class Call:
    """One request on its way through middleware and handler."""

    request: Request
    query: str
    """As sent, without the question mark."""
    quirks: Quirks
    state: State
    credentials: Credentials
    runtime: Runtime
    caller: Caller = ANONYMOUS
    sandbox: str = ""
    """The sandbox it is about, for the log."""

    def decode(self, struct: Struct) -> Values:
        """The body as a struct.

        Raises:
            Refusal: 400 with Go's text.
        """
        try:
            return decode(self.request.body, struct)
        except DecodeError as error:
            raise Refusal(400, f"invalid request body: {error}") from error

    def decode_optional(self, struct: Struct) -> Values:
        """The body as a struct, read only where its length was announced (contract 1.7).

        Raises:
            Refusal: 400 with Go's text.
        """
        announced = self.request.header("Content-Length") is not None
        return self.decode(struct) if announced and self.request.body else Values()

    def decode_any(self, type_: Type) -> Any:
        """The body as any type; ``null`` gives None.

        Raises:
            Refusal: 400 with Go's text.
        """
        try:
            return decode_any(self.request.body, type_)
        except DecodeError as error:
            raise Refusal(400, f"invalid request body: {error}") from error

    def decode_tersely(self, struct: Struct) -> Values:
        """The body as a struct, for endpoints that keep Go's text to themselves.

        Raises:
            Refusal: 400.
        """
        try:
            return decode(self.request.body, struct)
        except DecodeError as error:
            raise Refusal(400, "invalid request body") from error

    def listed(self, items: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        """A list as Go encodes a nil slice where it is empty (contract 1.6)."""
        return None if not items and self.quirks["empty_lists_are_null"] else items

    def parameter(self, name: str) -> str:
        """The first value of a query parameter, empty where there is none."""
        for pair in self.query.split("&") if self.query else ():
            key, _, value = pair.partition("=")
            # Go drops a pair with a semicolon or a broken escape.
            if ";" not in pair and not _BROKEN_ESCAPE.search(pair) and unquote_plus(key) == name:
                return unquote_plus(value, errors="surrogateescape")
        return ""


Handler = Callable[..., Response]
"""Takes the call, then the path's variables in order."""

_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
