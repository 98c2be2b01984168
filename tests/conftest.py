"""What tests of several directories stand on."""

from __future__ import annotations

import os

import pytest

from pytest_agenttier import FakeRouter
from pytest_agenttier.fake.engines import EngineUnavailable


@pytest.fixture(scope="session")
def pods() -> None:
    """Skips where no pod can run, and fails there if AGENTTIER_REQUIRE_PODS=1 says they must."""
    try:
        with FakeRouter(exec="pod") as router:
            router.post(f"/api/v1/sandboxes/{router.create('probe')}/exec", b'{"command":"true"}')
    except EngineUnavailable as error:
        if os.environ.get("AGENTTIER_REQUIRE_PODS") == "1":
            pytest.fail(f"AGENTTIER_REQUIRE_PODS=1, and no pods here: {error}", pytrace=False)
        pytest.skip(f"no pods here: {error}")
