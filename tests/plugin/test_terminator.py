"""What is intended is deleted, in the end or before."""

from __future__ import annotations

import pytest

from pytest_agenttier.cleanup.terminator import Terminator


class Deletes:
    """Notes what is deleted, and fails for the names it is told to."""

    def __init__(self, failing: dict[str, int] | None = None) -> None:
        self.names: list[str] = []
        self._failing = failing or {}

    def __call__(self, name: str) -> None:
        if self._failing.get(name, 0) > 0:
            self._failing[name] -= 1
            raise ConnectionError(f"no way to {name}")
        self.names.append(name)


def test_what_was_intended_is_deleted_at_the_end() -> None:
    """Whether it was made or not: nobody else can have the name."""
    deletes = Deletes()
    terminator = Terminator(deletes, lambda event, name: None, pauses=())
    terminator.intend("a")
    terminator.intend("b")

    assert terminator.finish() == {}

    assert sorted(deletes.names) == ["a", "b"]
    assert terminator.remaining == []


def test_what_was_terminated_is_not_deleted_again() -> None:
    """An accepted delete settles a name."""
    deletes = Deletes()
    terminator = Terminator(deletes, lambda event, name: None, pauses=())
    terminator.intend("a")

    terminator.terminate("a")
    terminator.finish()

    assert deletes.names == ["a"]


def test_a_delete_that_failed_is_tried_again_at_the_end() -> None:
    """The failure is raised at once, and the name is not lost."""
    deletes = Deletes({"a": 1})
    terminator = Terminator(deletes, lambda event, name: None, pauses=())
    terminator.intend("a")

    with pytest.raises(ConnectionError, match="no way to a"):
        terminator.terminate("a")

    assert terminator.finish() == {}
    assert deletes.names == ["a"]


def test_what_cannot_be_deleted_is_told_and_keeps_nobody() -> None:
    """One that fails does not keep the others."""
    deletes = Deletes({"b": 9})
    terminator = Terminator(deletes, lambda event, name: None, pauses=())
    for name in "abc":
        terminator.intend(name)

    failed = terminator.finish()

    assert {name: str(error) for name, error in failed.items()} == {"b": "no way to b"}
    assert sorted(deletes.names) == ["a", "c"]
    assert terminator.remaining == ["b"]
