"""Every error a call can end in.

```
AgentTierError
├── HTTPError                      an answer: status_code, body, request_id, method, path
│   ├── AuthenticationError        401
│   ├── AuthorizationError         403
│   ├── PolicyViolationError       403 by governance: violations
│   ├── NotFoundError              404
│   ├── ConflictError              409
│   ├── APIError                   every other error status
│   │   ├── RateLimitError         429: retry_after
│   │   └── ExecTimeoutError       the Router gave up on a command (also a TimeoutError)
│   └── APIResponseError           not the Router's: no JSON, or fields are missing
├── APIConnectionError             no connection, or it broke
├── APITimeoutError                no answer in time (also a TimeoutError)
├── InvalidRequestError            refused before any request (also a ValueError)
├── ClientClosedError              the client was closed
├── SandboxTimeoutError            a wait ran out of time (also a TimeoutError)
├── SandboxErrorState              the sandbox ended where it cannot get on: summary
└── CommandError                   a checked command failed: result
```

What caused an error is its ``__cause__``; what would help is its ``hint``, printed with it.
"""

from __future__ import annotations

import json
import signal
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from agenttier.models import CommandResult, SandboxSummary

E = TypeVar("E", bound="HTTPError")

_SHOWN = 300
_EXEC_LIMIT = "timeout awaiting response headers"


class AgentTierError(Exception):
    """What every error of this package is.

    Attributes:
        hint: What would help, or "" where there is nothing to add.
        maybe_done: Whether the Router may have done what was asked though no answer says so: the
            answer was lost, to this request or to an earlier try of it.
    """

    hint: str = ""
    maybe_done: bool = False

    def __str__(self) -> str:
        text = self._text()
        return f"{text}\n  {self.hint}" if self.hint else text

    def _text(self) -> str:
        return str(self.args[0]) if self.args else ""


class HTTPError(AgentTierError):
    """There was an answer, and it is an error.

    Attributes:
        status_code: The HTTP status.
        body: The answer's JSON, or its text where it is not JSON.
        request_id: The answer's ``X-Request-ID``, to be found in the Router's log; None if absent.
        method: The request's method; "" for an error made by hand.
        path: The request's path and query, from ``/api/v1`` on.
        retry_after: Seconds after which the server wants to be asked again; None if it did not say.
    """

    status_code: int = 0
    body: JsonValue = None
    request_id: str | None = None
    method: str = ""
    path: str = ""
    retry_after: float | None = None

    def _text(self) -> str:
        if not self.method:
            return self.message
        request_id = f", request id {self.request_id}" if self.request_id else ""
        return f"{self.message} ({self.status_code} to {self.method} {self.path}{request_id})"

    @property
    def message(self) -> str:
        """The Router's own words."""
        return str(self.args[0]) if self.args else ""


class AuthenticationError(HTTPError):
    """401: the credentials are missing, wrong or expired."""

    status_code = 401


class AuthorizationError(HTTPError):
    """403: the caller is known, but may not do this."""

    status_code = 403


class PolicyViolationError(HTTPError):
    """403: governance forbids the request.

    Attributes:
        violations: What it violates, each with ``code`` and ``message``.
    """

    status_code = 403

    def __init__(self, message: str, violations: list[dict[str, JsonValue]]) -> None:
        super().__init__(message, violations)
        self.violations = violations

    def _text(self) -> str:
        return super()._text() + "".join(f"\n  {_violation(each)}" for each in self.violations)


class NotFoundError(HTTPError):
    """404: there is no such thing, or it belongs to somebody else."""

    status_code = 404


class ConflictError(HTTPError):
    """409: not possible in the sandbox's present phase."""

    status_code = 409


class APIError(HTTPError):
    """An error status without a class of its own."""

    def __init__(self, status_code: int, message: str, body: JsonValue = None) -> None:
        super().__init__(status_code, message, body)
        self.status_code = status_code
        self.body = body

    @property
    def message(self) -> str:
        """The Router's own words."""
        return str(self.args[1])


class RateLimitError(APIError):
    """429: too many requests; ``retry_after`` says when to ask again."""


class ExecTimeoutError(APIError, TimeoutError):
    """The Router gave up on a command: it allows each 5 s, whatever its ``timeout``."""

    hint = (
        "The Router ends every command after 5 s, whatever timeout= says. What takes longer runs"
        " in the background with its output in a file: exec('nohup make > make.log 2>&1 &')"
    )


class APIResponseError(HTTPError):
    """An answer that no Router gives: not JSON, or fields are missing."""


class APIConnectionError(AgentTierError):
    """No connection to the Router, or one that broke before the answer was complete.

    Attributes:
        sent: Whether the request may have reached the Router, and may have been carried out.
    """

    sent: bool = True


class APITimeoutError(AgentTierError, TimeoutError):
    """The Router did not answer in time, or no connection came free.

    Attributes:
        sent: Whether the request may have reached the Router, and may have been carried out.
    """

    sent: bool = True


class InvalidRequestError(AgentTierError, ValueError):
    """Arguments that cannot be sent; nothing has been."""


class ClientClosedError(AgentTierError):
    """The client has been closed, or the event loop that it was used in."""


class SandboxTimeoutError(AgentTierError, TimeoutError):
    """A sandbox was not where it was waited for in time; the message shows where it has been."""


class SandboxErrorState(AgentTierError):  # noqa: N818 (the released SDK's name)
    """A sandbox ended in a phase from which it does not reach the one waited for.

    Attributes:
        summary: The sandbox as last seen; None for an error made by hand.
    """

    summary: SandboxSummary | None = None


class CommandError(AgentTierError):
    """A checked command ended with an exit code other than 0.

    Attributes:
        result: What the command printed and how it ended.
        command: The command as it was run; None where only its result is known.
    """

    def __init__(self, result: CommandResult, command: str | None = None) -> None:
        super().__init__(result, command)
        self.result = result
        self.command = command

    def _text(self) -> str:
        code = self.result.exit_code
        what = "command" if self.command is None else f"command {_shortened(self.command)!r}"
        lines = [f"{what} ended with exit code {code}{exit_code_meaning(code)}"]
        for name in ("stdout", "stderr"):
            output: str = getattr(self.result, name)
            if output:
                lines.append(f"  {name}: {_tail(output)}")
        return "\n".join(lines)


def error_for_status(
    status: int, headers: Mapping[str, str], body: bytes, *, method: str, path: str
) -> HTTPError:
    """The error that an answer with an error status stands for (contract 1.8, 9)."""
    content = _decoded(body)
    error = _by_status(status, _message(status, content, headers), content)
    return _described(error, status, headers, content, method=method, path=path)


def error_for_content(
    reason: str, status: int, headers: Mapping[str, str], body: bytes, *, method: str, path: str
) -> APIResponseError:
    """The error for an answer that says success, and cannot be read."""
    kind = headers.get("content-type", "no content type")
    start = body[:200].decode("utf-8", "replace")
    error = APIResponseError(f"not the answer of a Router: {reason}, in {kind}: {start!r}")
    error.hint = "Does api_url lead to the Router, past every login page and proxy?"
    return _described(error, status, headers, _decoded(body), method=method, path=path)


def exit_code_meaning(code: int) -> str:
    """What a shell's exit code says beyond its number, to be put behind it (contract 5.1)."""
    known = {
        -1: "killed by a signal or by its timeout",
        126: "found, but cannot be executed",
        127: "command not found",
    }
    if code in known:
        return f" ({known[code]})"
    try:
        return f" (killed by {signal.Signals(code - 128).name})"
    except ValueError:
        return ""


def _described(
    error: E,
    status: int,
    headers: Mapping[str, str],
    content: JsonValue,
    *,
    method: str,
    path: str,
) -> E:
    error.status_code = status
    error.body = content
    error.request_id = headers.get("x-request-id")
    error.retry_after = _retry_after(headers)
    error.method = method
    error.path = path
    return error


_CLASSES: dict[int, type[HTTPError]] = {
    each.status_code: each
    for each in (AuthenticationError, AuthorizationError, NotFoundError, ConflictError)
}


def _by_status(status: int, message: str, content: JsonValue) -> HTTPError:
    if status == 403 and isinstance(content, dict) and content.get("error") == "policy_violation":
        return PolicyViolationError(message, _violations(content))
    if status in _CLASSES:
        return _CLASSES[status](message)
    if status == 429:
        return RateLimitError(status, message, content)
    if status == 500 and _EXEC_LIMIT in message:
        return ExecTimeoutError(status, message, content)
    return APIError(status, message, content)


def _decoded(body: bytes) -> JsonValue:
    """The body's JSON; its text where it is none, as for plain-text answers (contract 1.8)."""
    try:
        content: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace").strip()
    return content


def _message(status: int, content: JsonValue, headers: Mapping[str, str]) -> str:
    if 300 <= status < 400:
        return f"redirected to {headers.get('location', 'nowhere')}; is api_url the Router's?"
    if isinstance(content, dict):
        texts = [content.get(key) for key in ("error", "message")]
        found = [text for text in texts if isinstance(text, str) and text]
        if found:
            return ": ".join(found)
    if isinstance(content, str) and content:
        return _shortened(content)
    return f"HTTP status {status}"


def _violations(content: dict[str, JsonValue]) -> list[dict[str, JsonValue]]:
    violations = content.get("violations")
    if not isinstance(violations, list):  # null where there are none
        return []
    return [each for each in violations if isinstance(each, dict)]


def _violation(violation: dict[str, JsonValue]) -> str:
    return f"{violation.get('code', 'unnamed')}: {violation.get('message', '')}"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds in a ``Retry-After``, which is a number or a date; the answer's own date is now."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        now = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return None
    return max(0.0, until.timestamp() - now.timestamp())


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def _tail(text: str) -> str:
    text = text.rstrip("\n")
    return text if len(text) <= _SHOWN else f"…{text[-_SHOWN:]}"
