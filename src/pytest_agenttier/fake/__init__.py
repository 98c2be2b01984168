"""The offline fake of the AgentTier Router."""

from __future__ import annotations

from .cluster import Cluster
from .fake_router import FakeRouter
from .router import LoggedRequest

__all__ = ["Cluster", "FakeRouter", "LoggedRequest"]
