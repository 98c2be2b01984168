"""The public surface: exact, alike in both colours, and the released SDK's."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import agenttier
import agenttier.auth
import agenttier.exceptions
import agenttier.models

ROOT = Path(__file__).parents[2]

PAIRS = [
    (agenttier.AgentTierClient, agenttier.AsyncAgentTierClient),
    (agenttier.Sandbox, agenttier.AsyncSandbox),
]
COLOURED = {
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "Driver": "AsyncDriver",
    "SyncHTTPClient": "AsyncHTTPClient",
    "SyncTransport": "AsyncTransport",
    "Sandbox": "AsyncSandbox",
}

LATER = {
    "agenttier.AuditEvent",
    "agenttier.ConfigureResult",
    "agenttier.InvokeEvent",
    "agenttier.InvokeResult",
    "agenttier.UsageAnalytics",
    "agenttier.models.FileEntry",
    "agenttier.Sandbox.agent",
    "agenttier.Sandbox.clone",
    "agenttier.Sandbox.files",
    "agenttier.AsyncSandbox.agent",
    "agenttier.AsyncSandbox.clone",
    "agenttier.AsyncSandbox.files",
}
"""What the released SDK has and this one has not yet."""

OTHER_DEFAULTS = {("wait_until_running", "poll_interval"), ("wait_until_running", "timeout")}
"""Written otherwise here: the pauses grow unless an interval is given."""


def _public(cls: type) -> dict[str, Any]:
    return {
        name: member
        for name, member in vars(cls).items()
        if not name.startswith("_") or name in {"__init__", *COLOURED, *COLOURED.values()}
    }


def test_all_is_what_there_is() -> None:
    """Sorted, importable, and nothing public besides but modules."""
    found = {
        name
        for name, value in vars(agenttier).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert set(agenttier.__all__) == found | {"__version__"}
    assert agenttier.__all__ == sorted(agenttier.__all__)


def test_the_version_is_the_distributions() -> None:
    """One number, in two files."""
    project = (ROOT / "pyproject.toml").read_text()

    assert f'\nversion = "{agenttier.__version__}"\n' in project


def test_asserts_of_the_package_are_not_rewritten() -> None:
    """pytest rewrites whole distributions that have a plugin, unless a module declines."""
    assert "PYTEST_DONT_REWRITE" in (agenttier.__doc__ or "")


def test_every_error_is_drawn_in_the_tree() -> None:
    """The docstring of the exceptions shows each."""
    for name, value in vars(agenttier.exceptions).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            assert f" {name} " in f" {agenttier.exceptions.__doc__} ".replace("\n", " "), name
            assert issubclass(value, agenttier.AgentTierError)
            assert name in agenttier.__all__


@pytest.mark.parametrize(("sync", "coloured"), PAIRS)
def test_both_colours_have_the_same_methods(sync: type, coloured: type) -> None:
    """But for the property that would hide a request."""
    names = {COLOURED.get(name, name) for name in _public(sync)} - {"phase"}

    assert names == set(_public(coloured))


@pytest.mark.parametrize(
    ("sync", "coloured", "name"),
    [(*pair, name) for pair in PAIRS for name in _public(pair[0]) if name != "phase"],
)
def test_a_method_is_the_same_in_both_colours(sync: type, coloured: type, name: str) -> None:
    """Parameters, defaults, what is returned, and the first line of the docstring."""
    one, other = getattr(sync, name), getattr(coloured, COLOURED.get(name, name))

    assert (one.__doc__ or "").partition("\n")[0] == (other.__doc__ or "").partition("\n")[0]
    for kept, in_colour in zip(_signature(one), _signature(other), strict=True):
        assert _coloured(kept) == in_colour
    returned = other.__annotations__["return"]
    expected = _coloured(one.__annotations__["return"])
    assert returned == ("SandboxCreation" if name == "create_sandbox" else expected)


def _signature(function: Any) -> list[str]:
    return [str(each) for each in inspect.signature(function).parameters.values()]


def _coloured(text: str) -> str:
    return re.sub(r"\w+", lambda word: COLOURED.get(word[0], word[0]), text)


@pytest.mark.parametrize("cls", [each for pair in PAIRS for each in pair])
def test_every_public_method_is_documented(cls: type) -> None:
    """What is public is for users."""
    assert [name for name, member in _public(cls).items() if _undocumented(name, member)] == []


def _undocumented(name: str, member: Any) -> bool:
    return not name.startswith("__") and not inspect.getdoc(member)


RELEASED = [
    (version, name, description)
    for version in ("0.6.0", "0.8.1")
    for name, description in json.loads(
        (ROOT / f"tests/data/agenttier-{version}.json").read_text()
    )["names"].items()
]


def _ours(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(sys.modules[module], name)


@pytest.mark.parametrize(("version", "name", "released"), RELEASED)
def test_the_released_surface_is_accepted(
    version: str, name: str, released: dict[str, Any]
) -> None:
    """Each name, call, field and member of the released SDK that is built takes its arguments."""
    if name in LATER:
        assert not hasattr(agenttier, name.rpartition(".")[2]), f"{name} is built: not later"
        return
    ours = _ours(name)
    if released["kind"] == "enum":
        assert {each.name: each.value for each in ours} == released["members"]
        return
    if released["kind"] == "model":
        for field, is_like in released["fields"].items():
            assert ours.model_fields[field].alias == is_like["alias"]
            assert ours.model_fields[field].is_required() <= is_like["required"]
    elif "parameters" in released:
        _accepts(ours, released["parameters"])
    for base in released.get("bases", []):
        assert base in {each.__name__ for each in ours.__mro__}
    for attribute in [*released.get("properties", []), *released.get("methods", {})]:
        if f"{name}.{attribute}" in LATER:
            assert not hasattr(ours, attribute), f"{name}.{attribute} is built: not later"
        else:
            assert hasattr(ours, attribute)
    for method, is_like in released.get("methods", {}).items():
        if f"{name}.{method}" not in LATER and not method.startswith("__"):
            _accepts(getattr(ours, method), is_like["parameters"])


def _accepts(function: Any, released: list[dict[str, Any]]) -> None:
    """The parameters begin as the released ones do; what was required may be optional."""
    ours = [each for each in inspect.signature(function).parameters.values() if each.name != "self"]
    for position, was in enumerate(released):
        parameter = next(each for each in ours if each.name == was["name"])
        assert parameter.kind.name == was["kind"]
        if was["kind"] == "POSITIONAL_OR_KEYWORD":
            assert ours.index(parameter) == position
        if was["default"] is None or (function.__name__, was["name"]) in OTHER_DEFAULTS:
            continue
        if was["default"] != "<factory>":
            assert repr(parameter.default) == was["default"]


def test_only_the_driver_knows_httpx() -> None:
    """Every other module of the client does without."""
    package = ROOT / "src" / "agenttier"
    importers = [path.name for path in package.rglob("*.py") if "import httpx" in path.read_text()]

    assert importers == ["_http.py"]


def test_importing_the_client_does_not_import_pytest() -> None:
    """It is used in production."""
    code = "import sys, agenttier; print([m for m in sys.modules if 'pytest' in m])"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout == "[]\n"
