"""Which path and method lead to which endpoint (contract 1.3 and 10.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from .handlers import Handler, execution, ports, probes, sandboxes, templates, unbuilt, users

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ANY = "*"


class Access(Enum):
    """Who may call an endpoint."""

    PUBLIC = "everybody"
    USER = "who is authenticated"
    ADMIN = "an administrator"


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the Router's table."""

    method: str
    """Or ``*``, for every method."""
    path: str
    """A template: ``{x}`` is one segment, ``{x...}`` the rest."""
    handler: Handler
    access: Access = Access.USER
    blocks: bool = False
    """Whether it may take as long as a command does."""

    @property
    def of_sandbox(self) -> bool:
        """Whether the first variable of the path is a sandbox."""
        return self.path.startswith(("/api/v1/sandboxes/{", "/ws/"))


_SANDBOX = "/api/v1/sandboxes/{id}"

ROUTES = (
    Route("GET", "/healthz", probes.healthz, Access.PUBLIC),
    Route("GET", "/readyz", probes.readyz, Access.PUBLIC),
    Route("GET", "/metrics", probes.metrics, Access.PUBLIC),
    Route("GET", "/api/v1/sandboxes", sandboxes.list_sandboxes),
    Route("POST", "/api/v1/sandboxes", sandboxes.create),
    Route("GET", _SANDBOX, sandboxes.get),
    Route("DELETE", _SANDBOX, sandboxes.delete),
    Route("POST", f"{_SANDBOX}/stop", sandboxes.stop),
    Route("POST", f"{_SANDBOX}/resume", sandboxes.resume),
    Route("POST", f"{_SANDBOX}/exec", execution.exec_command, blocks=True),
    Route("GET", f"{_SANDBOX}/ports", ports.list_ports),
    Route("POST", f"{_SANDBOX}/ports", ports.forward),
    Route("DELETE", f"{_SANDBOX}/ports/{{port}}", ports.remove),
    Route("GET", "/api/v1/templates", templates.list_templates),
    Route("POST", "/api/v1/templates", templates.create, Access.ADMIN),
    Route("GET", "/api/v1/templates/{name}", templates.get),
    Route("PUT", "/api/v1/templates/{name}", templates.replace, Access.ADMIN),
    Route("DELETE", "/api/v1/templates/{name}", templates.delete, Access.ADMIN),
    Route("GET", "/api/v1/user/me", users.me),
    Route("GET", "/api/v1/user/api-keys", users.list_keys),
    Route("POST", "/api/v1/user/api-keys", users.mint_key),
    Route("DELETE", "/api/v1/user/api-keys/{id}", users.revoke_key),
    Route("GET", "/api/v1/user/preferences", users.get_preferences),
    Route("PUT", "/api/v1/user/preferences", users.set_preferences),
    # From here on only what comes before the work is built.
    Route("GET", f"{_SANDBOX}/files/", unbuilt.of_running_sandbox),
    Route("GET", f"{_SANDBOX}/files/{{path...}}", unbuilt.of_running_sandbox),
    Route("PUT", f"{_SANDBOX}/files/{{path...}}", unbuilt.of_running_sandbox),
    Route("GET", f"{_SANDBOX}/archive", unbuilt.of_running_sandbox),
    Route(ANY, f"{_SANDBOX}/preview/{{port}}", unbuilt.preview),
    Route(ANY, f"{_SANDBOX}/preview/{{port}}/{{rest...}}", unbuilt.preview),
    Route(ANY, "/ws/terminal/{id}", unbuilt.terminal),
    Route("POST", f"{_SANDBOX}/clone", unbuilt.clone),
    Route("POST", f"{_SANDBOX}/configure", unbuilt.configure),
    Route("GET", f"{_SANDBOX}/configure/install-log", unbuilt.install_log),
    Route("POST", f"{_SANDBOX}/invoke", unbuilt.invoke),
    Route("POST", f"{_SANDBOX}/invoke/cancel", unbuilt.cancel_invoke),
    Route("GET", f"{_SANDBOX}/share", unbuilt.list_shares),
    Route("POST", f"{_SANDBOX}/share", unbuilt.share),
    Route("DELETE", f"{_SANDBOX}/share/{{identity}}", unbuilt.unshare),
    Route("POST", f"{_SANDBOX}/share-links", unbuilt.share_link),
    Route("GET", "/api/v1/governance/policies", unbuilt.nothing),
    Route("PUT", "/api/v1/governance/policies", unbuilt.set_policy, Access.ADMIN),
    Route("GET", "/api/v1/governance/policies/{ns}", unbuilt.nothing),
    Route("PUT", "/api/v1/governance/policies/{ns}", unbuilt.set_policy, Access.ADMIN),
    Route("DELETE", "/api/v1/governance/policies/{ns}", unbuilt.nothing, Access.ADMIN),
    Route("GET", "/api/v1/governance/effective", unbuilt.nothing),
    Route("GET", "/api/v1/audit/events", unbuilt.nothing, Access.ADMIN),
    Route("GET", "/api/v1/analytics/usage", unbuilt.nothing, Access.ADMIN),
    Route("GET", "/api/v1/analytics/costs", unbuilt.nothing, Access.ADMIN),
    Route("GET", "/api/v1/admin/sandboxes", unbuilt.admin_sandboxes),
    Route("GET", "/api/v1/admin/sharing", unbuilt.admin_sharing),
    Route("GET", "/api/v1/warmpool/status", unbuilt.nothing),
    Route("PUT", "/api/v1/warmpool/config", unbuilt.set_warm_pool, Access.ADMIN),
    Route("GET", "/api/v1/cluster/status", unbuilt.nothing),
    Route("GET", "/api/v1/cluster/nodes", unbuilt.nothing, Access.ADMIN),
    Route("GET", "/api/v1/cluster/headroom", unbuilt.nothing),
    Route("PUT", "/api/v1/cluster/headroom", unbuilt.set_headroom, Access.ADMIN),
)


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict[str, "_Node"])
    variable: _Node | None = None
    rest: _Node | None = None
    methods: dict[str, Route] = field(default_factory=dict[str, Route])


_NO_METHODS: Mapping[str, Route] = MappingProxyType({})


class RouteTree:
    """The routes of a release, by path segment."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            node = self._root
            for segment in route.path.split("/")[1:]:
                if segment.endswith("...}"):
                    node.rest = node = node.rest or _Node()
                elif segment.startswith("{"):
                    node.variable = node = node.variable or _Node()
                else:
                    node = node.literal.setdefault(segment, _Node())
            node.methods[route.method] = route

    def find(self, path: str) -> tuple[Mapping[str, Route], list[str]]:
        """What a decoded path leads to: its routes by method, and the path's variables.

        No routes where the path is unknown.
        """
        node = self._root
        variables: list[str] = []
        segments = path.split("/")[1:]
        for index, segment in enumerate(segments):
            following = node.literal.get(segment)
            if following is None and segment and node.variable is not None:
                following = node.variable
                variables.append(segment)
            if following is None and node.rest is not None:
                variables.append("/".join(segments[index:]))
                return node.rest.methods, variables
            if following is None:
                return _NO_METHODS, variables
            node = following
        return node.methods, variables
