"""Sandboxes: list, create, get, delete, stop, resume (contract 3.1 to 3.6)."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from ..go.decoding import Field, Struct, Values
from ..go.durations import parse_duration
from ..go.quoting import quote
from ..sandboxes import Sandbox, SandboxRequest
from ..state import HOME_NAMESPACE, AlreadyExists, Rejected
from ..templates import REFERENCE, STORAGE
from ..wire import Response, empty_response, json_response
from . import Call, Refusal

_CREATE = Struct(
    "router.CreateSandboxRequest",
    (
        Field("name"),
        Field("namespace"),
        Field("templateRef", REFERENCE),
        Field("timeout"),
        Field("idleTimeout"),
        Field("storage", STORAGE),
    ),
)


def list_sandboxes(call: Call) -> Response:
    """GET /sandboxes (contract 3.2)."""
    phase = call.parameter("status")
    sandboxes = [
        _sandbox_object(sandbox)
        for sandbox in call.state.look_at_all(call.caller, call.parameter("namespace"))
        if not phase or sandbox.status.phase.value == phase
    ]
    return json_response(200, {"sandboxes": call.listed(sandboxes)})


def create(call: Call) -> Response:
    """POST /sandboxes (contract 3.1)."""
    body = call.decode(_CREATE)
    name, template = body.text("name"), body.struct("templateRef")
    if not name:
        raise Refusal(400, "name is required")
    if not template.text("name"):
        raise Refusal(400, "templateRef.name is required")
    if not call.quirks["omitted_kind_is_namespaced"]:
        template.setdefault("kind", "ClusterSandboxTemplate")
    request = SandboxRequest(
        name,
        body.text("namespace") or HOME_NAMESPACE,
        template,
        timeout=_positive_seconds(body, "timeout"),
        idle_timeout=_positive_seconds(body, "idleTimeout"),
        storage_size=body.struct("storage").text("size"),
        mount_path=body.struct("storage").text("mountPath"),
    )
    call.sandbox = name
    try:
        call.state.create(request, call.caller)
    except Rejected as error:
        status = 409 if isinstance(error, AlreadyExists) else 422
        if call.quirks["rejected_create_is_500"]:
            status = 500
        raise Refusal(status, f"failed to create sandbox: {error}") from error
    return json_response(
        201,
        {
            "name": name,
            "namespace": request.namespace,
            "sandboxId": name,
            "status": "Creating",
            "templateRef": template["name"],
        },
    )


def get(call: Call, sandbox_id: str) -> Response:
    """GET /sandboxes/{id} (contract 3.3)."""
    return json_response(200, _sandbox_object(call.state.look(sandbox_id, call.caller)))


def delete(call: Call, sandbox_id: str) -> Response:
    """DELETE /sandboxes/{id} (contract 3.4)."""
    call.state.delete(sandbox_id, call.caller)
    return empty_response(204)


def stop(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/stop (contract 3.5)."""
    call.state.stop(sandbox_id, call.caller)
    return json_response(200, {"status": "stopping"})


def resume(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/resume (contract 3.6)."""
    call.state.resume(sandbox_id, call.caller)
    return json_response(200, {"status": "resuming"})


def _positive_seconds(body: Values, key: str) -> float | None:
    text = body.text(key)
    if not text:
        return None
    try:
        nanoseconds = parse_duration(text)
    except ValueError as error:
        raise Refusal(400, f"invalid {key}: invalid duration {quote(text)}: {error}") from error
    if nanoseconds <= 0:
        raise Refusal(400, f"invalid {key}: duration {quote(text)} must be positive")
    return nanoseconds / 1e9


def _sandbox_object(sandbox: Sandbox) -> dict[str, Any]:
    status = sandbox.status
    shown: dict[str, Any] = {
        "createdAt": _go_time(int(sandbox.created_at)),
        "createdBy": {"displayName": sandbox.creator.name, "email": sandbox.creator.email},
        "lastActivityAt": "",
        "message": status.message,
        "mode": sandbox.mode,
        "name": sandbox.name,
        "namespace": sandbox.namespace,
        "podName": status.pod_name,
        "pvcName": status.pvc_name,
        "sandboxId": sandbox.name,
        "status": status.phase.value,
        "templateRef": status.template,
    }
    if status.last_activity is None:
        del shown["lastActivityAt"]
    else:
        shown["lastActivityAt"] = _go_time(int(status.last_activity))
    return shown


@lru_cache(maxsize=64)
def _go_time(seconds: int) -> str:
    """Go's ``Time.String()`` (contract 2)."""
    return time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(seconds))
