"""Breaks the code on purpose and sees whether the suite notices: ``python tests/mutants.py``.

Not part of the suite. Each mutant is applied to a copy of ``src``, and the tests named with it must
fail. It prints a line per mutant and exits with the number of survivors.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent


class Mutant(NamedTuple):
    """One defect: in which file what becomes what, and the tests that must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "no DELETE",
        "pytest_agenttier/cleanup/terminator.py",
        "        self._delete(name)\n",
        "",
        ("tests/plugin/test_sandbox.py", "tests/plugin/test_terminator.py"),
    ),
    Mutant(
        "finalizer after create",
        "pytest_agenttier/cleanup/books.py",
        "        self._terminator.intend(name)\n        return name\n",
        "        return name\n",
        ("tests/plugin/test_sandbox.py",),
    ),
    Mutant(
        "nothing deleted when a set-up fails",
        "pytest_agenttier/run.py",
        "                self.books.terminate(name)\n            raise",
        "                name\n            raise",
        ("tests/plugin/test_sandbox.py",),
    ),
    Mutant(
        "worker missing from names",
        "pytest_agenttier/naming.py",
        "SandboxName(self.run, self.worker, next(self._numbers), test)",
        'SandboxName(self.run, "w", next(self._numbers), test)',
        ("tests/plugin/test_naming.py", "tests/plugin/test_xdist.py"),
    ),
    Mutant(
        "one shared /workspace",
        "pytest_agenttier/fake/engines/sandbox.py",
        "self.volume: str = str(number)",
        'self.volume: str = "1"',
        ("tests/fake/engines",),
    ),
    Mutant(
        "exec on the host",
        "pytest_agenttier/fake/engines/host.py",
        "self.kind: PlaceKind = kind",
        'self.kind: PlaceKind = (kind := "subprocess")',
        ("tests/fake/engines",),
    ),
    Mutant(
        "handle under a global lock",
        "pytest_agenttier/fake/router.py",
        "            response = self._matched(call, route, variables, headers)\n",
        "            import builtins, threading\n"
        "            with builtins.__dict__.setdefault('lock', threading.Lock()):\n"
        "                response = self._matched(call, route, variables, headers)\n",
        ("tests/contract/test_concurrency.py",),
    ),
    Mutant(
        "stdout compared stripped",
        "pytest_agenttier/assertions.py",
        "        if got != expected:\n",
        "        if got.strip() != expected.strip():\n",
        ("tests/plugin/test_assertions.py",),
    ),
    Mutant(
        "template marker ignored",
        "pytest_agenttier/options.py",
        "        merged = merged.over(from_marker(mark))\n",
        "        from_marker(mark)\n",
        ("tests/plugin/test_sandbox.py",),
    ),
    Mutant(
        "a wait that sleeps past its deadline",
        "agenttier/_resources/waiting.py",
        "yield Sleep(min(max(pause, at_least), timeout - waited))",
        "yield Sleep(max(pause, at_least))",
        ("tests/agenttier/test_waiting.py",),
    ),
)


def caught(mutant: Mutant) -> bool:
    """Whether the tests notice the mutant."""
    with tempfile.TemporaryDirectory() as folder:
        src = Path(folder, "src")
        shutil.copytree(ROOT / "src", src)
        file = src / mutant.file
        text = file.read_text()
        if text.count(mutant.old) != 1:
            raise SystemExit(f"{mutant.name}: {mutant.file} has changed; the mutant fits no more")
        file.write_text(text.replace(mutant.old, mutant.new))
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-n", "2", *mutant.tests],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(src), "AGENTTIER_REQUIRE_PODS": "1"},
            capture_output=True,
            check=False,
        )
    output = run.stdout.decode()
    if run.returncode != 0 and " failed" not in output:  # a usage error is no catch
        raise SystemExit(f"{mutant.name}: pytest ended with {run.returncode}\n{output}")
    return run.returncode != 0


def main() -> int:
    """Try the mutants whose names contain an argument; without one, all."""
    chosen = [m for m in MUTANTS if not sys.argv[1:] or any(a in m.name for a in sys.argv[1:])]
    survivors = 0
    for mutant in chosen:
        found = caught(mutant)
        survivors += not found
        sys.stdout.write(f"{'caught' if found else 'SURVIVED'}  {mutant.name}\n")
        sys.stdout.flush()
    return survivors


sys.exit(main())
