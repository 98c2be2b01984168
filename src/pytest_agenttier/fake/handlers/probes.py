"""Health, readiness, metrics (contract 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..wire import Response

if TYPE_CHECKING:
    from collections.abc import Generator

    from . import Call

_METRICS = b"""\
# HELP go_info Information about the Go environment.
# TYPE go_info gauge
go_info{version="go1.25.5"} 1
"""


def healthz(call: Call) -> Response:
    """GET /healthz (contract 1.2)."""
    return Response(200, [], b"ok")


def readyz(call: Call) -> Response:
    """GET /readyz (contract 1.2)."""
    return Response(200, [], b"ok")


def metrics(call: Call) -> Response:
    """GET /metrics (contract 1.2); the real one has far more to tell."""
    kind = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
    return Response(200, [("Content-Type", kind)], _streamed(_METRICS))


def _streamed(text: bytes) -> Generator[bytes, None, None]:
    yield text
