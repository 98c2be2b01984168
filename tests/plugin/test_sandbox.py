"""The fixture sandbox and its factory: how one is made, and that it goes."""

from __future__ import annotations

import pytest

from pytest_agenttier import FakeRouter

from .conftest import calls, leftovers

SCRIPTED = "--agenttier-exec=scripted"


def run_live(pytester: pytest.Pytester, live: FakeRouter, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest(f"--agenttier-url={live.url}", *arguments)


def test_a_sandbox_is_running_and_of_the_test_alone(pytester: pytest.Pytester) -> None:
    """Two tests, two sandboxes, named after their tests."""
    pytester.makepyfile(
        """
        seen = []

        def test_one(sandbox):
            seen.append(sandbox.name)
            assert sandbox.status().status == "Running"

        def test_other(sandbox):
            seen.append(sandbox.name)
            assert seen[0].endswith("-main-1-test-one")
            assert seen[1].endswith("-main-2-test-other")
        """
    )

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("pass", {"passed": 1}),
        ("assert False", {"failed": 1}),
        ("raise KeyboardInterrupt", {}),
        ("import pytest; pytest.skip()", {"skipped": 1}),
        ("import pytest; pytest.exit('enough')", {}),
        ("sandbox.terminate()", {"passed": 1}),
        ("sandbox.stop()", {"passed": 1}),
    ],
)
def test_a_sandbox_goes_however_its_test_ends(
    pytester: pytest.Pytester, live: FakeRouter, body: str, outcome: dict[str, int]
) -> None:
    """One create, and in the end nothing in the list."""
    pytester.makepyfile(f"def test_it(sandbox):\n    {body}")

    result = pytester.runpytest_subprocess(f"--agenttier-url={live.url}")

    result.assert_outcomes(**outcome)
    assert len(calls(live, "POST", 201)) == 1
    assert leftovers(live) == b'{"sandboxes":null}\n'


def test_a_sandbox_that_never_starts_is_deleted(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """The set-up fails with the Router's message, and what was made goes at once."""
    pytester.makepyfile(
        """
        def test_it(sandbox): pass

        def test_next(agenttier_client):
            agenttier_client.list_sandboxes()  # a delete is seen a look later (contract 4.7)
            assert agenttier_client.list_sandboxes() == []
        """
    )

    result = run_live(pytester, live, "--agenttier-template=nope")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*Router says: Template resolution failed: ClusterSandboxTemplate nope not found*"]
    )
    assert leftovers(live) == b'{"sandboxes":null}\n'


def test_a_start_that_takes_too_long_names_the_option(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """The message has the line that waits longer."""
    pytester.makepyfile("def test_it(sandbox): pass")

    result = run_live(pytester, live, "--agenttier-wait-timeout=0.000001")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*Longer: --agenttier-wait-timeout=60. What was made is being deleted."]
    )
    assert leftovers(live) == b'{"sandboxes":null}\n'


def test_a_delete_that_fails_does_not_hide_the_failure_of_the_test(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """Both are reported, each by itself, and the session's end tries again."""
    pytester.makepyfile(
        """
        def test_it(sandbox, monkeypatch_delete):
            assert 1 == 2
        """
    )
    pytester.makeconftest(
        """
        import pytest
        from agenttier import APIConnectionError, Sandbox

        @pytest.fixture
        def monkeypatch_delete(sandbox):
            real = Sandbox.terminate
            def once(self, missing_ok=False):
                Sandbox.terminate = real
                raise APIConnectionError("the cable is out")
            Sandbox.terminate = once
        """
    )

    result = run_live(pytester, live)

    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines_random(["*assert 1 == 2*", "*the cable is out*"])
    assert leftovers(live) == b'{"sandboxes":null}\n'


def test_a_marker_configures_the_sandbox(pytester: pytest.Pytester) -> None:
    """The function's counts before the class's, the class's before the module's."""
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.agenttier(template="openclaw-bedrock")

        def template(sandbox):
            return sandbox.status().template_ref

        def test_module(sandbox):
            assert template(sandbox) == "openclaw-bedrock"

        @pytest.mark.agenttier(template="strands-bedrock")
        class TestClass:
            def test_class(self, sandbox):
                assert template(sandbox) == "strands-bedrock"

            @pytest.mark.agenttier(timeout="30m")
            def test_merged(self, sandbox):
                assert template(sandbox) == "strands-bedrock"

            @pytest.mark.agenttier(template="general-coding")
            def test_function(self, sandbox):
                assert template(sandbox) == "general-coding"
        """
    )

    pytester.runpytest(SCRIPTED, "--strict-markers").assert_outcomes(passed=4)


@pytest.mark.parametrize("distributed", [[], ["-n1"]])
def test_a_marker_that_says_nothing_is_an_error_that_lists_the_keys(
    pytester: pytest.Pytester, distributed: list[str]
) -> None:
    """The message arrives under xdist too."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.agenttier(templat="x")
        def test_it(sandbox): pass
        """
    )

    result = pytester.runpytest(SCRIPTED, *distributed)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*@pytest.mark.agenttier has no key 'templat'; there are: template, namespace, "
            "timeout, idle_timeout, storage_size, wait_timeout"
        ]
    )


def test_a_marker_takes_no_positional_argument(pytester: pytest.Pytester) -> None:
    """The message has the line to write."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.agenttier("x")
        def test_it(sandbox): pass
        """
    )

    pytester.runpytest(SCRIPTED).stdout.fnmatch_lines(["*@pytest.mark.agenttier(template='x')"])


def test_a_sandbox_is_parametrized_by_templates_and_options(pytester: pytest.Pytester) -> None:
    """Ids are readable, and a parameter counts before a marker."""
    pytester.makepyfile(
        """
        import pytest
        from pytest_agenttier import SandboxOptions

        @pytest.mark.agenttier(template="strands-bedrock")
        @pytest.mark.parametrize(
            "sandbox",
            ["openclaw-bedrock", SandboxOptions(template="general-coding", storage_size="1Gi"),
             SandboxOptions(timeout="30m")],
            indirect=True,
        )
        def test_it(sandbox, request):
            assert request.node.name.startswith(f"test_it[{sandbox.status().template_ref}") or (
                request.node.name == "test_it[timeout=30m]"
                and sandbox.status().template_ref == "strands-bedrock"
            )
        """
    )

    result = pytester.runpytest(SCRIPTED, "-v")

    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["*[[]openclaw-bedrock] PASSED*", "*[[]general-coding,storage_size=1Gi] PASSED*"]
    )


def test_a_parameter_that_is_no_template_is_explained(pytester: pytest.Pytester) -> None:
    """A dict is a likely mistake."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("sandbox", [{"template": "x"}], indirect=True)
        def test_it(sandbox): pass
        """
    )

    pytester.runpytest(SCRIPTED).stdout.fnmatch_lines(
        ["*a sandbox is parametrized by a template's name or a SandboxOptions, not {'template'*"]
    )


def test_several_templates_run_each_test_once_per_template(pytester: pytest.Pytester) -> None:
    """Tests that say themselves what they run on, or need none, run once."""
    pytester.makepyfile(
        """
        import pytest

        def test_each(sandbox): pass

        def test_factory(sandbox_factory, agenttier_template):
            with sandbox_factory() as sandbox:
                assert sandbox.status().template_ref == agenttier_template

        @pytest.mark.agenttier(template="general-coding")
        def test_marked(sandbox): pass

        @pytest.mark.parametrize("sandbox", ["general-coding"], indirect=True)
        def test_parametrized(sandbox): pass

        def test_none(): pass
        """
    )

    result = pytester.runpytest(
        SCRIPTED, "--agenttier-template=general-coding,strands-bedrock", "-v"
    )

    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines_random(
        ["*::test_each[[]general-coding] PASSED*", "*::test_each[[]strands-bedrock] PASSED*"]
    )


@pytest.mark.parametrize(
    ("arguments", "template"),
    [([], "strands-bedrock"), (["--agenttier-template=general-coding"], "general-coding")],
)
def test_a_conftest_stands_between_options_and_ini(
    pytester: pytest.Pytester, arguments: list[str], template: str
) -> None:
    """What was chosen for this run beats the conftest, and the conftest beats the ini file."""
    pytester.makeini("[pytest]\nagenttier_template = openclaw-bedrock")
    pytester.makeconftest(
        """
        import pytest
        from pytest_agenttier import SandboxOptions

        @pytest.fixture
        def agenttier_sandbox_options():
            return SandboxOptions(template="strands-bedrock")
        """
    )
    pytester.makepyfile(
        f"def test_it(sandbox): assert sandbox.status().template_ref == {template!r}"
    )

    pytester.runpytest(SCRIPTED, *arguments).assert_outcomes(passed=1)


def test_a_team_registers_its_own_templates_in_the_fake(pytester: pytest.Pytester) -> None:
    """What agenttier_templates returns can be named at once."""
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def agenttier_templates():
            return {"acme": {"image": {"repository": "ghcr.io/acme/agent:v1"}}}
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.agenttier(template="acme")
        def test_it(sandbox, agenttier_client):
            assert agenttier_client.get_template("acme").image == "ghcr.io/acme/agent:v1"
        """
    )

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=1)


def test_a_wider_scope_is_the_fixture_of_a_conftest(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """Redefined for the module, sandbox is made once."""
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def sandbox(sandbox_factory):
            with sandbox_factory() as sandbox:
                yield sandbox

        def test_one(sandbox): pass

        def test_other(sandbox): pass
        """
    )

    run_live(pytester, live).assert_outcomes(passed=2)

    assert len(calls(live, "POST", 201)) == 1
    assert leftovers(live) == b'{"sandboxes":null}\n'


def test_a_sandbox_of_the_client_goes_with_the_run(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """Named by the test or by us, kept by the session, deleted at its end."""
    pytester.makepyfile(
        """
        def test_make(agenttier_client):
            agenttier_client.create_sandbox("general-coding")
            agenttier_client.create_sandbox("general-coding", "mine")

        def test_still_there(agenttier_client):
            names = [summary.name for summary in agenttier_client.list_sandboxes()]
            assert names[0] == "mine"
            assert names[1].startswith("pt-") and names[1].endswith("-main-1-test-make")
        """
    )

    run_live(pytester, live).assert_outcomes(passed=2)

    assert leftovers(live) == b'{"sandboxes":null}\n'


def test_a_sandbox_of_somebody_else_with_the_same_name_stays(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """A create that was refused since the name is taken deletes nothing."""
    live.create("theirs")
    pytester.makepyfile(
        """
        import pytest
        from agenttier import APIError

        def test_it(agenttier_client):
            with pytest.raises(APIError, match="already exists"):
                agenttier_client.create_sandbox("general-coding", "theirs")
        """
    )

    run_live(pytester, live).assert_outcomes(passed=1)

    assert calls(live, "DELETE", 204) == []


def test_exec_straight_after_create_is_a_conflict(pytester: pytest.Pytester) -> None:
    """A test that forgets to wait fails offline as it would live (contract 3.7)."""
    pytester.makepyfile(
        """
        import pytest
        from agenttier import ConflictError

        def test_it(agenttier_client):
            sandbox = agenttier_client.create_sandbox("general-coding")
            with pytest.raises(ConflictError, match="sandbox is not running"):
                sandbox.exec("true")
        """
    )

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=1)


LOSING_ANSWERS = """
import httpx
import pytest

@pytest.fixture
def losing_answers(monkeypatch):
    real = httpx.HTTPTransport.handle_request

    def lose(self, request):
        real(self, request).read()
        raise httpx.ReadError("the cable is out")

    with monkeypatch.context() as patched:
        patched.setattr(httpx.HTTPTransport, "handle_request", lose)
        yield
"""


def test_a_sandbox_whose_create_was_not_answered_goes(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """It was booked before the request; nobody else can have its name."""
    pytester.makeconftest(LOSING_ANSWERS)
    pytester.makepyfile(
        """
        import pytest
        from agenttier import APIConnectionError

        def test_client(agenttier_client, losing_answers):
            with pytest.raises(APIConnectionError):
                agenttier_client.create_sandbox("general-coding")

        def test_factory(sandbox_factory, losing_answers):
            with pytest.raises(APIConnectionError), sandbox_factory():
                pass
        """
    )

    run_live(pytester, live).assert_outcomes(passed=2)

    assert len(calls(live, "POST", 201)) == 2
    assert leftovers(live) == b'{"sandboxes":null}\n'


def test_a_chosen_name_whose_create_was_not_answered_is_reported(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """It may be somebody else's by now, so it stays; the run says that it is there."""
    pytester.makeconftest(LOSING_ANSWERS)
    pytester.makepyfile(
        """
        import pytest
        from agenttier import APIConnectionError

        def test_it(agenttier_client, losing_answers):
            with pytest.raises(APIConnectionError):
                agenttier_client.create_sandbox("general-coding", "chosen")
        """
    )

    result = run_live(pytester, live)

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*agenttier: 1 sandboxes may be left:",
            "*  chosen: its create was not answered, and there is one of that name (*",
            "*  By hand: AgentTierClient.from_env().sandbox(name).terminate()",
        ]
    )
    assert b'"name":"chosen"' in leftovers(live)


def test_a_test_that_closes_the_client_leaves_nothing_and_harms_nobody(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """The client belongs to the run."""
    pytester.makepyfile(
        """
        import asyncio

        def test_closes(agenttier_client):
            with agenttier_client as client:
                client.create_sandbox("general-coding")

        def test_closes_async(agenttier_async_client):
            async def close():
                async with agenttier_async_client as client:
                    await client.create_sandbox("general-coding")
            asyncio.run(close())

        def test_next(sandbox): pass
        """
    )

    run_live(pytester, live).assert_outcomes(passed=3)

    assert leftovers(live) == b'{"sandboxes":null}\n'


def test_a_run_offline_has_the_namespace_it_is_told_to_use(pytester: pytest.Pytester) -> None:
    """As the cluster has that is meant."""
    pytester.makepyfile(
        """
        def test_it(sandbox):
            assert sandbox.namespace == sandbox.status().namespace == "team"

        def test_async(async_sandbox):
            assert async_sandbox.namespace == "team"
        """
    )

    pytester.runpytest(SCRIPTED, "--agenttier-namespace=team").assert_outcomes(passed=2)


def test_several_templates_beat_a_conftest(pytester: pytest.Pytester) -> None:
    """They are a parametrization, though they stand in the ini file."""
    pytester.makeini("[pytest]\nagenttier_template = general-coding, strands-bedrock")
    pytester.makeconftest(
        """
        import pytest
        from pytest_agenttier import SandboxOptions

        @pytest.fixture
        def agenttier_sandbox_options():
            return SandboxOptions(template="openclaw-bedrock")
        """
    )
    pytester.makepyfile(
        """
        def test_it(sandbox, agenttier_template):
            assert sandbox.status().template_ref == agenttier_template
        """
    )

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=2)


def test_a_marker_that_nobody_reads_fails_the_test(pytester: pytest.Pytester) -> None:
    """The conftest makes the sandbox itself, and the message says where to write it."""
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.agenttier(template="strands-bedrock")

        @pytest.fixture
        def sandbox(sandbox_factory):
            with sandbox_factory() as sandbox:
                yield sandbox

        def test_it(sandbox): pass

        def test_without(agenttier_client): pass
        """
    )

    result = pytester.runpytest(SCRIPTED)

    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*say it there, sandbox_factory(template=…)"])


def test_each_directory_may_have_templates_of_its_own(pytester: pytest.Pytester) -> None:
    """Two conftests, two teams, one run."""
    for team in ("a", "b"):
        folder = pytester.mkpydir(team)
        folder.joinpath("conftest.py").write_text(
            "import pytest\n\n"
            "@pytest.fixture(scope='session')\n"
            f"def agenttier_templates(): return {{'team-{team}': {{}}}}\n"
        )
        folder.joinpath(f"test_{team}.py").write_text(
            "import pytest\n\n"
            f"@pytest.mark.agenttier(template='team-{team}')\n"
            "def test_it(sandbox): pass\n"
        )

    pytester.runpytest(SCRIPTED).assert_outcomes(passed=2)


def test_a_sandbox_that_a_test_has_deleted_is_not_deleted_again(
    pytester: pytest.Pytester, live: FakeRouter
) -> None:
    """By then somebody else may have taken its name."""
    pytester.makeconftest(
        f"""
        import pytest
        from agenttier import AgentTierClient

        @pytest.fixture
        def somebody_else():
            with AgentTierClient({live.url!r}) as client:
                yield client
        """
    )
    pytester.makepyfile(
        """
        def test_it(agenttier_client, somebody_else):
            with agenttier_client.create_sandbox("general-coding", "demo", wait=True) as sandbox:
                pass
            sandbox.wait_until_terminated()
            somebody_else.create_sandbox("general-coding", "demo")
        """
    )

    run_live(pytester, live).assert_outcomes(passed=1)

    assert calls(live, "DELETE", 204) == ["/api/v1/sandboxes/demo"]
    assert b'"name":"demo"' in leftovers(live)
