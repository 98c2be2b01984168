"""The cluster's own rules, without requests: what its node hears, what it refuses."""

from __future__ import annotations

import threading

import pytest

from pytest_agenttier.fake.auth import Caller
from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.lifecycle import Phase
from pytest_agenttier.fake.sandboxes import SandboxRequest
from pytest_agenttier.fake.state import AlreadyExists, NotFound, State

ALICE = Caller("alice", "alice@x.io", "Alice")
REQUEST = SandboxRequest("demo", "default", {"name": "t", "kind": "ClusterSandboxTemplate"})


@pytest.fixture
def heard() -> list[str]:
    return []


@pytest.fixture
def state(heard: list[str]) -> State:
    state = State(
        FakeClock(),
        on_stop=lambda uid: heard.append(f"stop {uid}"),
        on_delete=lambda uid: heard.append(f"delete {uid}"),
    )
    state.add_template("t", {"mode": "code"})
    return state


def test_the_node_hears_of_a_stop_when_it_shows(state: State, heard: list[str]) -> None:
    """Until then commands still run in the pod."""
    sandbox = state.create(REQUEST, ALICE)
    state.bring(sandbox, Phase.RUNNING)

    state.stop("demo", ALICE)
    state.look("demo", ALICE)
    assert heard == []
    state.look("demo", ALICE)
    assert heard == [f"stop {sandbox.uid}"]


def test_the_node_hears_of_a_delete_when_it_is_gone(state: State, heard: list[str]) -> None:
    """Once, and of no stop before it."""
    sandbox = state.create(REQUEST, ALICE)
    state.bring(sandbox, Phase.RUNNING)

    state.delete("demo", ALICE)
    state.look("demo", ALICE)
    assert heard == []
    with pytest.raises(NotFound, match="sandbox demo not found"):
        state.look("demo", ALICE)
    assert heard == [f"delete {sandbox.uid}"]


def test_a_sandbox_made_again_is_another_one(state: State) -> None:
    """The name is the same, the volume is not."""
    first = state.create(REQUEST, ALICE)
    state.delete("demo", ALICE)

    assert state.create(REQUEST, ALICE).uid != first.uid


def test_of_parallel_creates_of_one_name_one_succeeds(state: State) -> None:
    """The others are told that it exists (contract 3.1)."""
    outcomes: list[str] = []

    def create() -> None:
        try:
            state.create(REQUEST, ALICE)
        except AlreadyExists:
            outcomes.append("taken")
        else:
            outcomes.append("made")

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["made", *["taken"] * 7]


def test_what_a_reader_saw_stays_as_it_was(state: State) -> None:
    """A status is replaced as a whole, never changed under a reader."""
    sandbox = state.create(REQUEST, ALICE)
    before = sandbox.status

    state.bring(sandbox, Phase.RUNNING)

    assert (before.phase, before.pod_name) == (Phase.NEW, "")
    assert (sandbox.status.phase, sandbox.status.pod_name) == (Phase.RUNNING, "demo-pod")
