"""One suite, every mount: in process, over loopback, and the Router of --agenttier-url."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from agenttier import AgentTierClient, APIKeyAuth
from pytest_agenttier import FakeRouter, settings

# Live waits are real; on the fake each look is a step, and no time passes between two.
_PATIENCE = 120.0
_PAUSE = 0.25


class Mount:
    """A way to a Router, for tests that speak HTTP themselves.

    Attributes:
        http: Sends with the credentials of an ordinary user.
        client: The SDK on the same way.
        live: Whether a cluster answers, which takes its time.
    """

    def __init__(self, http: httpx.Client, client: AgentTierClient, *, live: bool) -> None:
        self.http = http
        self.client = client
        self.live = live
        self._made: list[str] = []

    def send(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        """Status and body of an answer."""
        answer = self.http.request(method, f"/api/v1{path}", content=body)
        return answer.status_code, answer.text

    def name(self) -> str:
        """A name for a sandbox, which goes with the test."""
        name = f"ct-{uuid.uuid4().hex[:10]}"
        self._made.append(name)
        return name

    def created(self) -> str:
        """The name of a sandbox that was just created, and at which nobody has looked yet."""
        name = self.name()
        status, text = self.send(
            "POST",
            "/sandboxes",
            f'{{"name":"{name}","templateRef":'
            '{"name":"general-coding","kind":"ClusterSandboxTemplate"}}',
        )
        if status != 201:
            raise RuntimeError(f"no sandbox to test with: {status} {text}")
        return name

    def running(self) -> str:
        """The name of a sandbox that is Running."""
        name = self.created()
        self.until(lambda: '"status":"Running"' in self.send("GET", f"/sandboxes/{name}")[1])
        return name

    def until(self, holds: Callable[[], bool]) -> None:
        """Look until something holds; on the fake a few looks must do."""
        for _ in range(int(_PATIENCE / _PAUSE) if self.live else 6):
            if holds():
                return
            if self.live:
                time.sleep(_PAUSE)
        raise TimeoutError("it never came to hold")

    def clean(self) -> None:
        """Delete what the test made."""
        for name in self._made:
            self.send("DELETE", f"/sandboxes/{name}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Add the live Router where one is given."""
    if "mount" in metafunc.fixturenames:
        mounts = ["in-process", "loopback"]
        if metafunc.config.stash[settings.KEY].url.value is not None:
            mounts.append("live")
        metafunc.parametrize("mount", mounts, indirect=True)


@pytest.fixture(scope="session")
def router(pods: None) -> Iterator[FakeRouter]:
    """The fake that stands behind two of the mounts."""
    with FakeRouter(exec="pod") as router:
        yield router


@pytest.fixture
def mount(request: pytest.FixtureRequest) -> Iterator[Mount]:
    """Each way to a Router in turn."""
    with _client_of(request) as (client, http):
        mount = Mount(http, client, live=request.param == "live")
        yield mount
        mount.clean()


@contextmanager
def _client_of(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[AgentTierClient, httpx.Client]]:
    transport = None
    if request.param == "live":
        url = request.config.stash[settings.KEY].url.value or ""
        key = os.environ.get("AGENTTIER_API_KEY", "")
    else:
        router: FakeRouter = request.getfixturevalue("router")
        key = router.api_key
        if request.param == "loopback":
            url = router.url
        else:
            url, transport = "http://router.invalid", router.transport
    with (
        AgentTierClient(url, APIKeyAuth(key), transport=transport) as client,
        httpx.Client(
            base_url=url, headers={"X-API-Key": key}, timeout=40, transport=transport
        ) as http,
    ):
        yield client, http
