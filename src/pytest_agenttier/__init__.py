"""pytest plugin for AgentTier sandboxes, and an offline fake of its Router. PYTEST_DONT_REWRITE."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_agenttier.assertions import assert_exec, assert_result
    from pytest_agenttier.factories import AsyncSandboxFactory, SandboxFactory
    from pytest_agenttier.fake import FakeRouter
    from pytest_agenttier.options import SandboxOptions

__all__ = [
    "AsyncSandboxFactory",
    "FakeRouter",
    "SandboxFactory",
    "SandboxOptions",
    "assert_exec",
    "assert_result",
]

_HOMES = {
    "AsyncSandboxFactory": "factories",
    "FakeRouter": "fake",
    "SandboxFactory": "factories",
    "SandboxOptions": "options",
    "assert_exec": "assertions",
    "assert_result": "assertions",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: the plugin itself needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
