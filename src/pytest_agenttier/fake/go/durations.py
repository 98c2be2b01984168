"""Go's ``time.Duration``: parsed with its errors, printed in its normal form (contract 1.7)."""

from __future__ import annotations

import re

_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, micro sign
    "μs": 1_000,  # U+03BC, Greek mu
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_LIMIT = 1 << 63
_TERM = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration such as ``1h30m`` or ``-1.5s``.

    Raises:
        ValueError: with Go's own text, as ``time: missing unit in duration "10"``.
    """
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise _invalid(text)
    total = 0
    while rest:
        term = _TERM.match(rest)
        if term is None or not (term[1] or term[2]):
            raise _invalid(text)
        whole, fraction, unit = int(term[1] or "0"), term[2] or "", term[3]
        if whole > _LIMIT:
            raise _invalid(text)
        if not unit:
            raise ValueError(f"time: missing unit in duration {_quoted(text)}")
        scale = _NANOSECONDS.get(unit)
        if scale is None:
            raise ValueError(f"time: unknown unit {_quoted(unit)} in duration {_quoted(text)}")
        total += whole * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)
        if total > _LIMIT:
            raise _invalid(text)
        rest = rest[term.end() :]
    if total > _LIMIT - (0 if negative else 1):
        raise _invalid(text)
    return -total if negative else total


def _invalid(text: str) -> ValueError:
    return ValueError(f"time: invalid duration {_quoted(text)}")


def format_duration(nanoseconds: int) -> str:
    """A duration as Go prints it: ``24h0m0s``, ``1.5s``, ``100ms``."""
    if nanoseconds == 0:
        return "0s"
    sign, value = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if value < 1_000_000_000:
        scale, unit = next(
            (scale, unit)
            for scale, unit in ((1_000_000, "ms"), (1_000, "µs"), (1, "ns"))
            if value >= scale
        )
        return f"{sign}{_decimal(value, scale)}{unit}"
    hours, value = divmod(value, _NANOSECONDS["h"])
    minutes, value = divmod(value, _NANOSECONDS["m"])
    seconds = _decimal(value, _NANOSECONDS["s"]) + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(value: int, scale: int) -> str:
    whole, part = divmod(value, scale)
    if not part:
        return str(whole)
    return f"{whole}.{part:0{len(str(scale)) - 1}d}".rstrip("0")


def _quoted(text: str) -> str:
    """As the time package quotes, on its own: bytes outside ASCII in hexadecimal."""
    out = ""
    for byte in text.encode("utf-8", "surrogateescape"):
        if byte < 0x20 or byte >= 0x80:
            out += f"\\x{byte:02x}"
        else:
            out += f"\\{chr(byte)}" if byte in b'"\\' else chr(byte)
    return f'"{out}"'
