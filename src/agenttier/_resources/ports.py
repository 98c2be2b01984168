"""Forwarded ports (contract 3.8)."""

from __future__ import annotations

from agenttier._operation import Operation, nothing, path
from agenttier.models import ForwardedPort, PortList


def forward_port(sandbox_id: str, port: int, protocol: str) -> Operation[ForwardedPort]:
    """Forward a port of a sandbox."""
    return Operation(
        "POST",
        path("sandboxes", sandbox_id, "ports"),
        ForwardedPort.model_validate_json,
        body={"port": port, "protocol": protocol},
    )


def list_ports(sandbox_id: str) -> Operation[list[ForwardedPort]]:
    """List the forwarded ports of a sandbox."""
    return Operation("GET", path("sandboxes", sandbox_id, "ports"), _ports)


def remove_port(sandbox_id: str, port: int) -> Operation[None]:
    """Stop forwarding a port."""
    return Operation("DELETE", path("sandboxes", sandbox_id, "ports", str(port)), nothing)


def _ports(body: bytes) -> list[ForwardedPort]:
    return PortList.model_validate_json(body).ports
