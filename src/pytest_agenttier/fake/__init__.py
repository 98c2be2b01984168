"""The offline fake of the AgentTier Router."""

from __future__ import annotations

from .router import Cluster, FakeRouter, LoggedRequest

__all__ = ["Cluster", "FakeRouter", "LoggedRequest"]
