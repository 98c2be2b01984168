"""What a command answers, on both transports: the recorded cases, and those beside them."""

from __future__ import annotations

import base64
import os
import shlex
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_agenttier.fake.engines import ExecFailed, ExecResult
from pytest_agenttier.fake.engines.process import Output

if TYPE_CHECKING:
    from pytest_agenttier.fake.engines import ExecTransport

    from .conftest import Sandbox

transports = pytest.mark.parametrize("transport", ["http", "spdy"])

HEADER_TIMEOUT = (
    r'^Post "http://10\.42\.\d+\.\d+:9000/exec": net/http: timeout awaiting response headers$'
)
WAIT_DELAY = b"\n[runtime] exec: WaitDelay expired before I/O complete"


@transports
@pytest.mark.parametrize(
    ("command", "stdout", "stderr", "exit_code"),
    [
        ("echo hi", b"hi\n", b"", 0),
        ("printf 'no newline'", b"no newline", b"", 0),
        ("exit 7", b"", b"", 7),
        ("exit 256", b"", b"", 0),
        ("echo out; echo err >&2; exit 3", b"out\n", b"err\n", 3),
        (" ", b"", b"", 0),
        ("cat", b"", b"", 0),
        ("read x; echo [$x] $?", b"[] 1\n", b"", 0),
        ("umask", b"0022\n", b"", 0),
        ("echo $SHELL $0 $#", b"/bin/sh 0\n", b"", 0),
        ("test -t 0; echo $?; test -t 1; echo $?", b"1\n1\n", b"", 0),
        ("printf 'a\\000b\\377\\376'", b"a\0b\xff\xfe", b"", 0),
        ("echo a & wait; echo b", b"a\nb\n", b"", 0),
        ("nohup sleep 30 >/dev/null 2>&1 & echo started", b"started\n", b"", 0),
        ("trap 'echo bye' EXIT; exit 4", b"bye\n", b"", 4),
        ("yes | head -n 3", b"y\ny\ny\n", b"", 0),
        ("trap", b"", b"", 0),
        ("echo é😀", "é😀\n".encode(), b"", 0),
    ],
)
def test_an_answer_is_output_and_exit_code(
    sandbox: Sandbox,
    transport: ExecTransport,
    command: str,
    stdout: bytes,
    stderr: bytes,
    exit_code: int,
) -> None:
    """/bin/sh -c, no stdin, no terminal, both streams apart (contract 5.2)."""
    assert sandbox.run(command, transport=transport) == ExecResult(stdout, stderr, exit_code)


@transports
@pytest.mark.usefixtures("dash")
@pytest.mark.parametrize(
    ("command", "stderr", "exit_code"),
    [
        ("nosuchcmd", b"/bin/sh: 1: nosuchcmd: not found\n", 127),
        ("-- echo hi", b"/bin/sh: 0: Illegal option --\n", 2),
        ("+x", b"/bin/sh: 0: -c requires an argument\n", 2),
        ("echo 'unterminated", b"/bin/sh: 1: Syntax error: Unterminated quoted string\n", 2),
        ("sh -c 'kill -9 $$'", b"Killed\n", 137),
    ],
)
def test_the_shell_says_what_dash_says(
    sandbox: Sandbox, transport: ExecTransport, command: str, stderr: bytes, exit_code: int
) -> None:
    """A text that begins with - or + is taken for options (contract 5.2)."""
    assert sandbox.run(command, transport=transport) == ExecResult(b"", stderr, exit_code)


@pytest.mark.parametrize("signal", [1, 2, 9, 13, 15])
def test_death_by_a_signal_is_told_by_transport(sandbox: Sandbox, signal: int) -> None:
    """-1 over HTTP, 128 and the signal over SPDY (contract 5.1)."""
    command = f"kill -{signal} $$; echo never"

    assert sandbox.run(command, transport="http") == ExecResult(b"", b"", -1)
    assert sandbox.run(command, transport="spdy") == ExecResult(b"", b"", 128 + signal)


@pytest.mark.parametrize(
    ("command", "stdout"),
    [
        ("sleep 30", b""),
        ("echo early; exec sleep 30", b"early\n"),
        ("trap '' TERM; echo t; exec sleep 30", b"t\n"),
    ],
)
def test_a_limit_below_five_seconds_ends_in_minus_one(
    sandbox: Sandbox, command: str, stdout: bytes
) -> None:
    """With the output so far and no remark, though a child may hold the pipes (contract 5.1)."""
    assert sandbox.run(command, timeout=1) == ExecResult(stdout, b"", -1)


def test_after_five_seconds_the_router_gives_up(sandbox: Sandbox) -> None:
    """Whatever the limit; the shell is killed, its children live on (contract 5.1)."""
    command = "sleep 600 & echo $! >> children; sleep 6; echo never > never"

    def give_up(timeout: int) -> None:
        with pytest.raises(ExecFailed, match=HEADER_TIMEOUT):
            sandbox.run(command, timeout=timeout)

    with ThreadPoolExecutor() as threads:
        for each in [threads.submit(give_up, timeout) for timeout in (5, 30, 1801, -1)]:
            each.result()

    assert sandbox.run("ls; for pid in $(cat children); do kill $pid && echo killed; done") == (
        ExecResult(b"children\n" + 4 * b"killed\n", b"", 0)
    )


def test_a_negative_limit_is_a_minute(sandbox: Sandbox) -> None:
    """Not none at all (contract 5.1)."""
    assert sandbox.run("sleep 0.1; echo neg", timeout=-1) == ExecResult(b"neg\n", b"", 0)


def test_spdy_has_no_limit(sandbox: Sandbox) -> None:
    """The requested one is ignored (contract 5.1)."""
    assert sandbox.run("sleep 1.2; echo slept", timeout=1, transport="spdy") == (
        ExecResult(b"slept\n", b"", 0)
    )


@pytest.mark.parametrize(
    ("command", "stdout"),
    [
        ("sleep 5 & echo hi", b"hi\n"),
        ("sleep 5 >/dev/null & echo partly", b"partly\n"),
        ("sleep 5 2>/dev/null & echo partly", b"partly\n"),
    ],
)
def test_http_does_not_wait_for_streams_that_a_child_holds(
    sandbox: Sandbox, command: str, stdout: bytes
) -> None:
    """Half a second after the shell it answers -1, and says so on stderr (contract 5.1)."""
    assert sandbox.run(command) == ExecResult(stdout, WAIT_DELAY, -1)


def test_an_exit_code_of_its_own_comes_before_that_remark(sandbox: Sandbox) -> None:
    """What the shell said weighs more than what became of the streams."""
    assert sandbox.run("sleep 5 & exit 3") == ExecResult(b"", b"", 3)


def test_spdy_waits_for_streams_that_a_child_holds(sandbox: Sandbox) -> None:
    """It ends when they are closed (contract 5.1)."""
    assert sandbox.run("(sleep 0.7; echo late) & echo hi", transport="spdy") == (
        ExecResult(b"hi\nlate\n", b"", 0)
    )


@pytest.mark.parametrize(
    ("transport", "size", "kept", "mark"),
    [
        ("http", 8_388_608, 8_388_608, b""),
        ("http", 8_388_609, 8_388_608, b"\n[truncated]"),
        ("spdy", 1_048_576, 1_048_576, b""),
        ("spdy", 1_048_577, 1_048_576, b""),
    ],
)
def test_output_is_capped(
    sandbox: Sandbox, transport: ExecTransport, size: int, kept: int, mark: bytes
) -> None:
    """8 MiB and a mark over HTTP, 1 MiB in silence over SPDY, each stream (contract 5.1)."""
    command = f"head -c {size} /dev/zero >&2; head -c {size} /dev/zero; exit 3"

    result = sandbox.run(command, transport=transport)

    assert result == ExecResult(bytes(kept) + mark, bytes(kept) + mark, 3)


def test_output_beyond_the_cap_is_read_and_dropped(sandbox: Sandbox) -> None:
    """The command never blocks on it."""
    result = sandbox.run("head -c 20000000 /dev/zero; echo end >&2", transport="spdy")

    assert (len(result.stdout), result.stderr, result.exit_code) == (1_048_576, b"end\n", 0)


@pytest.mark.parametrize(
    ("command", "http_stderr"),
    [
        ("echo a\0b", b"\n[runtime] fork/exec /bin/sh: invalid argument"),
        (": " + "x" * 131_070, b"\n[runtime] fork/exec /bin/sh: argument list too long"),
        (": " + "x" * 5_000_000, b"\n[runtime] fork/exec /bin/sh: argument list too long"),
    ],
)
def test_a_text_that_cannot_be_an_argument(
    sandbox: Sandbox, command: str, http_stderr: bytes
) -> None:
    """-1 and the reason over HTTP, a bare 1 over SPDY (contract 5.1)."""
    assert sandbox.run(command, transport="http") == ExecResult(b"", http_stderr, -1)
    assert sandbox.run(command, transport="spdy") == ExecResult(b"", b"", 1)


def test_a_request_that_the_runtime_does_not_take(sandbox: Sandbox) -> None:
    """500 above 8 MiB and 1 KiB of JSON; over SPDY no request is made (contract 5.1)."""
    longest = 8 * 1024 * 1024 + 1024 - len('{"command":"","timeout":30}')
    too_large = (
        r'^exec returned 400: {"code":400,"error":"invalid request body: '
        r'http: request body too large"}\n$'
    )

    for command in ("x" * (longest + 1), "<" * (longest // 6 + 1)):
        with pytest.raises(ExecFailed, match=too_large):
            sandbox.run(command)
        assert sandbox.run(command, transport="spdy") == ExecResult(b"", b"", 1)
    assert sandbox.run("x" * longest).exit_code == -1


def test_a_command_that_reads_its_own_output_holds_nobody_up(sandbox: Sandbox) -> None:
    """What it was faster to read is not waited for."""
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    stream = Output(readable, keep=10)

    assert stream.read()  # nothing there, though it may have looked so
    os.close(writable)
    assert not stream.read()
    os.close(readable)
    assert sandbox.run("exec 3</proc/self/fd/1; echo x; timeout 1 cat <&3; exit 4").exit_code == 4


@transports
def test_the_longest_text_that_can_be_an_argument(
    sandbox: Sandbox, transport: ExecTransport
) -> None:
    """131 071 bytes (contract 5.1)."""
    command = ": " + "x" * 131_069

    assert sandbox.run(command, transport=transport) == ExecResult(b"", b"", 0)


@transports
def test_the_shell_is_killed_when_the_client_goes(
    sandbox: Sandbox, transport: ExecTransport
) -> None:
    """Nobody would read its answer (contract 5.1)."""
    with pytest.raises(ExecFailed, match="context canceled"):
        sandbox.run(
            "echo $$ > shell; exec sleep 600", transport=transport, disconnected=lambda: True
        )

    assert sandbox.run("until ! kill -0 $(cat shell); do :; done 2>/dev/null").exit_code == 0


def test_a_pod_works_in_workspace(pod: Sandbox) -> None:
    """Each command begins there, whatever the one before did (contract 5.2)."""
    assert pod.run("pwd; cd /tmp").stdout == b"/workspace\n"
    assert pod.run("pwd").stdout == b"/workspace\n"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_output_is_bytes(sandbox: Sandbox, stdout: bytes, stderr: bytes) -> None:
    """Whatever is written comes back unchanged."""
    command = "; ".join(
        f"echo {base64.b64encode(written).decode()} | base64 -d >&{stream}"
        for stream, written in ((1, stdout), (2, stderr))
    )

    assert sandbox.run(command) == ExecResult(stdout, stderr, 0)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200))
def test_a_command_reaches_the_shell_unchanged(sandbox: Sandbox, text: str) -> None:
    """It is UTF-8, and nothing but the shell interprets it."""
    assert sandbox.run(f"printf %s {shlex.quote(text)}") == ExecResult(text.encode(), b"", 0)
