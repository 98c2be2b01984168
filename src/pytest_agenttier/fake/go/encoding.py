"""JSON as Go's encoder writes it (contract 1.6)."""

from __future__ import annotations

import json
import re
from typing import cast

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_SPECIAL = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def encode(value: object) -> str:
    """Compact JSON, members in the order given: a struct's own, a map's sorted by the caller.

    Text may carry undecodable bytes as ``surrogateescape`` does; each is written as an escaped
    U+FFFD, as from a Go string with invalid UTF-8.
    """
    text = _encode(value)
    if not text.isascii() or "<" in text or ">" in text or "&" in text:
        return _SPECIAL.sub(_escape, text)
    return text


def encode_free(value: object) -> str:
    """JSON of an ``interface{}``, whatever is in it: maps sorted, numbers as float64."""
    if isinstance(value, dict):
        members = sorted(cast("dict[str, object]", value).items())
        return "{" + ",".join(f"{encode(key)}:{encode_free(item)}" for key, item in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(encode_free(item) for item in cast("list[object]", value)) + "]"
    if isinstance(value, float):
        return _float(value)
    return encode(value)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    return "\\ufffd" if "\ud800" <= character <= "\udfff" else f"\\u{ord(character):04x}"


def _float(value: float) -> str:
    """The shortest digits; with an exponent below 1e-6 and from 1e21 on."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or "0") - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    sign = "-" if repr(value).startswith("-") else ""
    if not digits:
        return f"{sign}0"
    if not -6 < point <= 21:
        power = point - 1
        tail = f".{digits[1:]}" if digits[1:] else ""
        return f"{sign}{digits[0]}{tail}e{'-' if power < 0 else '+'}{abs(power)}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return f"{sign}{digits.ljust(point, '0')}"
    return f"{sign}{digits[:point]}.{digits[point:]}"
