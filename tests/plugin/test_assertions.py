"""assert_exec and assert_result: what they say of a command that ended otherwise."""

from __future__ import annotations

import re

import pytest

from agenttier.models import CommandResult
from pytest_agenttier import assert_exec, assert_result
from pytest_agenttier.assertions import take_unawaited


class StandIn:
    """A sandbox whose commands end as told, one after the other."""

    name = "pt-0tnusyk7x1f-gw0-1-test"

    def __init__(self, *results: CommandResult) -> None:
        self.results = list(results)
        self.calls: list[tuple[object, float]] = []

    def exec(self, command: object, timeout: float) -> CommandResult:
        self.calls.append((command, timeout))
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]


def result(stdout: str = "", stderr: str = "", exit_code: int = 0) -> CommandResult:
    return CommandResult(stdout=stdout, stderr=stderr, exit_code=exit_code)


def complaint(got: CommandResult, **expected: object) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_result(got, **expected)  # type: ignore[arg-type]  # the cases below are typed
    return str(caught.value)


def test_a_result_as_expected_is_returned() -> None:
    """The helper can be used as an expression."""
    good = result("hello\n")

    assert assert_result(good, stdout="hello\n") is good


def test_a_wrong_exit_code_is_told_with_its_meaning() -> None:
    """127 is explained, and both streams are shown."""
    assert complaint(result("", "sh: 1: nope: not found\n", 127)) == (
        "exit code 127 (command not found)\n"
        "expected exit code 0, got 127 (command not found)\n"
        "stdout: empty\n"
        "stderr:\n"
        "  sh: 1: nope: not found"
    )


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (-1, "killed by a signal or by its timeout"),
        (126, "found, but cannot be executed"),
        (127, "command not found"),
        (137, "killed by SIGKILL"),
        (143, "killed by SIGTERM"),
    ],
)
def test_exit_codes_are_explained(code: int, meaning: str) -> None:
    """What the shell's numbers stand for."""
    assert complaint(result(exit_code=code)).startswith(f"exit code {code} ({meaning})\n")


def test_an_ordinary_exit_code_is_not_explained() -> None:
    """1 means nothing in particular."""
    assert complaint(result(exit_code=1)).startswith("exit code 1\n")


def test_text_that_differs_is_shown_as_a_diff() -> None:
    """Expected lines with -, those that came with +."""
    assert complaint(result("a\nc\n"), stdout="a\nb\n") == (
        "exit code 0\n"
        "stdout differs (- expected, + got):\n"
        "  @@ -1,2 +1,2 @@\n"
        "   a\n"
        "  -b\n"
        "  +c\n"
        "stdout:\n"
        "  a\n"
        "  c\n"
        "stderr: empty"
    )


def test_text_is_compared_to_the_last_newline() -> None:
    """A missing newline is a difference, and the diff says so."""
    assert "  +hello  (no newline at its end)" in complaint(result("hello"), stdout="hello\n")


@pytest.mark.parametrize(
    ("got", "shown"),
    [
        ("a\r\n", "  +a\\r\n"),
        ("a \n", "  +a\\x20\n"),
        ("a\t\n", "  +a\\t\n"),
        ("\u200ba\n", "  +\\u200ba\n"),
        ("\x1b[2Ja\n", "  +\\x1b[2Ja\n"),
    ],
)
def test_a_difference_that_cannot_be_seen_is_spelled_out(got: str, shown: str) -> None:
    """Blanks at an end and control characters are escaped, and none reaches the terminal."""
    assert shown in complaint(result(got), stdout="a\n")


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"stdout": b"a\n"}, r"stdout=b'a\\n': text, a compiled pattern of text, or None"),
        ({"stderr": re.compile(b"a")}, "stderr=re.compile.*: text, a compiled pattern of text"),
        ({"exit_code": "0"}, "exit_code='0': a number, or None for any"),
    ],
)
def test_what_can_never_be_is_a_type_error(expected: dict[str, object], message: str) -> None:
    """Rather than a check that fails for ever."""
    with pytest.raises(TypeError, match=message):
        assert_result(result("a\n"), **expected)  # type: ignore[arg-type]  # wrong on purpose


def test_the_words_of_a_generator_are_run_and_shown() -> None:
    """Each attempt runs the same command."""
    sandbox = StandIn(result(exit_code=1), result())

    assert_exec(sandbox, (word for word in ["echo", "a b"]), within=60)  # type: ignore[call-overload]  # a stand-in

    assert [command for command, _ in sandbox.calls] == [("echo", "a b"), ("echo", "a b")]


def test_a_pattern_is_searched_for() -> None:
    """A compiled pattern may match anywhere; its absence is told with the pattern."""
    assert_result(result("version 3.2\n"), stdout=re.compile(r"\d\.\d"))

    assert "stdout has no match for 'v[0-9]'" in complaint(result("x"), stdout=re.compile("v[0-9]"))


def test_any_exit_code_will_do_when_none_is_expected() -> None:
    """exit_code=None judges the streams alone."""
    assert_result(result("x", exit_code=3), exit_code=None, stdout="x")


def test_long_output_is_shown_by_head_and_tail() -> None:
    """20 lines of each end, and how many are left out between."""
    text = "".join(f"line {number}\n" for number in range(100))

    shown = complaint(result(text, exit_code=1)).split("\n")

    assert shown[3:5] == ["  line 0", "  line 1"]
    assert shown[22:25] == ["  line 19", "  … 60 lines …", "  line 80"]
    assert shown[43] == "  line 99"


def test_a_long_line_is_shown_by_both_ends() -> None:
    """400 characters, and how many are left out between."""
    shown = complaint(result("a" * 300 + "b" * 300, exit_code=1))

    assert f"  {'a' * 200} … 200 characters … {'b' * 200}" in shown


def test_assert_exec_runs_the_command_and_returns_its_result() -> None:
    """Command and timeout go to the sandbox as they are."""
    sandbox = StandIn(result("hi\n"))

    got = assert_exec(sandbox, ["echo", "hi"], stdout="hi\n", timeout=7)  # type: ignore[call-overload]  # a stand-in

    assert got == result("hi\n")
    assert sandbox.calls == [(("echo", "hi"), 7)]


def test_assert_exec_tells_command_sandbox_and_duration() -> None:
    """The first lines say what ran where, and for how long."""
    with pytest.raises(AssertionError) as caught:
        assert_exec(StandIn(result(exit_code=2)), ["grep", "a b", "f"])  # type: ignore[call-overload]  # a stand-in

    assert re.match(
        r"\$ grep 'a b' f\nexit code 2 after 0\.\d\d s in sandbox pt-0tnusyk7x1f-gw0-1-test\n",
        str(caught.value),
    )


def test_within_repeats_until_the_check_holds() -> None:
    """The command runs again until it ends as expected."""
    sandbox = StandIn(result(exit_code=7), result(exit_code=7), result("up"))

    assert_exec(sandbox, "curl -s localhost", stdout="up", within=60)  # type: ignore[call-overload]  # a stand-in

    assert len(sandbox.calls) == 3


def test_within_gives_up_when_time_is_up() -> None:
    """The last failure is shown, and how often it was tried."""
    with pytest.raises(AssertionError, match=r"run \d+ times within 0\.01 s, last as above"):
        assert_exec(StandIn(result(exit_code=7)), "false", within=0.01)  # type: ignore[call-overload]  # a stand-in


def test_nothing_is_said_where_nothing_was_forgotten() -> None:
    """Without an assertion left behind there is nothing to fail."""
    assert take_unawaited() is None
