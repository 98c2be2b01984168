"""A log that nobody has to read."""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_agenttier import access_log
from pytest_agenttier.access_log import AccessLog

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGER_THAN_A_PIPE = "x" * 1_000_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Its reading and its writing end."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    for thread in log_threads():  # its blocked write fails now
        thread.join(10)
    os.close(writer)


def log_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "access log"]


def read(reader: int, end: str) -> str:
    """Read until a text ends the last line."""
    text = b""
    while not text.endswith(f"{end}\n".encode()):
        text += os.read(reader, 65536)
    return text.decode()


def test_lines_come_in_order(pipe: tuple[int, int]) -> None:
    """Whole, and all of them once the log is closed; what is no text is spelled out."""
    reader, writer = pipe
    with AccessLog(writer) as log:
        for line in ("GET /é 200", "GET /\udcff 404"):
            log.write(line)

    assert os.read(reader, 65536).decode() == "GET /é 200\nGET /\\udcff 404\n"


def test_a_reader_that_falls_behind_is_told_what_it_has_missed(
    monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]
) -> None:
    """Nobody waits; every line is there, or counted where it would have been."""
    monkeypatch.setattr(access_log, "CAPACITY", 100)
    reader, writer = pipe
    with AccessLog(writer) as log:
        log.write(LONGER_THAN_A_PIPE)
        for number in range(1000):
            log.write(f"{number}")
        seen = read(reader, "in time)").removeprefix(f"{LONGER_THAN_A_PIPE}\n")
        log.write("more")
        more = read(reader, "more")

    expected = 0
    for line in seen.splitlines():
        if dropped := re.fullmatch(r"\((\d+) lines dropped: they were not read in time\)", line):
            expected += int(dropped[1])
        else:
            assert line == f"{expected}"
            expected += 1
    assert (expected, more) == (1000, "more\n")


def test_closing_does_not_wait_for_a_reader_that_does_not_read(
    monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int]
) -> None:
    """Longer than it has been granted."""
    monkeypatch.setattr(access_log, "PATIENCE", 0.01)
    log = AccessLog(pipe[1])
    log.write(LONGER_THAN_A_PIPE)

    log.close()

    assert len(log_threads()) == 1


def test_a_reader_that_has_gone_ends_the_log_only() -> None:
    """Whoever writes does not notice."""
    reader, writer = os.pipe()
    os.close(reader)
    with AccessLog(writer) as log:
        for _ in range(1000):
            log.write("GET / 200")
    os.close(writer)

    assert log_threads() == []
