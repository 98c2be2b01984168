"""Go's ``%q``."""

from __future__ import annotations

_SHORT = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quote(text: str) -> str:
    """A double-quoted Go string literal; printable text stays as it is."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def quote_character(code: int) -> str:
    """How ``encoding/json`` names a byte in a syntax error: in single quotes."""
    character = chr(code)
    if character == "'":
        return "'\\''"
    if character == '"':
        return "'\"'"
    return f"'{_escaped(character)}'"


def _escaped(character: str) -> str:
    short = _SHORT.get(character)
    if short is not None:
        return short
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte, as surrogateescape carries it
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
