"""The plugin beside others, and in strict surroundings."""

from __future__ import annotations

import pytest

SCRIPTED = "--agenttier-exec=scripted"


def test_strict_markers_and_warnings_as_errors(pytester: pytest.Pytester) -> None:
    """Nothing of the plugin warns, and its marker is registered."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.agenttier(template="general-coding")
        def test_it(sandbox): pass
        """
    )

    result = pytester.runpytest_subprocess(
        "-W", "error", "--strict-markers", "--strict-config", SCRIPTED
    )

    result.assert_outcomes(passed=1)


def test_the_plugin_can_be_left_out(pytester: pytest.Pytester) -> None:
    """-p no:agenttier takes options and fixtures away."""
    pytester.makepyfile("def test_it(sandbox): pass\n\ndef test_free(): pass")

    result = pytester.runpytest_subprocess("-p", "no:agenttier")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'sandbox' not found*"])
    result.stdout.no_fnmatch_line("agenttier: *")


def test_the_plugin_can_be_named_where_none_is_loaded_by_itself(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTEST_DISABLE_PLUGIN_AUTOLOAD, then -p."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS")
    pytester.makepyfile("def test_it(sandbox): pass")

    alone = pytester.runpytest_subprocess()
    named = pytester.runpytest_subprocess("-p", "pytest_agenttier.plugin", SCRIPTED)

    alone.assert_outcomes(errors=1)
    named.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "arguments", [["-p", "no:cacheprovider"], ["-p", "no:terminal"], ["--import-mode=importlib"]]
)
def test_pytest_without_this_or_that(pytester: pytest.Pytester, arguments: list[str]) -> None:
    """What pytest can do without, so can the plugin."""
    pytester.makepyfile("def test_it(sandbox): pass")

    assert pytester.runpytest_subprocess(SCRIPTED, *arguments).ret == 0


def test_a_doctest_and_a_test_case_are_left_alone(pytester: pytest.Pytester) -> None:
    """Items that know no fixtures, or take them by a marker."""
    pytester.makepyfile(
        '''
        import unittest
        import pytest

        def double(n):
            """
            >>> double(2)
            4
            """
            return 2 * n

        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _give(self, sandbox):
                self.sandbox = sandbox

            def test_it(self):
                self.assertEqual(self.sandbox.status().status, "Running")
        '''
    )

    pytester.runpytest_subprocess(SCRIPTED, "--doctest-modules").assert_outcomes(passed=2)
