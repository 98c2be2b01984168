"""Which Router a run talks to, and what happens where there is none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import pytest

from pytest_agenttier import FakeRouter

from .conftest import calls

SCRIPTED = "--agenttier-exec=scripted"


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


NEEDY = """
def test_first(sandbox): pass

def test_second(agenttier_client): pass

def test_third(request):
    request.getfixturevalue("agenttier_client")

def test_free(): pass
"""


def test_a_router_that_does_not_answer_fails_the_first_test_at_length(
    pytester: pytest.Pytester,
) -> None:
    """What was tried and why once, then a line; tests that need no Router run."""
    port = closed_port()
    pytester.makepyfile(NEEDY)

    result = pytester.runpytest(f"--agenttier-url=http://127.0.0.1:{port}")

    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            f"agenttier: the Router at http://127.0.0.1:{port} (from option) is not usable.",
            f"  Tried: GET http://127.0.0.1:{port}/api/v1/user/me with no credential",
            "  Got: APIConnectionError: *refused*",
            f"agenttier: http://127.0.0.1:{port} is not usable, as test_first tells",
        ]
    )
    assert result.stdout.str().count("  Tried: ") == 1


def test_skipped_tests_need_no_router(pytester: pytest.Pytester) -> None:
    """Whatever they would have needed."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.skip(reason="later")
        def test_skipped(sandbox): pass

        @pytest.mark.skipif(True, reason="later")
        def test_skipped_if(sandbox): pass

        @pytest.mark.xfail(run=False)
        def test_not_run(sandbox): pass
        """
    )

    result = pytester.runpytest(f"--agenttier-url=http://127.0.0.1:{closed_port()}")

    result.assert_outcomes(skipped=2, xfailed=1)


def test_a_wrong_key_is_told_apart(
    pytester: pytest.Pytester, live: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the variable that the credential came from."""
    monkeypatch.setenv("AGENTTIER_API_KEY", "atk_wrong")
    pytester.makepyfile("def test_it(sandbox): pass")

    result = pytester.runpytest(f"--agenttier-url={live.url}")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["  Tried: GET *with AGENTTIER_API_KEY", "  Got: AuthenticationError: invalid_api_key*"]
    )
    result.stdout.no_fnmatch_line("*atk_wrong*")


@pytest.mark.parametrize("argument", ["--collect-only", "--setup-plan", "--fixtures", "--help"])
def test_looking_touches_neither_network_nor_fake(
    pytester: pytest.Pytester, live: FakeRouter, argument: str
) -> None:
    """What runs no test asks no Router and imports none."""
    pytester.makepyfile("def test_it(sandbox): pass")
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure():
            assert "pytest_agenttier.run" not in sys.modules
            assert "pytest_agenttier.fake" not in sys.modules
        """
    )

    result = pytester.runpytest_subprocess(f"--agenttier-url={live.url}", argument)

    assert result.ret == 0
    assert list(live.requests) == []


def test_a_production_shell_does_not_make_tests_live(
    pytester: pytest.Pytester, live: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AGENTTIER_API_URL is the SDK's; the plugin has names of its own."""
    monkeypatch.setenv("AGENTTIER_API_URL", live.url)
    pytester.makepyfile("def test_it(sandbox): pass")

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=1)

    assert list(live.requests) == []


def test_the_environment_name_makes_a_run_live(
    pytester: pytest.Pytester, live: FakeRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTEST_AGENTTIER_URL is as good as the option."""
    monkeypatch.setenv("PYTEST_AGENTTIER_URL", live.url)
    pytester.makepyfile("def test_it(sandbox): pass")

    pytester.runpytest().assert_outcomes(passed=1)

    assert len(calls(live, "POST", 201)) == 1


def test_the_caller_offline_is_an_ordinary_user(pytester: pytest.Pytester) -> None:
    """No admin, no groups: what needs an admin fails offline as it would live (design 2.8)."""
    pytester.makepyfile(
        """
        def test_it(agenttier_client):
            user = agenttier_client.current_user()
            assert (user.is_admin, user.groups) == (False, [])
        """
    )

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=1)


def test_other_programs_reach_the_same_router(pytester: pytest.Pytester) -> None:
    """agenttier_env starts a server on loopback, on the same sandboxes."""
    pytester.makepyfile(
        """
        import json, os, subprocess, sys

        PROGRAM = '''
        import json, os, urllib.request
        request = urllib.request.Request(
            os.environ["AGENTTIER_API_URL"] + "/api/v1/sandboxes",
            headers={"X-API-Key": os.environ["AGENTTIER_API_KEY"]},
        )
        print(urllib.request.urlopen(request).read().decode())
        '''

        def test_it(sandbox, agenttier_env, agenttier_url):
            assert agenttier_env["AGENTTIER_API_URL"] == agenttier_url
            assert "127.0.0.1" in agenttier_env["NO_PROXY"]
            listed = subprocess.run(
                [sys.executable, "-c", PROGRAM.replace("\\n        ", "\\n")],
                env={**os.environ, **agenttier_env}, capture_output=True, check=True,
            ).stdout
            assert [each["name"] for each in json.loads(listed)["sandboxes"]] == [sandbox.name]
        """
    )

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=1)


def test_a_live_run_hands_on_its_own_credential(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """The URL as given, and the key from the environment."""
    pytester.makepyfile(
        f"""
        def test_it(agenttier_env):
            assert agenttier_env == {{
                "AGENTTIER_API_URL": {live.url!r}, "AGENTTIER_API_KEY": {live.api_key!r},
            }}
        """
    )

    pytester.runpytest(f"--agenttier-url={live.url}").assert_outcomes(passed=1)


def test_the_fake_is_not_there_on_a_live_run(pytester: pytest.Pytester, live: FakeRouter) -> None:
    """A test that needs it is skipped, with the reason."""
    pytester.makepyfile("def test_it(fake_router): pass")

    result = pytester.runpytest(f"--agenttier-url={live.url}", "-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        [f"SKIPPED*needs the offline fake, and this run is live: {live.url} (option)"]
    )


MARKED = """
import pytest

@pytest.mark.agenttier_live
def test_live(): pass

@pytest.mark.agenttier_offline
def test_offline(): pass
"""


def test_a_test_for_a_live_router_is_skipped_offline(pytester: pytest.Pytester) -> None:
    """With the option that would run it."""
    pytester.makepyfile(MARKED)

    result = pytester.runpytest("-rs", "--strict-markers")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*needs a live Router: --agenttier-url=… (url: default)"])


def test_a_test_for_the_fake_is_skipped_live(pytester: pytest.Pytester, live: FakeRouter) -> None:
    """With where that was chosen."""
    pytester.makepyfile(MARKED)

    result = pytester.runpytest("-rs", f"--agenttier-url={live.url}")

    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [f"SKIPPED*needs the offline fake, and this run is live: {live.url} (option)"]
    )


def test_scripted_answers_last_for_one_test(pytester: pytest.Pytester) -> None:
    """What a test registers is gone for the next, whatever it left over."""
    pytester.makepyfile(
        """
        from pytest_agenttier import assert_exec

        def test_one(sandbox, fake_router):
            fake_router.exec.register("make", stdout="built", times=None)
            assert_exec(sandbox, "make", stdout="built")

        def test_other(sandbox, fake_router):
            fake_router.exec.register("make", stdout="again")
            assert_exec(sandbox, "make", stdout="again")
        """
    )

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=2)


def test_an_answer_that_nobody_needed_fails_the_test(pytester: pytest.Pytester) -> None:
    """A script that is not followed is a mistake in the test or in the code."""
    pytester.makepyfile(
        """
        def test_it(sandbox, fake_router):
            fake_router.exec.register("make", stdout="built")
        """
    )

    result = pytester.runpytest(SCRIPTED)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fake_router.exec: the answer to 'make': 1 times, used 0*"])


@pytest.mark.parametrize(
    ("end", "outcome"), [("pytest.skip('x')", {"skipped": 1}), ("assert 0", {"failed": 1})]
)
def test_answers_are_not_missed_in_a_test_that_did_not_get_there(
    pytester: pytest.Pytester, end: str, outcome: dict[str, int]
) -> None:
    """Its own end is the news."""
    pytester.makepyfile(
        f"""
        import pytest

        def test_it(sandbox, fake_router):
            fake_router.exec.register("make")
            {end}
        """
    )

    pytester.runpytest(SCRIPTED).assert_outcomes(**outcome)


def test_a_command_that_nothing_answers_fails_the_test(pytester: pytest.Pytester) -> None:
    """Even where the code under test swallows the error; the message has the line to write."""
    pytester.makepyfile(
        """
        def test_it(sandbox, fake_router):
            try:
                sandbox.exec("make test")
            except Exception:
                pass
        """
    )

    result = pytester.runpytest(SCRIPTED)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*write: fake_router.exec.register('make test', stdout=…)*"])


def test_what_fails_over_loopback_fails_the_test(pytester: pytest.Pytester) -> None:
    """The other program got a 500; the test gets the reason."""
    pytester.makepyfile(
        """
        import httpx

        def test_it(sandbox, agenttier_url, agenttier_env, fake_router):
            def fail(request):
                raise OSError("the disk is full")

            fake_router.exec.register("make", callback=fail)
            answer = httpx.post(
                f"{agenttier_url}/api/v1/sandboxes/{sandbox.id}/exec",
                headers={"X-API-Key": agenttier_env["AGENTTIER_API_KEY"]},
                json={"command": "make"},
            )
            assert answer.status_code == 500
        """
    )

    result = pytester.runpytest(SCRIPTED)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*fake_router: answering over loopback failed: OSError: the disk is full"]
    )


def test_the_plugin_imports_pytest_and_its_settings_only() -> None:
    """What nobody uses is not loaded (design 2.14)."""
    program = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import pytest_agenttier.plugin\n"
        "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    )

    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    ).stdout

    loaded = [name for name in json.loads(printed) if not name.startswith("json")]
    assert [name for name in loaded if name.startswith("pytest_agenttier")] == [
        "pytest_agenttier",
        "pytest_agenttier.fixtures",
        "pytest_agenttier.naming",
        "pytest_agenttier.plugin",
        "pytest_agenttier.settings",
    ]
    foreign = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert foreign == {"pytest_agenttier"}
