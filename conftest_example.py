"""What a conftest.py can say to pytest-agenttier; every fixture here is optional."""

from collections.abc import Iterator

import pytest

from agenttier import Sandbox
from pytest_agenttier import SandboxFactory, SandboxOptions, assert_exec


@pytest.fixture(scope="session")
def agenttier_templates() -> dict[str, dict[str, object]]:
    """Your own templates, for the offline fake; a cluster has them already."""
    return {
        "acme-build": {
            "description": "Builds of ACME",
            "image": {"repository": "ghcr.io/acme/build:v9"},
            "env": [{"name": "ACME_MODE", "value": "test"}],
            "harness": {"workingDir": "/workspace", "useHTTPExec": True},
        }
    }


@pytest.fixture
def agenttier_sandbox_options() -> SandboxOptions:
    """How the sandboxes of this directory's tests are made, unless a test says otherwise."""
    return SandboxOptions(template="acme-build", timeout="30m")


@pytest.fixture(scope="module")
def checkout(sandbox_factory: SandboxFactory) -> Iterator[Sandbox]:
    """One sandbox for all tests of a module, prepared once."""
    with sandbox_factory(template="acme-build") as sandbox:
        assert_exec(sandbox, "mkdir src && echo 'print(42)' > src/main.py")
        yield sandbox
