"""One JSON value read as Go's decoder reads it, with its syntax errors (contract 1.7)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Union

from .quoting import quote_character

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
        self.members = members


Node = Union[Object, "list[Node]", str, Number, bool, None]


def parse(body: bytes) -> Node:
    """The first JSON value of a body; whatever follows it is ignored.

    Raises:
        DecodeError: no value, or a malformed one.
    """
    # Plain objects take the fast parser; escapes, broken bytes and everything malformed take
    # the one that knows Go's rules and texts, as does what is long enough to nest too deep.
    if body[:1] == b"{" and len(body) < MAX_DEPTH and b"\\u" not in body:
        try:
            return _fast(body.decode())[0]
        except (ValueError, RecursionError):
            return _Parser(body).parse()
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


class _Parser:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def parse(self) -> Node:
        """Iterative, since Go allows far deeper nesting than Python's stack."""
        if not self._data.strip(_SPACE):
            raise DecodeError("EOF")
        open_: list[tuple[str | None, list[tuple[str, Node]] | list[Node]]] = []
        while True:
            opener = self._significant()
            if opener in b"{[":
                if len(open_) == MAX_DEPTH:
                    raise self._error("exceeded max depth")
                self._at += 1
                closer = b"}"[0] if opener == b"{"[0] else b"]"[0]
                if self._significant() == closer:
                    self._at += 1
                    value: Node = Object(()) if closer == b"}"[0] else []
                elif closer == b"}"[0]:
                    open_.append((self._key(), []))
                    continue
                else:
                    open_.append((None, []))
                    continue
            else:
                value = self._scalar(opener)
            while open_:
                key, items = open_.pop()
                items.append((key, value) if key is not None else value)  # type: ignore[arg-type] # the key tells which of the two lists it is
                follower = self._significant()
                if follower == b","[0]:
                    self._at += 1
                    self._significant()
                    open_.append((self._key() if key is not None else None, items))
                    break
                if follower != (b"}"[0] if key is not None else b"]"[0]):
                    after = "object key:value pair" if key is not None else "array element"
                    raise self._error(f"after {after}")
                self._at += 1
                value = Object(items) if key is not None else items  # type: ignore[arg-type,assignment] # as above
            else:
                return value

    def _significant(self) -> int:
        """The next byte that is no white space."""
        self._at = _BLANK.match(self._data, self._at).end()  # type: ignore[union-attr] # matches always
        return self._byte()

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise DecodeError("unexpected EOF")
        return self._data[self._at]

    def _error(self, where: str) -> DecodeError:
        return DecodeError(f"invalid character {quote_character(self._byte())} {where}")

    def _key(self) -> str:
        if self._byte() != b'"'[0]:
            raise self._error("looking for beginning of object key string")
        key = self._string()
        if self._significant() != b":"[0]:
            raise self._error("after object key")
        self._at += 1
        return key

    def _scalar(self, first: int) -> Node:
        if first == b'"'[0]:
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
        if self._data[start] == b"-"[0]:
            self._at += 1
        if self._byte() == b"0"[0]:
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
        self._at = _DIGITS.match(self._data, self._at).end()  # type: ignore[union-attr] # matches always

    def _string(self) -> str:
        self._at += 1
        start = self._at
        while True:
            self._at = _PLAIN.match(self._data, self._at).end()  # type: ignore[union-attr] # matches always
            byte = self._byte()
            self._at += 1
            if byte == b'"'[0]:
                return _text(self._data[start : self._at - 1])
            if byte != b"\\"[0]:
                self._at -= 1
                raise self._error("in string literal")
            escape = self._byte()
            if escape not in b'bfnrtu"\\/':
                raise self._error("in string escape code")
            self._at += 1
            if escape == b"u"[0]:
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
