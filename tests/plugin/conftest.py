"""A live Router for runs of pytest inside of tests: a fake, served on loopback by this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pytest_agenttier.assertions
import pytest_agenttier.run  # noqa: F401 - what runs inside of tests need not import it again
from pytest_agenttier import FakeRouter

HELLO = """
from pytest_agenttier import assert_exec

def test_hello(sandbox):
    assert_exec(sandbox, "echo hello > a && cat a", stdout="hello\\n")
"""


# pytest as from a terminal, also where this run was started in the background: there SIGINT is
# ignored, and what is ignored is inherited.
INTERRUPTIBLE = """
import signal, sys
import pytest

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(pytest.main())
"""


@pytest.fixture(autouse=True)
def _runs_inside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this run was started with does not reach the runs inside."""
    for name in ("URL", "TEMPLATE", "NAMESPACE", "WAIT_TIMEOUT", "EXEC"):
        monkeypatch.delenv(f"PYTEST_AGENTTIER_{name}", raising=False)
    for name in ("AGENTTIER_API_URL", "AGENTTIER_API_KEY", "AGENTTIER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CI", "BUILD_NUMBER"):  # under which pytest reports at greater length
        monkeypatch.delenv(name, raising=False)
    # Its advice on loop scopes is for those who use it; test_async.py does, and lifts this.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:asyncio")


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRouter]:
    """A Router on loopback, whose sandbox list is the judge; its key is in the environment."""
    with FakeRouter(exec="scripted") as router:
        monkeypatch.setenv("AGENTTIER_API_KEY", router.api_key)
        yield router


def calls(router: FakeRouter, method: str, status: int) -> list[str]:
    """What of this method was answered with this status, in order: the targets."""
    return [
        request.target
        for request in router.requests
        if (request.method, request.status) == (method, status)
    ]


def leftovers(router: FakeRouter) -> bytes:
    """The list of sandboxes on the wire; stops and deletes are seen some looks later (4.7)."""
    for _ in range(3):
        router.get("/api/v1/sandboxes")
    body = router.get("/api/v1/sandboxes").body
    if not isinstance(body, bytes):
        raise TypeError("a list is no stream")
    return body
