"""Forwarded ports (contract 3.8)."""

from __future__ import annotations

from agenttier._arguments import text, whole
from agenttier._operation import Operation, nothing
from agenttier._resources.sandboxes import sandbox_path
from agenttier.models import ForwardedPort, PortList


def forward_port(sandbox_id: str, port: int, protocol: str) -> Operation[ForwardedPort]:
    """Forward a port of a sandbox."""
    return Operation(
        "POST",
        sandbox_path(sandbox_id, "ports"),
        ForwardedPort.model_validate_json,
        body={"port": _port(port), "protocol": text("protocol", protocol)},
    )


def list_ports(sandbox_id: str) -> Operation[list[ForwardedPort]]:
    """List the forwarded ports of a sandbox."""
    return Operation("GET", sandbox_path(sandbox_id, "ports"), _ports)


def remove_port(sandbox_id: str, port: int) -> Operation[None]:
    """Stop forwarding a port."""
    return Operation("DELETE", sandbox_path(sandbox_id, "ports", str(_port(port))), nothing)


def _port(port: int) -> int:
    return whole("port", port, "a whole number", most=65535)


def _ports(body: bytes) -> list[ForwardedPort]:
    return PortList.model_validate_json(body).ports
