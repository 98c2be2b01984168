"""Run a command in a sandbox and judge how it ended.

Messages are composed here rather than left to pytest's rewriting of ``assert``, so that they read
the same from an editable install, a wheel and ``unittest``.
"""

from __future__ import annotations

import difflib
import re
import shlex
import time
from collections.abc import Coroutine, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

import anyio

from agenttier import AsyncSandbox
from agenttier.exceptions import exit_code_meaning

if TYPE_CHECKING:
    from agenttier import CommandResult, Sandbox

T = TypeVar("T")

Command: TypeAlias = "str | Sequence[str]"
Expected: TypeAlias = "str | re.Pattern[str] | None"

_SHOWN_LINES = 20  # of the head and of the tail of a stream
_SHOWN_WIDTH = 400
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25


@overload
def assert_exec(
    sandbox: Sandbox,
    command: Command,
    *,
    exit_code: int | None = 0,
    stdout: Expected = None,
    stderr: Expected = None,
    timeout: float = 30,
    within: float | None = None,
) -> CommandResult: ...
@overload
def assert_exec(
    sandbox: AsyncSandbox,
    command: Command,
    *,
    exit_code: int | None = 0,
    stdout: Expected = None,
    stderr: Expected = None,
    timeout: float = 30,
    within: float | None = None,
) -> Coroutine[Any, Any, CommandResult]: ...
def assert_exec(
    sandbox: Sandbox | AsyncSandbox,
    command: Command,
    *,
    exit_code: int | None = 0,
    stdout: Expected = None,
    stderr: Expected = None,
    timeout: float = 30,
    within: float | None = None,
) -> CommandResult | Coroutine[Any, Any, CommandResult]:
    """Run a command, check how it ended, and return its result.

    Args:
        sandbox: A ``Sandbox``, or an ``AsyncSandbox``: then the call is to be awaited.
        command: Shell text, or a sequence of arguments.
        exit_code: What it must be; None takes any.
        stdout: The whole text, exactly; or a compiled pattern to be found in it.
        stderr: The same for the other stream.
        timeout: Whole seconds that the command may run.
        within: Seconds; the command is repeated until the check holds or they have passed. They
            are real seconds, since real commands are waited for. What it raises is not waited out.

    Raises:
        AssertionError: It ended otherwise; the message shows command, exit code and both streams.
        AgentTierError: It could not be run.
        TypeError: What is expected can never be.
    """
    __tracebackhide__ = True
    expected = _Expected(exit_code, stdout, stderr)
    if not isinstance(command, str):
        command = tuple(command)  # it is shown and repeated
    if isinstance(sandbox, AsyncSandbox):
        return _Unawaited(_assert_exec_async(sandbox, command, expected, timeout, within), command)
    attempts = _Attempts(within)
    while True:
        started = time.monotonic()
        result = sandbox.exec(command, timeout=timeout)
        ran = _Ran(result, command, sandbox.name, time.monotonic() - started)
        pause = attempts.pause_after(expected.complaint(ran))
        if pause is None:
            return result
        time.sleep(pause)


async def _assert_exec_async(
    sandbox: AsyncSandbox,
    command: Command,
    expected: _Expected,
    timeout: float,  # noqa: ASYNC109 - the command's own limit, which the Router keeps
    within: float | None,
) -> CommandResult:
    __tracebackhide__ = True
    attempts = _Attempts(within)
    while True:
        started = time.monotonic()
        result = await sandbox.exec(command, timeout=timeout)
        ran = _Ran(result, command, sandbox.name, time.monotonic() - started)
        pause = attempts.pause_after(expected.complaint(ran))
        if pause is None:
            return result
        await anyio.sleep(pause)


def assert_result(
    result: CommandResult,
    *,
    exit_code: int | None = 0,
    stdout: Expected = None,
    stderr: Expected = None,
) -> CommandResult:
    """Check a result already at hand, as ``assert_exec`` does, and return it.

    Raises:
        AssertionError: It ended otherwise.
    """
    __tracebackhide__ = True
    complaint = _Expected(exit_code, stdout, stderr).complaint(_Ran(result))
    if complaint:
        raise AssertionError(complaint)
    return result


@dataclass(frozen=True)
class _Ran:
    """A command that has ended, and what is known of how it ran."""

    result: CommandResult
    command: Command | None = None
    sandbox: str | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        place = f" in sandbox {self.sandbox}" if self.sandbox else ""
        duration = f" after {self.seconds:.2f} s" if self.seconds is not None else ""
        code = self.result.exit_code
        lines = [f"exit code {code}{exit_code_meaning(code)}{duration}{place}"]
        if self.command is not None:
            text = self.command if isinstance(self.command, str) else shlex.join(self.command)
            lines.insert(0, f"$ {_shortened(text)}")
        return "\n".join(lines)


class _Attempts:
    """Decides whether a command that did not do is run once more."""

    def __init__(self, within: float | None) -> None:
        self._within = within
        self._started = time.monotonic()
        self._count = 0
        self._pause = _FIRST_PAUSE

    def pause_after(self, complaint: str | None) -> float | None:
        """Seconds until the next attempt; None when the check holds.

        Raises:
            AssertionError: it does not, and time is up.
        """
        __tracebackhide__ = True
        if complaint is None:
            return None
        self._count += 1
        passed = time.monotonic() - self._started
        if self._within is None:
            raise AssertionError(complaint)
        if passed >= self._within:
            raise AssertionError(
                f"{complaint}\nrun {self._count} times within {self._within:g} s, last as above"
            )
        pause = min(self._pause, self._within - passed)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return pause


@dataclass(frozen=True)
class _Expected:
    """How a command is to end."""

    exit_code: int | None
    stdout: Expected
    stderr: Expected

    def __post_init__(self) -> None:
        code = self.exit_code  # callers may use no type checker
        if not isinstance(code, int | None):  # pyright: ignore[reportUnnecessaryIsInstance]  # see above
            raise TypeError(f"exit_code={code!r}: a number, or None for any")
        for name in ("stdout", "stderr"):
            expected = getattr(self, name)
            pattern = getattr(expected, "pattern", "")
            if not (isinstance(expected, str | re.Pattern | None) and isinstance(pattern, str)):
                raise TypeError(f"{name}={expected!r}: text, a compiled pattern of text, or None")

    def complaint(self, ran: _Ran) -> str | None:
        """What is to be said of a command that ended otherwise; None where all is as expected."""
        result = ran.result
        wrong = [*self._wrong_code(result.exit_code)]
        wrong += _wrong_text("stdout", self.stdout, result.stdout)
        wrong += _wrong_text("stderr", self.stderr, result.stderr)
        if not wrong:
            return None
        streams = [*_stream("stdout", result.stdout), *_stream("stderr", result.stderr)]
        return "\n".join([str(ran), *wrong, *streams])

    def _wrong_code(self, code: int) -> Iterator[str]:
        if self.exit_code is not None and code != self.exit_code:
            yield f"expected exit code {self.exit_code}, got {code}{exit_code_meaning(code)}"


def _wrong_text(name: str, expected: Expected, got: str) -> Iterator[str]:
    if isinstance(expected, str):
        if got != expected:
            yield f"{name} differs (- expected, + got):"
            yield from _diff(expected, got)
    elif expected is not None and not expected.search(got):
        yield f"{name} has no match for {expected.pattern!r}"


def _diff(expected: str, got: str) -> Iterator[str]:
    before, after = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (expected, got))
    # The first two lines name files.
    for line in list(difflib.unified_diff(before, after, n=2))[2:]:
        text = _shown(line.rstrip("\n"))
        yield f"  {text}" if line.endswith("\n") else f"  {text}  (no newline at its end)"


def _stream(name: str, text: str) -> Iterator[str]:
    if not text:
        yield f"{name}: empty"
        return
    lines = text.split("\n")
    if not lines[-1]:
        del lines[-1]
    yield f"{name}:"
    omitted = len(lines) - 2 * _SHOWN_LINES
    if omitted > 0:
        lines[_SHOWN_LINES:-_SHOWN_LINES] = [f"… {omitted} lines …"]
    for line in lines:
        yield f"  {_shown(line)}"


def _shown(line: str) -> str:
    """A line as a terminal may show it: what would be invisible, or obeyed, is escaped."""
    kept = line.rstrip()
    hidden = line[len(kept) :].replace(" ", "\\x20")
    visible = "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in kept + hidden
    )
    return _shortened(visible)


def _shortened(text: str) -> str:
    if len(text) <= _SHOWN_WIDTH:
        return text
    half = _SHOWN_WIDTH // 2
    return f"{text[:half]} … {len(text) - 2 * half} characters … {text[-half:]}"


class _Unawaited(Coroutine[Any, Any, T]):
    """A coroutine that is remembered until somebody awaits it.

    An assertion that is never awaited checks nothing, and Python says so in a warning at most.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], command: Command) -> None:
        self._coroutine = coroutine
        self.command = command
        _unawaited.append(self)

    def __await__(self) -> Generator[Any, Any, T]:
        self._begin()
        return self._coroutine.__await__()

    def send(self, value: Any) -> Any:
        self._begin()
        return self._coroutine.send(value)

    def throw(self, *args: Any) -> Any:
        self._begin()
        return self._coroutine.throw(*args)

    def close(self) -> None:
        self._begin()
        self._coroutine.close()

    def _begin(self) -> None:
        if self in _unawaited:
            _unawaited.remove(self)


# An assertion has no request to hang this on, and one process runs one test at a time.
_unawaited: list[_Unawaited[Any]] = []


def take_unawaited() -> str | None:
    """Drop the assertions that were never awaited; what is to be said of them, if there are any."""
    forgotten = list(_unawaited)
    for each in forgotten:
        each.close()
    if not forgotten:
        return None
    return (
        "assert_exec on an AsyncSandbox was never awaited, so it checked nothing; write: "
        f"await assert_exec(sandbox, {forgotten[0].command!r}, …)"
    )
