"""What a process makes is on disk before it is made, and readable whatever became of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agenttier.cleanup.journal import (
    DELETED,
    INTENDED,
    MADE,
    REFUSED,
    UNSURE,
    Journal,
    is_alive,
    journals,
    remaining,
)
from pytest_agenttier.cleanup.leftovers import is_gone


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_what_was_intended_or_made_and_not_deleted_remains() -> None:
    """A name that a test chose counts once it was made."""
    journal = Journal("run", "gw0")
    for event, name in [
        (INTENDED, "a"),
        (INTENDED, "b"),
        (UNSURE, "c"),
        (UNSURE, "d"),
        (MADE, "d"),
        (UNSURE, "e"),
        (REFUSED, "e"),
        (DELETED, "a"),
    ]:
        journal.note(event, name)

    assert remaining(journal.path) == ["b", "d"]


def test_a_line_that_was_cut_short_is_passed_over() -> None:
    """What it was to tell had not begun."""
    journal = Journal("run", "gw0")
    journal.note(INTENDED, "a")
    with journal.path.open("a") as file:
        file.write('{"event": "intended", "na')

    assert remaining(journal.path) == ["a"]


def test_the_folder_of_a_run_is_private_and_goes_with_it() -> None:
    """Mode 0700; when nothing is left the files go too."""
    journal = Journal("run", "gw0")
    folder = journal.path.parent
    mode = folder.stat().st_mode & 0o777

    journal.note(INTENDED, "a")
    journal.note(DELETED, "a")
    journal.close()

    assert (mode, folder.exists()) == (0o700, False)


def test_a_journal_with_something_left_stays() -> None:
    """For whoever cleans up."""
    journal = Journal("run", "gw0")
    journal.note(INTENDED, "a")

    journal.close()

    assert journals("run", "gw0") == [journal.path]
    assert journals("run", "gw1") == []


def test_a_journal_is_alive_as_long_as_its_process() -> None:
    """However that ends."""
    program = (
        "import os, sys\n"
        "from pytest_agenttier.cleanup.journal import INTENDED, Journal\n"
        "journal = Journal('run', 'gw7')\n"
        "journal.note(INTENDED, 'a')\n"
        "print(journal.path, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        path = Path(process.stdout.readline().strip())
        living = is_alive(path)
        process.kill()
        process.wait()

        assert (living, is_alive(path), remaining(path)) == (True, False, ["a"])


def test_without_a_state_directory_the_temporary_one_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in containers whose home cannot be written."""
    tmp_path.joinpath("file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    journal = Journal("run", "gw0")
    try:
        assert journal.path.parent.parent.parent.name == f"pytest-agenttier-{os.getuid()}"
        assert journals("run", "") == [journal.path]
    finally:
        journal.close()


@pytest.mark.parametrize(
    ("status", "body", "gone"),
    [
        (404, b'{"error":"sandbox a not found"}\n', True),
        (404, b'{"error":"access denied to sandbox a"}\n', True),
        (404, b"404 page not found\n", False),
        (404, b"default backend - 404", False),
        (
            500,
            b'{"error":"failed to delete sandbox: sandboxes.agenttier.io \\"a\\" not found"}\n',
            True,
        ),
        (500, b'{"error":"failed to delete sandbox: etcd is away"}\n', False),
        (503, b"upstream not found", False),
    ],
)
def test_only_the_router_says_that_a_sandbox_is_gone(status: int, body: bytes, gone: bool) -> None:
    """What stands in front of a Router that restarts says 404 too; the janitor tries again."""
    assert is_gone(status, body) is gone


@given(
    events=st.lists(
        st.tuples(st.sampled_from([INTENDED, UNSURE, MADE, REFUSED, DELETED]), st.text(max_size=5))
    ),
    cut=st.integers(min_value=0, max_value=40),
)
def test_a_journal_can_be_cut_anywhere(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, str]], cut: int
) -> None:
    """Whatever the names are, and wherever the crash was, it is read without an error."""
    folder = tmp_path_factory.mktemp("journal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        journal = Journal("run", "gw0")
        for event, name in events:
            journal.note(event, name)
        path = journal.path
        path.write_bytes(path.read_bytes()[: max(0, path.stat().st_size - cut)])

        left = remaining(path)

        assert set(left) <= {name for event, name in events if event in (INTENDED, MADE)}
        path.write_bytes(b"")
        journal.close()
