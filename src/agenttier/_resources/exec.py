"""Commands (contract 3.7, 5)."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from agenttier._operation import Operation, path
from agenttier.exceptions import CommandError, InvalidRequestError
from agenttier.models import CommandResult

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANSWER_SLACK = 10.0


def exec_command(
    sandbox_id: str, command: str | Sequence[str], *, timeout: float, check: bool
) -> Operation[CommandResult]:
    """Run a shell command (contract 3.7)."""
    text = shell_text(command)
    seconds = _whole_seconds(timeout)

    def parse(body: bytes) -> CommandResult:
        result = CommandResult.model_validate_json(body)
        if check and not result.ok:
            raise CommandError(result, text)
        return result

    return Operation(
        "POST",
        path("sandboxes", sandbox_id, "exec"),
        parse,
        body={"command": text, "timeout": seconds},
        read_timeout=seconds + _ANSWER_SLACK,
    )


def shell_text(command: str | Sequence[str]) -> str:
    """The text that the sandbox's ``sh -c`` is given; a sequence is quoted word by word."""
    text = command if isinstance(command, str) else shlex.join(command)
    if not text:
        raise InvalidRequestError("exec() needs a command; this one is empty")
    # The shell takes a text that begins like an option for one (contract 5.2); a blank before it
    # changes nothing else.
    return f" {text}" if text[0] in "-+" else text


def _whole_seconds(timeout: float) -> int:
    """A timeout as the Router takes it: whole seconds, at least one (contract 1.7)."""
    if not (timeout > 0 and float(timeout).is_integer()):
        raise InvalidRequestError(f"exec(timeout={timeout!r}): whole seconds, at least 1")
    return int(timeout)
