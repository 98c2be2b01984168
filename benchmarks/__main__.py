"""``python -m benchmarks [PART …]`` prints the table; without a part, all of them."""

from __future__ import annotations

import argparse

from benchmarks import calls, cycle, startup, suites, waiting

PARTS = {
    "startup": startup.rows,
    "calls": calls.rows,
    "cycle": cycle.rows,
    "waiting": waiting.rows,
    "suites": suites.rows,
}


def main() -> None:
    """Run the parts and print their rows as they come."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    chosen = parser.parse_args().parts or list(PARTS)
    print("| what | measured | beside | ratio | to reach |")
    print("|---|---|---|---|---|")
    for part in chosen:
        for row in PARTS[part]():
            print(row, flush=True)


main()
