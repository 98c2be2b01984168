"""Endpoints whose work is not built yet; what comes before the work is (contract 4.2, 6 to 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..go.decoding import BOOL, INT, INT32, STRING, Field, Slice, Struct
from ..lifecycle import Phase
from ..state import NotFound
from ..wire import Response, json_response, plain_response
from . import Call, Refusal
from .ports import parse_port

if TYPE_CHECKING:
    from ..sandboxes import Sandbox


class NotBuilt(Exception):  # noqa: N818 - what the endpoint is
    """The fake has no answer of its own yet: 501, and noted in ``FakeRouter.not_built``."""


_SHARE = Struct("", (Field("identity"), Field("level"), Field("kind", omitempty=True)))
_SHARE_LINK = Struct(
    "",
    (Field("level"), Field("expiresIn", omitempty=True), Field("maxUses", INT, omitempty=True)),
)
_CLONE = Struct("", (Field("name", omitempty=True), Field("snapshotClass", omitempty=True)))
_CANCEL = Struct("agent.CancelRequest", (Field("invokeId"),))
_NAMES = Slice(STRING)
_POLICY = Struct(
    "governance.Policy",
    (
        Field("maxSandboxesPerUser", INT),
        Field("maxSandboxesTotal", INT),
        Field("maxCpu"),
        Field("maxMemory"),
        Field("maxStorage"),
        Field("maxTimeout"),
        Field("maxIdleTimeout"),
        Field("allowedTemplates", _NAMES),
        Field("approvedRegistries", _NAMES),
        Field("maxAgentSandboxes", INT),
        Field("allowedAgentImages", _NAMES),
        Field("maxConcurrentInvokesPerSandbox", INT),
        Field("description"),
    ),
)
_POOL = Struct("router.PoolConfig", (Field("template"), Field("desiredCount", INT)))
_POOLS = Struct("", (*_POOL.fields, Field("pools", Slice(_POOL))))
_HEADROOM = Struct(
    "", (Field("replicas", INT32), Field("cpu"), Field("memory"), Field("enabled", BOOL))
)


def nothing(call: Call, *_variables: str) -> Response:
    """An endpoint of which nothing is built."""
    raise NotBuilt


def of_running_sandbox(call: Call, sandbox_id: str, *_variables: str) -> Response:
    """Files and archive: the lookup and the phase come first (contract 6)."""
    call.state.running(sandbox_id, call.caller)
    raise NotBuilt


def preview(call: Call, sandbox_id: str, port: str, *_rest: str) -> Response:
    """ANY /sandboxes/{id}/preview/{port} (contract 3.9)."""
    number = parse_port(port)
    sandbox = call.state.running(sandbox_id, call.caller)
    if number not in sandbox.ports:
        raise Refusal(404, f"port {number} is not forwarded")
    raise NotBuilt


def terminal(call: Call, sandbox_id: str) -> Response:
    """ANY /ws/terminal/{id} (contract 8.13)."""
    try:
        sandbox = call.state.owned(sandbox_id, call.caller)
    except NotFound as error:
        if str(error).startswith("access denied"):
            return plain_response(403, "access denied")
        return plain_response(404, "sandbox not found")
    if sandbox.status.phase is not Phase.RUNNING:
        return plain_response(409, "sandbox is not running")
    raise NotBuilt


def clone(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/clone (contract 8.1)."""
    sandbox = call.state.owned(sandbox_id, call.caller)
    if not sandbox.status.pvc_name:
        phase = sandbox.status.phase.value
        raise Refusal(400, f"sandbox {sandbox_id} has no PVC to clone (phase={phase})")
    call.decode_optional(_CLONE)
    raise NotBuilt


def configure(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/configure (contract 7.2)."""
    sandbox = _agent(
        call,
        sandbox_id,
        "/configure is only valid for mode: agent. "
        "Use the file-transfer and exec APIs for interactive sandboxes.",
    )
    _phase(sandbox, "wait for Running before configuring")
    raise NotBuilt


def invoke(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/invoke (contract 7.4)."""
    sandbox = _agent(call, sandbox_id, "/invoke is only valid for mode: agent")
    _phase(sandbox, "must be Running to invoke")
    raise NotBuilt


def cancel_invoke(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/invoke/cancel (contract 7.5); nothing is ever in flight yet."""
    sandbox = call.state.owned(sandbox_id, call.caller)
    if sandbox.mode != "agent":
        raise Refusal(400, "sandbox is not in mode: agent")
    try:
        invoke_id = call.decode(_CANCEL).text("invokeId")
    except Refusal:
        invoke_id = ""
    if not invoke_id:
        raise Refusal(400, "invokeId is required in request body")
    raise Refusal(404, f"invoke {invoke_id} not in flight")


def install_log(call: Call, sandbox_id: str) -> Response:
    """GET /sandboxes/{id}/configure/install-log (contract 7.3); nothing is configured yet."""
    call.state.owned(sandbox_id, call.caller)
    raise Refusal(404, "no install log available for this sandbox")


def list_shares(call: Call, sandbox_id: str) -> Response:
    """GET /sandboxes/{id}/share (contract 8.5); nothing is shared yet."""
    _share_owner(call, sandbox_id)
    return json_response(200, {"groups": [], "shareLinks": [], "users": []})


def share(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/share (contract 8.5)."""
    body = call.decode(_SHARE)
    if not body.text("identity"):
        raise Refusal(400, "identity is required")
    if body.text("level") not in ("viewer", "collaborator"):
        raise Refusal(400, 'level must be "viewer" or "collaborator"')
    _share_owner(call, sandbox_id)
    raise NotBuilt


def unshare(call: Call, sandbox_id: str, _identity: str) -> Response:
    """DELETE /sandboxes/{id}/share/{identity} (contract 8.5)."""
    _share_owner(call, sandbox_id)
    raise NotBuilt


def share_link(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/share-links (contract 8.5)."""
    call.decode_optional(_SHARE_LINK)
    _share_owner(call, sandbox_id)
    raise NotBuilt


def set_policy(call: Call, *_namespace: str) -> Response:
    """PUT /governance/policies[/{ns}] (contract 8.6)."""
    call.decode(_POLICY)
    raise NotBuilt


def set_warm_pool(call: Call) -> Response:
    """PUT /warmpool/config (contract 8.11)."""
    body = call.decode_tersely(_POOLS)
    pools = body["pools"] if "pools" in body else [body] if body.text("template") else []
    for index, pool in enumerate(pools):
        if not pool.text("template"):
            raise Refusal(400, f"pools[{index}].template is required")
        if not 0 <= pool.integer("desiredCount") <= 10:
            raise Refusal(400, f"pools[{index}].desiredCount must be 0-10")
    raise NotBuilt


def set_headroom(call: Call) -> Response:
    """PUT /cluster/headroom (contract 8.12)."""
    call.decode_tersely(_HEADROOM)
    raise NotBuilt


def admin_sandboxes(call: Call) -> Response:
    """GET /admin/sandboxes: a stub in 0.8.1, for anybody (contract 10.1)."""
    return json_response(200, {"sandboxes": []})


def admin_sharing(call: Call) -> Response:
    """GET /admin/sharing: a stub in 0.8.1, for anybody (contract 10.1)."""
    return json_response(200, {})


def _agent(call: Call, sandbox_id: str, rule: str) -> Sandbox:
    sandbox = call.state.owned(sandbox_id, call.caller)
    if sandbox.mode != "agent":
        raise Refusal(400, f'sandbox {sandbox_id} is in mode "{sandbox.mode}" — {rule}')
    return sandbox


def _phase(sandbox: Sandbox, rule: str) -> None:
    phase = sandbox.status.phase
    if phase is not Phase.RUNNING:
        raise Refusal(409, f'sandbox is in phase "{phase.value}" — {rule}')


def _share_owner(call: Call, sandbox_id: str) -> None:
    """The share endpoints answer every failed lookup with 403 (contract 2)."""
    try:
        call.state.owned(sandbox_id, call.caller)
    except NotFound as error:
        raise Refusal(403, str(error)) from error
