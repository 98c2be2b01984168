"""The two ways in which the Router runs a command in a pod (contract 5.1)."""

from __future__ import annotations

import os
import time

from ..go.encoding import encode
from . import ExecFailed, ExecResult, ExecTransport
from .process import ClientGone, Ended, Process

HEADER_TIMEOUT = 5.0
"""Seconds after which the Router gives up on an answer over HTTP, whatever limit was asked for."""

_WAIT_DELAY = 0.5  # seconds for which the runtime waits for streams that a child holds open
_DEFAULT_LIMIT, _LONGEST_LIMIT = 60, 1800

HTTP_KEEPS = 8 * 1024 * 1024
SPDY_KEEPS = 1024 * 1024
_LONGEST_BODY = 8 * 1024 * 1024 + 1024  # bytes of a request to the runtime in the pod
_TRUNCATED = b"\n[truncated]"
_KILLED = -1
_SIGKILL = 9


def effective_limit(timeout: int) -> int:
    """The limit in seconds that the runtime in the pod sets for a requested one."""
    return min(timeout, _LONGEST_LIMIT) if timeout >= 0 else _DEFAULT_LIMIT


def http_failure(address: str, reason: str) -> ExecFailed:
    """What the Router says when its call to the runtime in the pod fails."""
    return ExecFailed(f'Post "http://{address}:9000/exec": {reason}')


def header_timeout(address: str) -> ExecFailed:
    """The failure of every command that takes longer than `HEADER_TIMEOUT`."""
    return http_failure(address, "net/http: timeout awaiting response headers")


def http_refusal(command: str, timeout: int) -> ExecFailed | None:
    """What the Router says where the runtime takes no request as long as this one."""
    body = encode({"command": command, "timeout": timeout})
    if len(body.encode()) <= _LONGEST_BODY:
        return None
    said = '{"code":400,"error":"invalid request body: http: request body too large"}\n'
    return ExecFailed(f"exec returned 400: {said}")


def client_left(transport: ExecTransport, address: str) -> ExecFailed:
    """What the Router notes where nobody waits for its answer any more."""
    reason = "context canceled"
    return http_failure(address, reason) if transport == "http" else ExecFailed(reason)


def over_http(process: Process, *, timeout: int, address: str) -> ExecResult:
    """Follow a command as the runtime in the pod and the Router's call to it do."""
    answer_by = time.monotonic() + HEADER_TIMEOUT
    limit = effective_limit(timeout)
    try:
        if not process.wait_for_end(answer_by - HEADER_TIMEOUT + min(limit, HEADER_TIMEOUT)):
            process.kill()
            if limit >= HEADER_TIMEOUT:
                raise header_timeout(address)
            process.wait_for_streams(time.monotonic() + _WAIT_DELAY)
            return _http_result(process, _KILLED)
        closed = process.wait_for_streams(min(time.monotonic() + _WAIT_DELAY, answer_by))
    except ClientGone:
        raise client_left("http", address) from None
    if not closed and time.monotonic() >= answer_by:
        raise header_timeout(address)
    status, error = process.ended or Ended()
    if error is not None:
        reason = os.strerror(error).lower()  # as Go spells it
        return _http_result(process, _KILLED, f"fork/exec /bin/sh: {reason}")
    if status is None:
        raise http_failure(address, "EOF")
    if status == 0 and not closed:
        return _http_result(process, _KILLED, "exec: WaitDelay expired before I/O complete")
    return _http_result(process, max(status, _KILLED))


def over_spdy(process: Process) -> ExecResult:
    """Follow a command as ``kubectl exec`` does: no limit, until its streams are closed."""
    try:
        process.wait_for_end()
        process.wait_for_streams()
    except ClientGone:
        raise ExecFailed("context canceled") from None
    status, error = process.ended or Ended()
    if error is not None:
        exit_code = 1
    elif status is None:
        exit_code = 128 + _SIGKILL
    else:
        exit_code = status if status >= 0 else 128 - status
    return ExecResult(bytes(process.stdout.kept), bytes(process.stderr.kept), exit_code)


def _http_result(process: Process, exit_code: int, remark: str = "") -> ExecResult:
    stdout, stderr = (
        bytes(stream.kept) + (_TRUNCATED if stream.truncated else b"")
        for stream in (process.stdout, process.stderr)
    )
    if remark:
        stderr += f"\n[runtime] {remark}".encode()
    return ExecResult(stdout, stderr, exit_code)
