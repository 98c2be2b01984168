"""exec (contract 3.7 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..engines import ExecFailed, PodFailed, PodFile, PodGone, PodSpec
from ..go.decoding import INT, Field, Struct
from ..wire import Response, json_response
from . import Call, Refusal

if TYPE_CHECKING:
    from ..sandboxes import Sandbox

_EXEC = Struct("router.ExecRequest", (Field("command"), Field("timeout", INT)))
_DEFAULT_TIMEOUT = 30


def exec_command(call: Call, sandbox_id: str) -> Response:
    """POST /sandboxes/{id}/exec (contract 3.7)."""
    while True:
        sandbox = call.state.running(sandbox_id, call.caller)
        try:
            return _exec(call, sandbox)
        except PodGone:
            continue  # it was stopped or deleted meanwhile: what holds now is the answer
        except PodFailed:
            call.state.pod_failed(sandbox)


def _exec(call: Call, sandbox: Sandbox) -> Response:
    body = call.decode_tersely(_EXEC)
    command = body.text("command")
    if not command:
        raise Refusal(400, "command is required")
    over_http = bool(sandbox.runtime_token)
    try:
        result = call.runtime.exec(
            pod_spec(sandbox),
            command,
            timeout=body.integer("timeout") or _DEFAULT_TIMEOUT,
            transport="http" if over_http else "spdy",
            disconnected=call.request.disconnected,
        )
    except ExecFailed as error:
        raise Refusal(500, f"exec failed: {error}") from error
    return json_response(
        200,
        {
            "stdout": _text(result.stdout, repaired=over_http),
            "stderr": _text(result.stderr, repaired=over_http),
            "exitCode": result.exit_code,
        },
    )


def pod_spec(sandbox: Sandbox) -> PodSpec:
    """What a sandbox and its resolved template make of its pod (contract 4.5, 5.2)."""
    spec = sandbox.spec
    env = {item["name"]: item.get("value", "") for item in spec.get("env", ())}
    if sandbox.runtime_token:
        env["AGENTTIER_RUNTIME_TOKEN"] = sandbox.runtime_token
    return PodSpec(
        uid=sandbox.uid,
        name=sandbox.name,
        workdir=sandbox.workdir,
        mount=sandbox.mount_path,
        env=env,
        files=[
            PodFile(file["path"], file.get("content", ""), file["mode"])
            for file in spec.get("files", ())
        ],
        init_scripts=spec.get("initScripts", ()),
        ended=sandbox.pod_ended.is_set,
    )


def _text(output: bytes, *, repaired: bool) -> str:
    """Output as text, broken bytes marked one by one.

    The in-pod runtime has already repaired what came over HTTP; over SPDY the Router encodes the
    broken bytes itself, and spells them differently (contract 1.6).
    """
    try:
        return output.decode()
    except UnicodeDecodeError:
        text = output.decode("utf-8", "surrogateescape")
    if not repaired:
        return text
    return "".join("\ufffd" if "\udc80" <= char <= "\udcff" else char for char in text)
