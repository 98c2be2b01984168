"""A fake Router that runs nothing: commands are scripted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pytest_agenttier.fake import FakeRouter

if TYPE_CHECKING:
    from collections.abc import Iterator


# How long an example takes is no property of the fake.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def router() -> Iterator[FakeRouter]:
    with FakeRouter(exec="scripted") as router:
        yield router


@pytest.fixture
def dev(router: FakeRouter) -> Iterator[FakeRouter]:
    """A Router with dev auth in front of the same cluster."""
    with FakeRouter(dev_auth=True, cluster=router.cluster) as dev:
        yield dev
