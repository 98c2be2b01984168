"""What having the plugin installed costs a run that does not use it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import Row, in_turns

_OTHERS = ("xdist", "asyncio", "timeout", "hypothesispytest", "pytest_httpx", "respx")


def rows() -> Iterator[Row]:
    """Start-up of pytest on one empty test: alone, with ours, with anyio's, with both."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        Path(folder, "test_empty.py").write_text("def test_empty(): pass\n")
        times = in_turns(
            {
                "plain": _run(folder, "no:agenttier", "no:anyio"),
                "ours": _run(folder, "no:anyio"),
                "anyio": _run(folder, "no:agenttier"),
                "both": _run(folder),
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


def _run(folder: str, *plugins: str) -> Callable[[], object]:
    without = [*plugins, *(f"no:{name}" for name in _OTHERS)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [part for plugin in without for part in ("-p", plugin)]
    return lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True)
