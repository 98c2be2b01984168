"""A program that runs commands in pods: a line of JSON in, a line of JSON out, until the end."""

from __future__ import annotations

import json
import sys

from pytest_agenttier.fake.clock import FakeClock
from pytest_agenttier.fake.engines import PodSpec
from pytest_agenttier.fake.engines.runtime import NodeRuntime
from pytest_agenttier.fake.engines.scripted import Scripted


def main() -> None:
    clock = FakeClock()
    runtime = NodeRuntime(["pod"], clock=clock, scripted=Scripted(clock))
    for line in sys.stdin:
        asked = json.loads(line)
        answer: list[object] = []
        if asked["command"] is None:
            runtime.stop(asked["sandbox"])
        else:
            result = runtime.exec(
                PodSpec(asked["sandbox"], asked["sandbox"]),
                asked["command"],
                timeout=30,
                transport="http",
                disconnected=lambda: False,
            )
            answer = [
                result.stdout.decode(errors="replace"),
                result.stderr.decode(errors="replace"),
                result.exit_code,
            ]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    runtime.close()


main()
