"""The command ``pytest-agenttier``, as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from pytest_agenttier import FakeRouter
from pytest_agenttier.naming import Namer, new_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "pytest_agenttier"]
SECONDS = 20
"""A bound for what never takes long; reaching it is a failure."""


@contextmanager
def serving(
    *options: str, through: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The command serving, and what it printed; killed if the test did not end it."""
    keys = ["AGENTTIER_API_URL"] + ([] if "--dev-auth" in options else ["AGENTTIER_API_KEY"])
    with subprocess.Popen(
        [*through, *COMMAND, "serve", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().rstrip("\n") for _ in keys]
            yield process, dict(line.split("=", 1) for line in lines)
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_url_and_key_and_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    """Two lines, an ordinary user's key, exit code 0, and a log of what was answered."""
    with serving("--port", "0") as (process, printed):
        answer = httpx.get(
            printed["AGENTTIER_API_URL"] + "/api/v1/user/me",
            headers={"X-API-Key": printed["AGENTTIER_API_KEY"]},
        )
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=SECONDS)

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", printed["AGENTTIER_API_URL"])
    assert re.fullmatch(r"atk_[\w-]{43}", printed["AGENTTIER_API_KEY"])
    assert answer.json()["isAdmin"] is False
    assert (process.returncode, stdout, stderr) == (0, "", "GET /api/v1/user/me 200\n")


def test_what_fails_is_logged_with_its_reason() -> None:
    """One line, whose form begins as always; a token in the query is not in it."""
    with serving("--exec", "scripted", "--dev-auth") as (process, printed):
        sandboxes = printed["AGENTTIER_API_URL"] + "/api/v1/sandboxes"
        template = {"name": "general-coding", "kind": "ClusterSandboxTemplate"}
        with httpx.Client() as client:
            client.post(sandboxes, json={"name": "a", "templateRef": template})
            while client.get(f"{sandboxes}/a").json()["status"] != "Running":
                continue
            answer = client.post(f"{sandboxes}/a/exec?token=x", json={"command": "make"})
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=SECONDS)

    assert answer.status_code == 500
    assert stderr.splitlines()[-1] == (
        "POST /api/v1/sandboxes/a/exec 500 "
        "UnexpectedCommand: sandbox a got a command that no script answers: 'make'"
    )


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    """More answers than a pipe takes lines, and then a clean end."""
    with serving("--dev-auth") as (process, printed):
        with httpx.Client(base_url=printed["AGENTTIER_API_URL"]) as client:
            statuses = {client.get("/" + "x" * 1000).status_code for _ in range(200)}
        process.send_signal(signal.SIGTERM)
        returncode = process.wait(SECONDS)

    assert (statuses, returncode) == ({404}, 0)


def test_a_log_whose_reader_has_gone_stops_nothing() -> None:
    """What was done is not answered with the failure to log it."""
    with serving("--dev-auth") as (process, printed):
        assert process.stderr is not None
        process.stderr.close()
        with httpx.Client(base_url=printed["AGENTTIER_API_URL"]) as client:
            statuses = [client.get("/healthz").status_code for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        returncode = process.wait(SECONDS)

    assert (statuses, returncode) == ([200, 200, 200], 0)


def test_without_standard_error_nothing_is_logged() -> None:
    """It serves all the same."""
    closing = ["sh", "-c", 'exec "$@" 2>&-', "sh"]
    with serving("--dev-auth", through=closing) as (process, printed):
        status = httpx.get(printed["AGENTTIER_API_URL"] + "/healthz").status_code
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=SECONDS)

    assert (status, process.returncode, stdout, stderr) == (200, 0, "", "")


def test_an_url_that_cannot_be_printed_ends_it() -> None:
    """Nobody would know where it serves."""
    reader, writer = os.pipe()
    os.close(reader)
    broken = subprocess.run(
        [*COMMAND, "serve"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=SECONDS
    )
    os.close(writer)
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *COMMAND, "serve"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert (broken.returncode, broken.stderr) == (
        1,
        "pytest-agenttier serve: the URL cannot be printed: Broken pipe\n",
    )
    assert (closed.returncode, closed.stderr) == (
        1,
        "pytest-agenttier serve: standard output is closed; the URL goes there\n",
    )


def test_dev_auth_needs_no_key_and_prints_none() -> None:
    """Every caller is the dev admin (contract 1.9)."""
    with serving("--dev-auth") as (process, printed):
        answer = httpx.get(printed["AGENTTIER_API_URL"] + "/api/v1/user/me")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)

    assert list(printed) == ["AGENTTIER_API_URL"]
    assert answer.json()["sub"] == "dev-user"


def test_what_sandboxes_run_ends_with_the_server() -> None:
    """An interrupted ``serve`` leaves no process of a sandbox behind."""
    with serving("--exec", "subprocess, pod", "--dev-auth") as (process, printed):
        sandboxes = printed["AGENTTIER_API_URL"] + "/api/v1/sandboxes"
        template = {"name": "general-coding", "kind": "ClusterSandboxTemplate"}
        command = "sleep 1000 > /dev/null 2>&1 & echo $!"
        with httpx.Client() as client:
            client.post(sandboxes, json={"name": "a", "templateRef": template})
            while client.get(f"{sandboxes}/a").json()["status"] != "Running":
                continue
            answer = client.post(f"{sandboxes}/a/exec", json={"command": command})
            sleeper = int(answer.json()["stdout"])
            os.kill(sleeper, 0)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS)

    assert process.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.kill(sleeper, 0)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: command"),
        (["serve", "--port", "x"], "argument --port: 'x' is not a port: 0 to 65535"),
        (["serve", "--port", "70000"], "argument --port: '70000' is not a port: 0 to 65535"),
        (["serve", "--release", "9"], "argument --release: invalid choice: '9'"),
        (
            ["serve", "--exec", "pod,vm"],
            "argument --exec: unknown engine 'vm'; there are: pod, subprocess, scripted",
        ),
        (
            ["serve", "--exec", ", "],
            "argument --exec: no engine is named; there are: pod, subprocess, scripted",
        ),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(arguments: list[str], complaint: str) -> None:
    """Exit code 2, and a line that says what is possible."""
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=SECONDS)

    assert result.returncode == 2
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    """The port is named."""
    with serving() as (_, printed):
        port = printed["AGENTTIER_API_URL"].rpartition(":")[2]
        result = subprocess.run(
            [*COMMAND, "serve", "--port", port], capture_output=True, text=True, timeout=SECONDS
        )

    assert result.returncode == 2
    assert f"port {port} cannot be had: Address already in use" in result.stderr
    assert "Traceback" not in result.stderr


def sweep(router: FakeRouter, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest_agenttier", "sweep", f"--url={router.url}", *arguments],
        env={**os.environ, "AGENTTIER_API_KEY": router.api_key},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_sweep_lists_and_deletes_nothing_unasked() -> None:
    """Each sandbox with its verdict, and why."""
    with FakeRouter(exec="scripted") as router:
        router.create("demo")
        orphan = router.create(Namer(new_run(time.time() - 3 * 86400), "gw0").next())

        run = sweep(router)

        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout == (
            "keep    demo  not named by this plugin\n"
            f"orphan  {orphan}  its run began 3 days ago, and is gone\n"
        )
        assert not any(request.method == "DELETE" for request in router.requests)


def test_sweep_deletes_orphans_and_nothing_else() -> None:
    """What was listed as an orphan goes, and the rest stays."""
    with FakeRouter(exec="scripted") as router:
        router.create("demo")
        orphan = router.create(Namer(new_run(time.time() - 3 * 86400), "gw0").next())

        run = sweep(router, "--delete", "--older-than=1")

        assert f"deleted {orphan}" in run.stdout
        assert [r.target for r in router.requests if r.method == "DELETE"] == [
            f"/api/v1/sandboxes/{orphan}"
        ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--url="], "which Router? --url=https://agenttier.example"),
        (["--older-than=0"], "'0' is not a positive number of hours"),
        (["--older-than=x"], "'x' is not a positive number of hours"),
    ],
)
def test_sweep_says_what_it_lacks(arguments: list[str], complaint: str) -> None:
    """A usage error, exit code 2."""
    with FakeRouter(exec="scripted") as router:
        run = sweep(router, *arguments)

    assert run.returncode == 2
    assert complaint in run.stderr


SLOW = {"command": "touch begun; sleep 1; echo done"}


@pytest.mark.parametrize(("signals", "answered"), [(1, True), (2, False)])
def test_calls_in_flight_finish_unless_a_second_signal_comes(signals: int, answered: bool) -> None:
    """New connections are refused meanwhile (contract 1.1)."""
    with serving("--exec", "pod,subprocess") as (process, printed):
        with httpx.Client(
            base_url=printed["AGENTTIER_API_URL"],
            headers={"X-API-Key": printed["AGENTTIER_API_KEY"]},
            timeout=SECONDS,
        ) as client:
            reference = {"name": "general-coding", "kind": "ClusterSandboxTemplate"}
            client.post("/api/v1/sandboxes", json={"name": "demo", "templateRef": reference})
            for _ in range(4):
                client.get("/api/v1/sandboxes/demo")
            client.post("/api/v1/sandboxes/demo/exec", json={"command": "true"})
            with ThreadPoolExecutor(1) as threads:
                running = threads.submit(client.post, "/api/v1/sandboxes/demo/exec", json=SLOW)
                started = client.post(
                    "/api/v1/sandboxes/demo/exec",
                    json={"command": "until [ -e begun ]; do :; done"},
                )
                assert started.json()["exitCode"] == 0
                for _ in range(signals):
                    process.send_signal(signal.SIGTERM)
                    wait_until_refused(printed["AGENTTIER_API_URL"])
                if answered:
                    assert running.result().json()["stdout"] == "done\n"
                else:
                    with pytest.raises(httpx.TransportError):
                        running.result()
        process.communicate(timeout=SECONDS)

    assert process.returncode == 0


def wait_until_refused(url: str) -> None:
    """Until nobody listens there any more."""
    port = int(url.rpartition(":")[2])
    while _is_open(port):
        continue


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
