"""What a real Router answered, byte for byte (tests/golden/README.md)."""

from __future__ import annotations

import os

import pytest

from pytest_agenttier.fake import FakeRouter
from pytest_agenttier.fake.engines import EngineUnavailable

from .golden_player import InProcess, OverSocket, Player, Scenario, scenarios

# What later issues build: scenarios, and single exchanges of scenarios that are built.
NOT_BUILT = (
    "admin",
    "agent-cancel",
    "agent-governance",
    "agent-http",
    "agent-keepalive",
    "agent-spdy",
    "archive",
    "auth-identities/040",  # the audit log
    "clone",
    "cluster",
    "files-http",
    "files-spdy",
    "governance",
    "preview",
    "sharing",
    "terminal",
    "warmpool",
)
ALL = tuple(scenarios("0.8.1"))
BUILT = tuple(scenario for scenario in ALL if scenario.name not in NOT_BUILT)


@pytest.fixture(scope="session")
def pods() -> None:
    """Skips where no pod can run, unless pods are required."""
    try:
        with FakeRouter(exec="pod") as router:
            router.post(f"/api/v1/sandboxes/{router.create('probe')}/exec", b'{"command":"true"}')
    except EngineUnavailable as error:
        if os.environ.get("AGENTTIER_REQUIRE_PODS") == "1":
            raise
        pytest.skip(f"no pods here: {error}")


def _played(scenario: Scenario, player: Player) -> dict[str, str]:
    with player:
        differences = player.play(scenario)
    return {id_: text for id_, text in differences.items() if id_ not in NOT_BUILT}


@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in BUILT if not scenario.runs_commands],
    ids=lambda scenario: scenario.name,
)
def test_a_recorded_scenario_is_answered_alike_over_a_socket(scenario: Scenario) -> None:
    """Status line, headers in order and case, body: all as recorded."""
    assert _played(scenario, Player(OverSocket(), "scripted")) == {}


@pytest.mark.usefixtures("pods")
@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in BUILT if scenario.runs_commands],
    ids=lambda scenario: scenario.name,
)
def test_a_recorded_scenario_that_runs_commands_is_answered_alike(scenario: Scenario) -> None:
    """The commands really run, in a pod."""
    assert _played(scenario, Player(OverSocket(), "pod")) == {}


@pytest.mark.parametrize(
    "scenario",
    [
        scenario
        for scenario in BUILT
        # What is malformed never gets past a server.
        if not scenario.runs_commands and scenario.name != "routing-malformed"
    ],
    ids=lambda scenario: scenario.name,
)
def test_a_recorded_scenario_is_answered_alike_in_process(scenario: Scenario) -> None:
    """`handle` gives the same headers and bodies without a server."""
    assert _played(scenario, Player(InProcess(), "scripted")) == {}


@pytest.mark.parametrize("entry", NOT_BUILT)
def test_nothing_that_is_called_not_built_passes_already(entry: str) -> None:
    """What passes has left the list, and what is listed exists."""
    name, _, exchange = entry.partition("/")
    (scenario,) = (scenario for scenario in ALL if scenario.name == name)
    with Player(InProcess(), "scripted") as player:
        differences = player.play(scenario)

    assert entry in differences if exchange else differences
