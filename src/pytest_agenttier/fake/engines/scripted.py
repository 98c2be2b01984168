"""Answers to commands, written down beforehand: they come first on every engine."""

from __future__ import annotations

import re
import shlex
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from . import EngineUnavailable, ExecResult, ExecTransport
from .transports import HEADER_TIMEOUT, effective_limit, header_timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ..clock import FakeClock


class UnexpectedCommand(EngineUnavailable):
    """A command that no script answers, where nothing else could run it."""


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """One command, as it reached a sandbox."""

    sandbox: str
    command: str
    timeout: int = 30
    """Seconds, as the client asked."""
    transport: ExecTransport = "http"


CommandPattern: TypeAlias = "str | re.Pattern[str] | Callable[[ExecRequest], bool]"
"""Exact text, a pattern that the whole text must match, or a decision."""
Command: TypeAlias = "CommandPattern | Sequence[str]"
"""What an answer can be registered for: a pattern, or the words of a command."""


@dataclass(slots=True, eq=False)
class Answer:
    """One registered answer, and how often it was given."""

    command: CommandPattern
    result: ExecResult
    times: int | None
    delay: float
    callback: Callable[[ExecRequest], None] | None
    used: int = 0

    def fits(self, request: ExecRequest) -> bool:
        """Whether this answers the request, and may still be given."""
        if self.times is not None and self.used >= self.times:
            return False
        if isinstance(self.command, str):
            return request.command in (self.command, _as_sent(self.command))
        if isinstance(self.command, re.Pattern):
            return self.command.fullmatch(request.command) is not None
        return self.command(request)

    def __str__(self) -> str:
        command = self.command
        spelled = repr(command.pattern if isinstance(command, re.Pattern) else command)
        times = "any number of times" if self.times is None else f"{self.times} times"
        return f"{spelled}: {times}, used {self.used}"


@dataclass(slots=True)
class _Script:
    """The answers of one scope, and of those around it."""

    outer: _Script | None = None
    answers: list[Answer] = field(default_factory=list[Answer])
    unexpected: list[ExecRequest] = field(default_factory=list[ExecRequest])

    def all_answers(self) -> list[Answer]:
        """In the order in which they are tried: those of the innermost scope first."""
        return self.answers + (self.outer.all_answers() if self.outer else [])


class Scripted:
    """The answers of a fake Router. Thread-safe."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._script: _Script = _Script()

    def register(
        self,
        command: Command,
        *,
        stdout: str | bytes = "",
        stderr: str | bytes = "",
        exit_code: int = 0,
        times: int | None = 1,
        delay: float = 0.0,
        callback: Callable[[ExecRequest], None] | None = None,
    ) -> Answer:
        """Answer a command without running it.

        Of the answers that fit a command, the one registered first is given, until it was given
        ``times`` times; those of an inner `scope` come before those around it.

        Args:
            command: The exact text; its words, which are quoted as the client quotes them; a
                pattern that must match all of the text; or a function.
            stdout: What the command writes there, as text or bytes.
            stderr: Likewise.
            exit_code: Its exit code.
            times: How often it is to be given, at least once; None: any number of times, or never.
            delay: Seconds that the command takes, on the fake's clock. It writes at the end, so
                that nothing is seen of a command that runs into its limit.
            callback: Called before the answer is given; what it raises reaches the caller.

        Returns:
            The answer, whose ``used`` counts.

        Raises:
            TypeError: ``command`` is none of these.
            ValueError: ``times`` is less than 1.
        """
        if times is not None and times < 1:
            raise ValueError(f"times={times!r}: it is at least 1, or None for any number of times")
        result = ExecResult(_bytes(stdout), _bytes(stderr), exit_code)
        answer = Answer(_pattern(command), result, times, delay, callback)
        with self._lock:
            self._script.answers.append(answer)
        return answer

    def unused(self) -> list[Answer]:
        """Answers of this scope that were given less often than they were registered for."""
        with self._lock:
            return [each for each in self._script.answers if each.used < (each.times or 0)]

    def unexpected(self) -> list[ExecRequest]:
        """Commands in this scope that nothing answered, in the order in which they came."""
        with self._lock:
            return list(self._script.unexpected)

    def reset(self) -> None:
        """Forget every answer and every unexpected command, and end every scope."""
        with self._lock:
            self._script = _Script()

    @contextmanager
    def scope(self) -> Generator[None, None, None]:
        """A stretch of time with answers of its own: tried first, and gone at its end."""
        with self._lock:
            outer = self._script
            own = self._script = _Script(outer)
        try:
            yield
        finally:
            with self._lock:
                if self._script is own:  # else `reset` has ended it
                    self._script = outer

    def answer(self, request: ExecRequest, address: str) -> ExecResult | None:
        """The answer to a command; None where none is registered.

        Raises:
            ExecFailed: it takes longer than the transport waits (contract 5.1).
        """
        with self._lock:
            answers = self._script.all_answers()
            found = next((each for each in answers if each.fits(request)), None)
            if found is None:
                return None
            found.used += 1
        if found.callback is not None:
            found.callback(request)
        return self._after_delay(found, request, address)

    def refuse(self, request: ExecRequest) -> UnexpectedCommand:
        """Note a command that nothing answers; what to raise for it."""
        with self._lock:
            self._script.unexpected.append(request)
            registered = [f"  {each}" for each in self._script.all_answers()] or ["  nothing"]
        return UnexpectedCommand(
            f"sandbox {request.sandbox} got a command that no script answers:"
            f" {request.command!r}\nRegistered:\n" + "\n".join(registered) + "\nAnswer it:\n"
            f'  fake_router.exec.register({request.command!r}, stdout="…")'
        )

    def _after_delay(self, found: Answer, request: ExecRequest, address: str) -> ExecResult:
        limit = effective_limit(request.timeout)
        patience = min(limit, HEADER_TIMEOUT)
        if request.transport == "spdy" or found.delay < patience:
            self._clock.advance(found.delay)
            return found.result
        self._clock.advance(patience)
        if limit >= HEADER_TIMEOUT:
            raise header_timeout(address)
        return ExecResult(b"", b"", -1)


def _pattern(command: Command) -> CommandPattern:
    if isinstance(command, str) or callable(command):
        return command
    if isinstance(command, re.Pattern):
        if _all_text(command.pattern):
            return command
    elif isinstance(command, (list, tuple)) and _all_text(*command):
        return shlex.join(command)
    raise TypeError(
        "a command is its text, a list of its words, a compiled pattern of text, or a function, "
        f"not {command!r}"
    )


def _all_text(*values: object) -> bool:
    """Whether these are what their type says; not everybody checks types."""
    return all(isinstance(value, str) for value in values)


def _as_sent(text: str) -> str:
    """As the client sends it, lest the shell take it for options (contract 5.2)."""
    return f" {text}" if text.startswith(("-", "+")) else text


def _bytes(output: str | bytes) -> bytes:
    return output.encode() if isinstance(output, str) else output
