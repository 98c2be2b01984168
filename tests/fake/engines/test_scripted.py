"""Answers that are written down beforehand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.engines import ExecFailed, ExecResult, PodSpec
from pytest_agenttier.fake.engines.runtime import NodeRuntime
from pytest_agenttier.fake.engines.scripted import ExecRequest, Scripted, UnexpectedCommand

from .conftest import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def scripted(clock: FakeClock) -> Scripted:
    return Scripted(clock)


@pytest.fixture
def sandbox(clock: FakeClock, scripted: Scripted) -> Iterator[Sandbox]:
    """A sandbox that runs nothing."""
    runtime = NodeRuntime(["scripted"], clock=clock, scripted=scripted)
    yield Sandbox(runtime)
    runtime.close()


def test_an_exact_text_is_answered(scripted: Scripted, sandbox: Sandbox) -> None:
    """With what was registered, as text or as bytes."""
    scripted.register("make", stdout="é\n", stderr=b"\xff", exit_code=2)

    assert sandbox.run("make") == ExecResult("é\n".encode(), b"\xff", 2)


def test_a_pattern_matches_the_whole_text(scripted: Scripted, sandbox: Sandbox) -> None:
    """A part is not enough."""
    scripted.register(re.compile(r"pip install \w+"), stdout="ok")

    assert sandbox.run("pip install x").stdout == b"ok"
    with pytest.raises(UnexpectedCommand):
        sandbox.run("sudo pip install x")


def test_a_function_decides_by_the_request(scripted: Scripted, sandbox: Sandbox) -> None:
    """It sees the sandbox, the command, the limit and the transport."""
    seen: list[ExecRequest] = []
    scripted.register(lambda request: not seen.append(request), stdout="ok")

    sandbox.run("x", timeout=7, transport="spdy")

    assert seen == [ExecRequest("demo", "x", 7, "spdy")]


def test_answers_are_given_in_order(scripted: Scripted, sandbox: Sandbox) -> None:
    """Each once, unless it says how often."""
    scripted.register("x", stdout="1")
    scripted.register("x", stdout="2", times=2)
    scripted.register("x", stdout="3", times=None)

    assert [sandbox.run("x").stdout for _ in range(6)] == [b"1", b"2", b"2", b"3", b"3", b"3"]


def test_a_callback_comes_first_and_may_raise(scripted: Scripted, sandbox: Sandbox) -> None:
    """What it raises reaches the caller."""

    def refuse(request: ExecRequest) -> None:
        raise RuntimeError(request.command)

    scripted.register("x", callback=refuse)

    with pytest.raises(RuntimeError, match=r"^x$"):
        sandbox.run("x")


def test_an_unexpected_command_says_what_to_write(scripted: Scripted, sandbox: Sandbox) -> None:
    """And what was registered instead."""
    scripted.register("ls", times=None)
    scripted.register(re.compile("l+"))

    with pytest.raises(UnexpectedCommand) as raised:
        sandbox.run("it's")

    assert str(raised.value) == (
        """sandbox demo got a command that no script answers: "it's"\n"""
        """Registered:\n"""
        """  'ls': any number of times, used 0\n"""
        """  'l+': 1 times, used 0\n"""
        """Answer it:\n"""
        """  fake_router.exec.register("it's", stdout="…")"""
    )
    assert scripted.unexpected() == [ExecRequest("demo", "it's", 30, "http")]


@pytest.mark.parametrize(
    "words", [["pip", "install", "a b"], ("pip", "install", "a b")], ids=["list", "tuple"]
)
def test_words_are_quoted_as_the_client_quotes_them(
    scripted: Scripted, sandbox: Sandbox, words: list[str]
) -> None:
    """A test that runs a list can register that list."""
    scripted.register(words, stdout="ok")

    assert sandbox.run("pip install 'a b'").stdout == b"ok"


@pytest.mark.parametrize("command", [7, None, b"make", ["make", 1], re.compile(b"make")])
def test_what_is_no_command_is_refused_at_once(scripted: Scripted, command: object) -> None:
    """Not when the first command runs."""
    with pytest.raises(TypeError, match=r"a command is its text, a list of its words, .*, not "):
        scripted.register(command)  # type: ignore[arg-type] # what nobody should pass


@pytest.mark.parametrize("text", ["-x", "+x"])
@pytest.mark.parametrize("sent", ["{}", " {}"], ids=["raw", "by the client"])
def test_an_option_like_text_fits_as_the_client_sends_it(
    scripted: Scripted, sandbox: Sandbox, text: str, sent: str
) -> None:
    """With a blank before it, so that the shell does not take it for options (contract 5.2)."""
    scripted.register(text, stdout="ok")

    assert sandbox.run(sent.format(text)).stdout == b"ok"


def test_any_other_text_fits_only_as_it_is(scripted: Scripted, sandbox: Sandbox) -> None:
    """A blank before it is another command."""
    scripted.register("x", times=None)

    with pytest.raises(UnexpectedCommand):
        sandbox.run(" x")


@pytest.mark.parametrize("times", [0, -1])
def test_an_answer_is_given_at_least_once(scripted: Scripted, times: int) -> None:
    """An answer that may never be given is a mistake."""
    with pytest.raises(ValueError, match=f"times={times}: it is at least 1, or None"):
        scripted.register("x", times=times)


def test_unused_answers_are_known(scripted: Scripted, sandbox: Sandbox) -> None:
    """Those that were given less often than they were registered for."""
    scripted.register("once")
    twice = scripted.register("twice", times=2)
    never = scripted.register("never")

    for command in ("once", "twice"):
        sandbox.run(command)

    assert scripted.unused() == [twice, never]


def test_an_answer_for_any_number_of_times_is_never_unused(scripted: Scripted) -> None:
    """None is such a number."""
    scripted.register("x", times=None)

    assert scripted.unused() == []


def test_a_scope_takes_its_answers_with_it(scripted: Scripted, sandbox: Sandbox) -> None:
    """Those from before stay in force, inside and after."""
    scripted.register("before", times=None)

    with scripted.scope():
        scripted.register("inside", times=None)
        sandbox.run("before")
        sandbox.run("inside")

    sandbox.run("before")
    with pytest.raises(UnexpectedCommand):
        sandbox.run("inside")


def test_a_scope_answers_before_what_was_there(scripted: Scripted, sandbox: Sandbox) -> None:
    """A test can override what a wider fixture has registered."""
    scripted.register("x", stdout="wide", times=None)

    with scripted.scope():
        scripted.register("x", stdout="narrow")
        inside = sandbox.run("x").stdout, sandbox.run("x").stdout

    assert inside == (b"narrow", b"wide")


def test_a_scope_reports_what_is_its_own(scripted: Scripted, sandbox: Sandbox) -> None:
    """Neither answers nor unexpected commands from before count in it."""
    scripted.register("before")
    with pytest.raises(UnexpectedCommand):
        sandbox.run("stray")

    with scripted.scope():
        own = scripted.register("own")
        reported = scripted.unused(), scripted.unexpected()

    assert reported == ([own], [])


def test_reset_forgets_everything(scripted: Scripted, sandbox: Sandbox) -> None:
    """Answers and unexpected commands."""
    scripted.register("x")
    with pytest.raises(UnexpectedCommand):
        sandbox.run("y")

    scripted.reset()

    assert (scripted.unused(), scripted.unexpected()) == ([], [])


def test_reset_ends_every_scope(scripted: Scripted, sandbox: Sandbox) -> None:
    """What one of them leaves afterwards brings nothing back."""
    scripted.register("before", times=None)
    with scripted.scope():
        scripted.register("inside", times=None)
        scripted.reset()

    for command in ("before", "inside"):
        with pytest.raises(UnexpectedCommand):
            sandbox.run(command)


@pytest.mark.parametrize(("transport", "delay"), [("http", 4.9), ("spdy", 3600.0)])
def test_a_delay_passes_on_the_fake_s_clock(
    clock: FakeClock, scripted: Scripted, sandbox: Sandbox, transport: str, delay: float
) -> None:
    """At once, for everybody else."""
    scripted.register("x", stdout="late", delay=delay)
    before = clock.time()

    result = sandbox.run("x", transport="http" if transport == "http" else "spdy")

    assert result == ExecResult(b"late", b"", 0)
    assert delay <= clock.time() - before < delay + 60


def test_a_delay_of_five_seconds_is_too_long_over_http(
    scripted: Scripted, sandbox: Sandbox
) -> None:
    """As for a real command (contract 5.1)."""
    scripted.register("x", delay=5)

    with pytest.raises(ExecFailed, match="timeout awaiting response headers"):
        sandbox.run("x")


def test_a_delay_beyond_the_limit_ends_in_minus_one(scripted: Scripted, sandbox: Sandbox) -> None:
    """Without output, since a script writes at the end (contract 5.1)."""
    scripted.register("x", stdout="never seen", delay=3)

    assert sandbox.run("x", timeout=2) == ExecResult(b"", b"", -1)


@pytest.mark.parametrize("engine", ["pod", "subprocess"])
def test_answers_come_first_on_every_engine(
    engine: str, clock: FakeClock, scripted: Scripted, pods: None
) -> None:
    """And start none."""
    runtime = NodeRuntime([engine], clock=clock, scripted=scripted)
    scripted.register("echo real", stdout="scripted\n")
    spec = PodSpec("uid", "demo")

    outputs = [
        runtime.exec(
            spec, "echo real", timeout=30, transport="http", disconnected=lambda: False
        ).stdout
        for _ in range(2)
    ]
    runtime.close()

    assert outputs == [b"scripted\n", b"real\n"]
