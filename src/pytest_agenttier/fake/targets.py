"""Request targets as Go's server and its mux read them (contract 1.3)."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_ABSOLUTE = re.compile("([A-Za-z][A-Za-z0-9+.-]*://[^/?]*)(.*)", re.DOTALL)
# What Go leaves as it is in the path of a URL that it writes.
_UNESCAPED = "$&+,/:;=@"


class TargetError(ValueError):
    """A target that never reaches the mux."""


class Target:
    """A request target, taken apart.

    Attributes:
        path: decoded; undecodable bytes as ``surrogateescape`` has them.
        query: as sent, without the question mark.
        clean_location: where an unclean path is redirected to, else None.
    """

    __slots__ = ("clean_location", "path", "query")

    def __init__(self, target: str) -> None:
        origin = ""
        if not target.startswith("/") and target != "*":
            absolute = _ABSOLUTE.fullmatch(target)
            if absolute is None:
                raise TargetError(target)
            origin, target = absolute[1], absolute[2]
        path, mark, query = target.partition("?")
        self.query: str = query
        if "%" in path:
            if _BROKEN_ESCAPE.search(path):
                raise TargetError(target)
            path = unquote_to_bytes(path).decode("utf-8", "surrogateescape")
        self.path: str = path
        self.clean_location: str | None = None
        if "//" in path or "/." in path or not path.startswith("/"):
            clean = _clean(path)
            if clean != path:
                location = quote(clean, safe=_UNESCAPED, errors="surrogateescape")
                self.clean_location = f"{origin}{location}{mark}{self.query}"


def _clean(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    trailing = "/" if kept and path.endswith("/") else ""
    return f"/{'/'.join(kept)}{trailing}"
