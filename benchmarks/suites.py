"""1,000 tests with the fixture, beside as many with respx and with pytest-httpx."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import Row, in_turns, pytest_in

_TESTS = 1000
_PLUGINS = {
    "scripted": "agenttier",
    "pods": "agenttier",
    "respx": "respx",
    "httpx": "pytest_httpx",
}

_SCRIPTED = """
import pytest

@pytest.mark.parametrize("n", range({tests}))
def test_it(sandbox, fake_router, n):
    fake_router.exec.register("echo hi", stdout="hi\\n")
    assert sandbox.exec("echo hi").stdout == "hi\\n"
"""

_PODS = """
import pytest

@pytest.mark.parametrize("n", range({tests}))
def test_it(sandbox, n):
    assert sandbox.exec("echo hi").stdout == "hi\\n"
"""

_RESPX = """
import httpx, pytest, respx

client = httpx.Client(base_url="http://router.invalid/api/v1")

@pytest.mark.parametrize("n", range({tests}))
def test_it(n):
    with respx.mock(base_url="http://router.invalid/api/v1") as router:
        name = f"demo-{{n}}"
        router.post("/sandboxes").respond(201, json={{"sandboxId": name}})
        router.get(f"/sandboxes/{{name}}").respond(200, json={{"status": "Running"}})
        router.post(f"/sandboxes/{{name}}/exec").respond(200, json={{"stdout": "hi\\n"}})
        router.delete(f"/sandboxes/{{name}}").respond(204)
        {body}
"""

_PYTEST_HTTPX = """
import httpx, pytest

client = httpx.Client(base_url="http://router.invalid/api/v1")

@pytest.mark.parametrize("n", range({tests}))
def test_it(httpx_mock, n):
    name = f"demo-{{n}}"
    url = "http://router.invalid/api/v1/sandboxes"
    httpx_mock.add_response(method="POST", url=url, status_code=201, json={{"sandboxId": name}})
    httpx_mock.add_response(method="GET", url=f"{{url}}/{{name}}", json={{"status": "Running"}})
    httpx_mock.add_response(
        method="POST", url=f"{{url}}/{{name}}/exec", json={{"stdout": "hi\\n"}}
    )
    httpx_mock.add_response(method="DELETE", url=f"{{url}}/{{name}}", status_code=204)
    {body}
"""

_BODY = """
client.post("/sandboxes", json={"name": name})
assert client.get(f"/sandboxes/{name}").json()["status"] == "Running"
assert client.post(f"/sandboxes/{name}/exec", json={}).json()["stdout"] == "hi\\n"
client.delete(f"/sandboxes/{name}")
"""


def rows() -> Iterator[Row]:
    """Wall time of a whole run of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        times = in_turns(
            {
                "scripted": _suite(folder, "scripted", _SCRIPTED),
                "pods": _suite(folder, "pods", _PODS),
                "respx": _suite(folder, "respx", _RESPX),
                "pytest-httpx": _suite(folder, "httpx", _PYTEST_HTTPX),
            },
            rounds=3,
        )
    others = f"respx {times['respx']:.2f} s, pytest-httpx {times['pytest-httpx']:.2f} s"
    for name, goal in (("scripted", "1.6 s"), ("pods", "3.6 s")):
        yield Row(
            f"{_TESTS} tests with the fixture, {name}",
            f"{times[name]:.2f} s",
            others,
            times[name] / times["respx"],
            goal,
        )


def _suite(folder: str, name: str, source: str) -> Callable[[], object]:
    project = Path(folder, name)
    project.mkdir()
    project.joinpath("pytest.ini").write_text(
        f"[pytest]\nagenttier_exec = {'pod' if name == 'pods' else 'scripted'}\n"
    )
    indent = "\n" + " " * (8 if "with respx" in source else 4)
    body = _BODY.strip().replace("\n", indent)
    project.joinpath("test_suite.py").write_text(
        source.replace("{body}", body.replace("{", "{{").replace("}", "}}")).format(tests=_TESTS)
    )
    return lambda: pytest_in(project, _PLUGINS[name])
