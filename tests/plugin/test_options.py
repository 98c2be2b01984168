"""Options, ini keys and environment; what they say in the header and in errors."""

from __future__ import annotations

import pytest

from pytest_agenttier import settings
from pytest_agenttier.fake.engines import ENGINES

HEADER = "agenttier: "


def header(result: pytest.RunResult) -> str:
    return next(line for line in result.outlines if line.startswith(HEADER))


def test_the_header_says_what_sandboxes_are_and_why(pytester: pytest.Pytester) -> None:
    """Without any setting: the offline fake."""
    result = pytester.runpytest()

    assert header(result) == (
        "agenttier: offline fake Router (url: default); exec: pod (default); "
        "template: general-coding (default)"
    )


def test_the_header_names_the_source_of_each_value(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Option, environment and ini are told apart."""
    pytester.makeini("[pytest]\nagenttier_exec = scripted\nagenttier_namespace = team")
    monkeypatch.setenv("PYTEST_AGENTTIER_TEMPLATE", "strands-bedrock")

    result = pytester.runpytest("--agenttier-url=http://127.0.0.1:9")

    assert header(result) == (
        "agenttier: Router at http://127.0.0.1:9 (from option); "
        "template: strands-bedrock (environment); namespace: team (ini)"
    )


@pytest.mark.parametrize(
    ("arguments", "variable", "winner"),
    [
        (["--agenttier-template=a"], "b", "a (option)"),
        ([], "b", "b (environment)"),
        ([], "", "c (ini)"),
    ],
)
def test_option_beats_environment_beats_ini(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    variable: str,
    winner: str,
) -> None:
    """An empty variable counts as none."""
    pytester.makeini("[pytest]\nagenttier_template = c")
    monkeypatch.setenv("PYTEST_AGENTTIER_TEMPLATE", variable)

    assert f"template: {winner}" in header(pytester.runpytest(*arguments))


def test_an_empty_option_turns_a_live_default_off(pytester: pytest.Pytester) -> None:
    """--agenttier-url= goes back to the fake, whatever the ini file says."""
    pytester.makeini("[pytest]\nagenttier_url = https://agenttier.example")

    result = pytester.runpytest("--agenttier-url=")

    assert "offline fake Router (url: option)" in header(result)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "--agenttier-url=agenttier.example",
            "--agenttier-url: 'agenttier.example' is not the URL of a Router; one looks like "
            "https://agenttier.example.com",
        ),
        ("--agenttier-wait-timeout=soon", "--agenttier-wait-timeout: could not convert string"),
        ("--agenttier-wait-timeout=0", "--agenttier-wait-timeout: 0.0 is not a positive number"),
        ("--agenttier-wait-timeout=nan", "--agenttier-wait-timeout: nan is not a positive number"),
        (
            "--agenttier-exec=pods",
            "--agenttier-exec: unknown engine 'pods'; there are: pod, subprocess, scripted",
        ),
        ("--agenttier-exec=,", "--agenttier-exec: a name is missing"),
        ("--agenttier-namespace= ", "--agenttier-namespace: a namespace cannot be empty"),
    ],
)
def test_a_value_that_cannot_be_one_is_a_usage_error(
    pytester: pytest.Pytester, argument: str, message: str
) -> None:
    """Nothing is collected; the message names the source and what is valid."""
    result = pytester.runpytest(argument)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}*"])


def test_the_engines_of_the_options_are_those_of_the_fake() -> None:
    """Two lists, since the options must not import the fake; they agree."""
    assert settings.ENGINES == ENGINES


def test_a_bad_ini_value_is_named_by_its_key(pytester: pytest.Pytester) -> None:
    """The message leads to the configuration file."""
    pytester.makeini("[pytest]\nagenttier_wait_timeout = -1")

    result = pytester.runpytest()

    result.stderr.fnmatch_lines(["ERROR: ini agenttier_wait_timeout: -1.0 is not a positive*"])


def test_help_works_on_a_broken_configuration(pytester: pytest.Pytester) -> None:
    """The page that explains an option is there when the option is wrong."""
    pytester.makeini("[pytest]\nagenttier_exec = pods")

    result = pytester.runpytest("--help")

    assert result.ret == 0
    result.stdout.fnmatch_lines(["*--agenttier-exec=ENGINES*"])


def test_settings_in_a_toml_table(pytester: pytest.Pytester) -> None:
    """[tool.pytest.ini_options] takes the keys as text."""
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nagenttier_exec = "pod, scripted"')

    assert "exec: pod, scripted (ini);" in header(pytester.runpytest())


@pytest.mark.parametrize(
    ("engines", "told"),
    [
        ("scripted,subprocess", "exec: scripted, subprocess (option): scripted;"),
        (
            "subprocess",
            "exec: subprocess (option): subprocess, on this machine, not isolated;",
        ),
    ],
)
def test_the_header_names_the_engine_taken_where_one_does_not_isolate(
    pytester: pytest.Pytester, engines: str, told: str
) -> None:
    """Nobody runs commands on their own machine unawares."""
    assert told in header(pytester.runpytest(f"--agenttier-exec={engines}"))


@pytest.mark.parametrize("argument", ["--markers", "--fixtures", "--help"])
def test_pages_of_pytest_work_and_read_well(pytester: pytest.Pytester, argument: str) -> None:
    """What the plugin adds is documented where pytest shows it."""
    expected = {
        "--markers": "@pytest.mark.agenttier([*], template, namespace, timeout, *",
        "--fixtures": "*A Running sandbox of this test's own, deleted afterwards*",
        "--help": "*--agenttier-url=URL*",
    }

    result = pytester.runpytest(argument)

    assert result.ret == 0
    result.stdout.fnmatch_lines([expected[argument]])


def test_settings_in_a_native_toml_table(pytester: pytest.Pytester) -> None:
    """Lists and numbers as TOML has them (pytest 9)."""
    if pytest.version_tuple < (9,):
        pytest.skip("native tables came with pytest 9")
    pytester.makepyprojecttoml(
        "[tool.pytest]\n"
        'agenttier_exec = ["pod", "scripted"]\n'
        'agenttier_template = ["general-coding"]\n'
        "agenttier_wait_timeout = 60\n"
        'agenttier_namespace = "team"\n'
    )

    assert header(pytester.runpytest()) == (
        "agenttier: offline fake Router (url: default); exec: pod, scripted (ini); "
        "template: general-coding (ini); namespace: team (ini)"
    )


def test_a_url_may_end_in_the_path_of_the_api(pytester: pytest.Pytester) -> None:
    """As people copy it."""
    pytester.makepyfile(
        "def test_it(request):\n"
        "    from pytest_agenttier import settings\n"
        "    url = request.config.stash[settings.KEY].url\n"
        "    assert url.value == 'http://127.0.0.1:9'"
    )

    result = pytester.runpytest("--agenttier-url=http://127.0.0.1:9/api/v1/")

    result.assert_outcomes(passed=1)
