"""Commands (contract 3.7, 5)."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from agenttier._arguments import LONGEST_WAIT, refusal, whole
from agenttier._operation import Operation
from agenttier._resources.sandboxes import sandbox_path
from agenttier.exceptions import CommandError, InvalidRequestError
from agenttier.models import CommandResult

if TYPE_CHECKING:
    from collections.abc import Sequence

_ANSWER_SLACK = 10.0


def exec_command(
    sandbox_id: str,
    command: str | Sequence[str | os.PathLike[str]],
    *,
    timeout: float,
    check: bool,
) -> Operation[CommandResult]:
    """Run a shell command (contract 3.7)."""
    text = shell_text(command)
    # The Router takes whole seconds only (contract 1.7).
    seconds = whole("timeout", timeout, "whole seconds", most=LONGEST_WAIT)

    def parse(body: bytes) -> CommandResult:
        result = CommandResult.model_validate_json(body)
        if check and not result.ok:
            raise CommandError(result, text)
        return result

    return Operation(
        "POST",
        sandbox_path(sandbox_id, "exec"),
        parse,
        body={"command": text, "timeout": seconds},
        read_timeout=seconds + _ANSWER_SLACK,
    )


def shell_text(command: str | Sequence[str | os.PathLike[str]]) -> str:
    """The text that the sandbox's ``sh -c`` is given; a sequence is quoted word by word."""
    try:
        text = (
            command
            if isinstance(command, str)
            else shlex.join([os.fspath(word) for word in command])
        )
    except TypeError as error:
        raise refusal(
            "command", command, "expected text, or a sequence of text and paths"
        ) from error
    if not text:
        raise InvalidRequestError("exec() needs a command; this one is empty")
    # The shell takes a text that begins like an option for one (contract 5.2); a blank before it
    # changes nothing else.
    return f" {text}" if text[0] in "-+" else text
