"""What having the plugin installed costs a run that does not use it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measure import Row, in_turns, pytest_in

_OURS, _ANYIO = "agenttier", "anyio"


def rows() -> Iterator[Row]:
    """Start-up of pytest on one empty test: alone, with ours, with anyio's, with both."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        Path(folder, "test_empty.py").write_text("def test_empty(): pass\n")
        times = in_turns(
            {
                "plain": partial(pytest_in, folder),
                "ours": partial(pytest_in, folder, _OURS),
                "anyio": partial(pytest_in, folder, _ANYIO),
                "both": partial(pytest_in, folder, _OURS, _ANYIO),
            },
            rounds=30,
        )
    plain = times["plain"]
    for name, what, goal in (
        ("ours", "start-up with our plugin", "+3 ms"),
        ("anyio", "start-up with anyio's, which httpx brings", ""),
        ("both", "start-up with both", ""),
    ):
        more = (times[name] - plain) * 1e3
        yield Row(
            what,
            f"{times[name] * 1e3:.1f} ms ({more:+.1f} ms)",
            f"plain pytest {plain * 1e3:.1f} ms",
            times[name] / plain,
            goal,
        )
