"""Forwarded ports (contract 3.8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..go.decoding import INT32, Field, Struct
from ..state import Rejected
from ..wire import Response, empty_response, json_response
from . import Call, Refusal

if TYPE_CHECKING:
    from ..sandboxes import Sandbox

_FORWARD = Struct("", (Field("port", INT32), Field("protocol")))
_INTEGER = re.compile("[+-]?[0-9]+")


def list_ports(call: Call, sandbox_id: str) -> Response:
    """GET /sandboxes/{id}/ports (contract 3.8)."""
    sandbox, ports = call.state.ports(sandbox_id, call.caller)
    forgets = call.quirks["ports_are_always_http"]
    listed = [
        _port_object(sandbox, port, "http" if forgets else protocol) for port, protocol in ports
    ]
    return json_response(200, {"ports": listed})


def forward(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/ports (contract 3.8)."""
    sandbox = call.state.owned(sandbox_id, call.caller)
    body = call.decode(_FORWARD)
    port = body.integer("port")
    if port <= 0:
        raise Refusal(400, "port must be > 0")
    if port > 65535:
        raise Refusal(500, f"failed to create port forward: port must be 1-65535 (got {port})")
    protocol = body.text("protocol") or "http"
    try:
        call.state.forward(sandbox, port, protocol)
    except Rejected as error:
        raise Refusal(500, f"failed to create port forward: {error}") from error
    return json_response(201, _port_object(sandbox, port, protocol))


def remove(call: Call, sandbox_id: str, port: str) -> Response:
    """DELETE /sandboxes/{id}/ports/{port} (contract 3.8)."""
    sandbox = call.state.owned(sandbox_id, call.caller)
    call.state.unforward(sandbox, parse_port(port))
    return empty_response(204)


def parse_port(text: str) -> int:
    """A port in a path, as Go's ``ParseInt`` takes it: leading zeros and a plus sign are fine.

    Raises:
        Refusal: 400.
    """
    if not _INTEGER.fullmatch(text) or len(text) > 40 or not 0 < int(text) < 1 << 31:
        raise Refusal(400, f"invalid port: {text}")
    return int(text)


def _port_object(sandbox: Sandbox, port: int, protocol: str) -> dict[str, Any]:
    host = f"pf-{sandbox.name}-{port}.{sandbox.namespace}.svc.cluster.local"
    return {"port": port, "protocol": protocol, "internalUrl": f"http://{host}:{port}"}
