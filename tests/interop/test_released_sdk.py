"""The released SDK, 0.6.0 and 0.8.1, drives the fake over loopback as it would the Router."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

from pytest_agenttier.fake import FakeRouter

SCRIPTS = Path(__file__).parent
SECONDS = 60
"""A bound for what takes a few; reaching it is a failure."""
ENGINES = ("pod", "subprocess")
VERSIONS = ("0.6.0", "0.8.1")
PIP_INSTALL = (
    *("-I", "-m", "pip", "--disable-pip-version-check", "install"),
    *("--quiet", "--retries=1", "--timeout=15"),
)


def released(version: str) -> Path:
    """The Python of an environment that has this release and nothing of ours; kept for later."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pytest-agenttier"
    home = cache / f"agenttier-{version}-{sys.implementation.cache_tag}"
    python = home / "bin" / "python"
    complete = home / "complete"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{home}.lock"):
        if not (complete.exists() and python.exists()):  # its interpreter may be gone
            subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
            installed = subprocess.run(
                [python, *PIP_INSTALL, f"agenttier=={version}"], stderr=subprocess.PIPE, text=True
            )
            if installed.returncode:
                not_here(f"agenttier {version} could not be installed: {installed.stderr.strip()}")
            complete.touch()
    return python


def not_here(reason: str) -> None:
    """Skip, or fail where the suite has to be complete."""
    if os.environ.get("AGENTTIER_REQUIRE_INTEROP") == "1":
        pytest.fail(f"AGENTTIER_REQUIRE_INTEROP=1, and {reason}", pytrace=False)
    pytest.skip(reason)


def start(python: Path, router: FakeRouter, script: str, *arguments: str) -> subprocess.Popen[str]:
    """Run a script with the released SDK, and nothing but URL and key in its environment."""
    return subprocess.Popen(
        [python, "-I", SCRIPTS / script, *arguments],
        env={"AGENTTIER_API_URL": router.url, "AGENTTIER_API_KEY": router.api_key},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class QuickStart(NamedTuple):
    """What a quick start printed, and what it asked of the Router."""

    stdout: str
    stderr: str
    requests: list[tuple[str, str, int]]


@pytest.fixture(scope="session")
def quick_starts() -> dict[tuple[str, str], QuickStart]:
    """All quick starts, side by side: the released SDK waits in steps of 2 s."""
    cases = [(version, colour) for version in VERSIONS for colour in ("sync", "async")]
    with ExitStack() as routers:
        runs = {}
        for version, colour in cases:
            router = routers.enter_context(FakeRouter(exec=ENGINES))
            process = start(released(version), router, f"quick_start_{colour}.py")
            runs[version, colour] = process, router
        seen = {}
        for case, (process, router) in runs.items():
            stdout, stderr = process.communicate(timeout=SECONDS)
            requests = [(r.method, r.target, r.status) for r in router.requests]
            seen[case] = QuickStart(stdout, stderr, requests)
        return seen


@pytest.mark.parametrize("version", VERSIONS)
def test_the_sync_quick_start_runs_as_printed(
    quick_starts: dict[tuple[str, str], QuickStart], version: str
) -> None:
    """The page's code, word for word, on the fake; looks until Running as in contract 4.1."""
    run = quick_starts[version, "sync"]

    assert run.stderr == ""
    assert run.stdout == (
        "hello from AgentTier\n exit 0\n"
        "Forwarded: http://pf-demo-8080.default.svc.cluster.local:8080\n"
    )
    assert run.requests == [
        ("POST", "/api/v1/sandboxes", 201),
        *[("GET", "/api/v1/sandboxes/demo", 200)] * 4,
        ("POST", "/api/v1/sandboxes/demo/exec", 200),
        ("POST", "/api/v1/sandboxes/demo/ports", 201),
        ("DELETE", "/api/v1/sandboxes/demo", 204),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_async_quick_start_runs_as_printed(
    quick_starts: dict[tuple[str, str], QuickStart], version: str
) -> None:
    """The page's code, word for word, on the fake."""
    run = quick_starts[version, "async"]

    assert run.stderr == ""
    assert run.stdout.startswith(os.uname().sysname)
    assert run.requests[-2:] == [
        ("POST", "/api/v1/sandboxes/demo/exec", 200),
        ("DELETE", "/api/v1/sandboxes/demo", 204),
    ]


EVERY_METHOD = {
    "create": ["m", "m", "default"],
    "exec too early": "ConflictError",
    "create again": "APIError",
    "wait": ["Running", "general-coding"],
    "status": "Running",
    "get": "m",
    "list": [["m", "m-pod"]],
    "get unknown": "NotFoundError",
    "exec": ["out\n", "err\n", 3],
    "forward": [3000, "http", "http://pf-m-3000.default.svc.cluster.local:3000", None],
    "ports": [3000],
    "ports left": [],
    "exec stopped": "ConflictError",
    "resumed": "Running",
    "templates": True,
    "template": True,
    "get unknown template": "NotFoundError",
    "list after": [],
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize(
    ("dev_auth", "user"),
    [
        (False, "ValidationError"),
        (
            True,
            "CurrentUser(sub='dev-user', email='dev@agenttier.local', name='Dev User', "
            "groups=['agenttier-admins'], is_admin=True)",
        ),
    ],
    ids=["key", "dev"],
)
def test_every_method_of_the_released_sdk_works(
    version: str, colour: str, dev_auth: bool, user: str
) -> None:
    """All of it, but for ``current_user`` with a key: ``groups`` is null there (contract 3.11)."""
    with FakeRouter(exec=ENGINES, dev_auth=dev_auth) as router:
        process = start(released(version), router, "every_method.py", colour)
        stdout, stderr = process.communicate(timeout=SECONDS)

    assert stderr == ""
    seen = json.loads(stdout)
    assert seen.pop("user") == user
    assert seen == {"version": version, **EVERY_METHOD}
