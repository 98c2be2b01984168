"""What sets one release of the Router apart from another (contract 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .routes import ROUTES, Route

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Release:
    """One release: its routes, its headers, the templates its chart ships."""

    name: str
    routes: tuple[Route, ...]
    headers: tuple[tuple[str, str], ...]
    """On every answer of a route that matched (contract 1.5)."""
    strict_methods: frozenset[str]
    """Paths where a wrong method is 405; elsewhere it is 404 (contract 1.3)."""
    templates: Mapping[str, Mapping[str, Any]]
    """Specs as they would be posted."""


def _template(
    description: str, image: str, *, mode: str = "code", idle_timeout: str = "1h"
) -> dict[str, Any]:
    return {
        "mode": mode,
        "description": description,
        "image": {"repository": f"ghcr.io/agenttier/{image}:v0.8.1"},
        "resources": {
            "requests": {"cpu": "500m", "memory": "1Gi"},
            "limits": {"cpu": "2", "memory": "4Gi"},
        },
        "storage": {"size": "10Gi", "mountPath": "/workspace"},
        "network": {"allowInternet": True},
        "timeout": "24h",
        "idleTimeout": idle_timeout,
        "harness": {"workingDir": "/workspace", "useHTTPExec": True},
    }


_GENERAL_CODING = _template(
    "General-purpose coding environment with Node.js, Python, and Git",
    "sandbox-general",
    idle_timeout="4h",
)
_GENERAL_CODING["harness"]["tools"] = [
    {"name": tool, "verifyCommand": f"{tool} --version"} for tool in ("node", "python3", "git")
]

# The contract has the names and modes of the shipped templates, and all of general-coding;
# what else the others say is made up (contract 3.10 and 10.2).
_CHART_0_8_1 = {
    "general-coding": _GENERAL_CODING,
    "langgraph-agent": _template("LangGraph agent", "sandbox-langgraph", mode="agent"),
    "openclaw-bedrock": _template("OpenClaw on Amazon Bedrock", "sandbox-openclaw"),
    "rl-rollout": _template("Reinforcement learning rollouts", "sandbox-rl", mode="agent"),
    "strands-bedrock": _template("Strands on Amazon Bedrock", "sandbox-strands"),
}

RELEASES = {
    release.name: release
    for release in (
        Release(
            "0.8.1",
            ROUTES,
            headers=(
                (
                    "Access-Control-Allow-Headers",
                    "Authorization, Content-Type, X-API-Key, X-Request-ID",
                ),
                ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS"),
                ("Access-Control-Allow-Origin", "*"),
                ("Access-Control-Expose-Headers", "X-Request-ID"),
                ("Access-Control-Max-Age", "86400"),
            ),
            strict_methods=frozenset({"/healthz", "/readyz", "/metrics"}),
            templates=_CHART_0_8_1,
        ),
    )
}
