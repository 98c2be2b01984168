"""One JSON value read as Go's decoder reads it, with its syntax errors (contract 1.7)."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Union, cast

from .quoting import quote_character

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_DEPTH = 10_000


class DecodeError(ValueError):
    """A body that Go's decoder refuses; the text is Go's."""


class Number(str):
    """A number as it was written; what it is good for depends on who asks."""

    __slots__ = ()


class Object:
    """A JSON object with its members in order, duplicates included."""

    __slots__ = ("members",)

    def __init__(self, members: Sequence[tuple[str, Node]]) -> None:
        self.members: Sequence[tuple[str, Node]] = members


Node = Union[Object, "list[Node]", str, Number, bool, None]


def parse(body: bytes) -> Node:
    """The first JSON value of a body; whatever follows it is ignored.

    Raises:
        DecodeError: no value, or a malformed one.
    """
    # Plain objects take the fast parser; escapes, broken bytes and everything malformed take
    # the one that knows Go's rules and texts, as does what is long enough to nest too deep.
    if body[:1] == b"{" and len(body) < MAX_DEPTH and b"\\u" not in body:
        with suppress(ValueError, RecursionError):  # the exact parser has the last word
            node: Node = _fast(body.decode())[0]
            return node
    return _Parser(body).parse()


def _refuse(constant: str) -> Node:
    raise ValueError(constant)


_fast = json.JSONDecoder(
    object_pairs_hook=Object, parse_int=Number, parse_float=Number, parse_constant=_refuse
).raw_decode

_SPACE = b" \t\r\n"
_BLANK = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_LITERALS: dict[int, tuple[bytes, bool | None]] = {
    ord("t"): (b"true", True),
    ord("f"): (b"false", False),
    ord("n"): (b"null", None),
}
_LONE = re.compile("[\ud800-\udfff]")
_QUOTE, _COMMA, _COLON, _MINUS, _BACKSLASH, _BRACE, _BRACKET = b'",:-\\}]'
_CONTAINERS = {
    ord("{"): (_BRACE, "after object key:value pair"),
    ord("["): (_BRACKET, "after array element"),
}
_OPENED = object()


class _Container:
    """An object or an array that is still open."""

    def __init__(self, closer: int, expected: str) -> None:
        self.closer = closer
        self.expected = expected
        self.key = ""
        self._members: list[tuple[str, Node]] = []

    def add(self, value: object) -> None:
        self._members.append((self.key, cast("Node", value)))

    def value(self) -> Node:
        if self.closer == _BRACE:
            return Object(self._members)
        return [item for _, item in self._members]


class _Parser:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def parse(self) -> Node:
        """Iterative, since Go allows far deeper nesting than Python's stack."""
        if not self._data.strip(_SPACE):
            raise DecodeError("EOF")
        open_: list[_Container] = []
        while True:
            value = self._begin(open_)
            if value is _OPENED:
                continue
            while open_:
                container = open_[-1]
                container.add(value)
                follower = self._significant()
                if follower == _COMMA:
                    self._at += 1
                    self._significant()
                    if container.closer == _BRACE:
                        container.key = self._key()
                    break
                if follower != container.closer:
                    raise self._error(container.expected)
                self._at += 1
                value = open_.pop().value()
            else:
                return cast("Node", value)

    def _begin(self, open_: list[_Container]) -> object:
        """A scalar, an empty container; or the mark that a container was opened."""
        opener = self._significant()
        if opener not in _CONTAINERS:
            return self._scalar(opener)
        if len(open_) == MAX_DEPTH:
            raise self._error("exceeded max depth")
        self._at += 1
        container = _Container(*_CONTAINERS[opener])
        if self._significant() == container.closer:
            self._at += 1
            return container.value()
        if container.closer == _BRACE:
            container.key = self._key()
        open_.append(container)
        return _OPENED

    def _significant(self) -> int:
        """The next byte that is no white space."""
        self._skip(_BLANK)
        return self._byte()

    def _skip(self, pattern: re.Pattern[bytes]) -> None:
        match = pattern.match(self._data, self._at)
        if match is not None:
            self._at = match.end()

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise DecodeError("unexpected EOF")
        return self._data[self._at]

    def _error(self, where: str) -> DecodeError:
        return DecodeError(f"invalid character {quote_character(self._byte())} {where}")

    def _key(self) -> str:
        if self._byte() != _QUOTE:
            raise self._error("looking for beginning of object key string")
        key = self._string()
        if self._significant() != _COLON:
            raise self._error("after object key")
        self._at += 1
        return key

    def _scalar(self, first: int) -> Node:
        if first == _QUOTE:
            return self._string()
        if first in b"-0123456789":
            return self._number()
        if first not in _LITERALS:
            raise self._error("looking for beginning of value")
        word, value = _LITERALS[first]
        for expected in word:
            if self._byte() != expected:
                raise self._error(
                    f"in literal {word.decode()} (expecting {quote_character(expected)})"
                )
            self._at += 1
        return value

    def _number(self) -> Number:
        start = self._at
        if self._data[start] == _MINUS:
            self._at += 1
        if self._byte() == ord("0"):
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._data[self._at : self._at + 1] == b".":
            self._at += 1
            self._digits("after decimal point in numeric literal")
        if self._data[self._at : self._at + 1] in (b"e", b"E"):
            self._at += 1
            if self._byte() in b"+-":
                self._at += 1
            self._digits("in exponent of numeric literal")
        return Number(self._data[start : self._at].decode())

    def _digits(self, where: str) -> None:
        if self._byte() not in b"0123456789":
            raise self._error(where)
        self._skip(_DIGITS)

    def _string(self) -> str:
        self._at += 1
        start = self._at
        while True:
            self._skip(_PLAIN)
            byte = self._byte()
            self._at += 1
            if byte == _QUOTE:
                return _text(self._data[start : self._at - 1])
            if byte != _BACKSLASH:
                self._at -= 1
                raise self._error("in string literal")
            escape = self._byte()
            if escape not in b'bfnrtu"\\/':
                raise self._error("in string escape code")
            self._at += 1
            if escape == ord("u"):
                for _ in range(4):
                    if self._byte() not in b"0123456789abcdefABCDEF":
                        raise self._error("in \\u hexadecimal character escape")
                    self._at += 1


def _text(raw: bytes) -> str:
    """The text of a string literal; what is no UTF-8, or half a pair, becomes U+FFFD."""
    text = _LONE.sub("\ufffd", raw.decode("utf-8", "surrogateescape"))
    if "\\" not in text:
        return text
    return _LONE.sub("\ufffd", json.loads(f'"{text}"'))
