"""Templates: the shape of a spec, how it is stored, and how a sandbox's template is resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .go.decoding import (
    BOOL,
    DURATION,
    INT,
    INT32,
    STRING,
    Field,
    Map,
    Slice,
    Struct,
    Values,
)
from .go.durations import format_duration
from .kubernetes import QUANTITY

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE = Struct(
    "v1alpha1.TemplateReference",
    (
        Field("name"),
        Field("kind", omitempty=True, default="SandboxTemplate"),
        Field("namespace", omitempty=True),
    ),
)
STORAGE = Struct(
    "v1alpha1.StorageSpec",
    (
        Field("size", QUANTITY, default="0"),
        Field("storageClass", omitempty=True),
        Field("mountPath", omitempty=True, default="/workspace"),
        Field("snapshotOnStop", BOOL, omitempty=True),
        Field("shared", BOOL, omitempty=True),
    ),
)
_QUANTITIES = Map(QUANTITY, "v1.ResourceList")
RESOURCES = Struct(
    "v1.ResourceRequirements",
    (
        Field("limits", _QUANTITIES, omitempty=True),
        Field("requests", _QUANTITIES, omitempty=True),
    ),
)
_ENV = Slice(Struct("v1.EnvVar", (Field("name"), Field("value", omitempty=True))))
_ARGV = Slice(STRING)
_AGENT = Struct(
    "v1alpha1.AgentSpec",
    (
        Field("entrypoint", _ARGV, omitempty=True),
        Field("workingDir", omitempty=True),
        Field("env", _ENV, omitempty=True),
        Field("maxConcurrentInvokes", INT32, omitempty=True),
        Field("defaultInvokeTimeout", DURATION, omitempty=True),
    ),
)
_HARNESS = Struct(
    "v1alpha1.HarnessSpec",
    (
        Field("command", _ARGV, omitempty=True),
        Field("workingDir", omitempty=True),
        Field("shell", omitempty=True, default="/bin/bash"),
        Field(
            "tools",
            Slice(
                Struct("v1alpha1.ToolSpec", (Field("name"), Field("verifyCommand", omitempty=True)))
            ),
            omitempty=True,
        ),
        Field("agent", _AGENT, omitempty=True),
        Field("useHTTPExec", BOOL, omitempty=True),
    ),
)
SPEC = Struct(
    "v1alpha1.SandboxTemplateSpec",
    (
        Field("inheritsFrom", REFERENCE, omitempty=True),
        Field("mode", omitempty=True, default="code"),
        Field("description", omitempty=True),
        Field(
            "image",
            Struct(
                "v1alpha1.ImageSpec",
                (Field("repository", omitempty=True), Field("pullPolicy", omitempty=True)),
            ),
            omitempty=True,
        ),
        Field("resources", RESOURCES, omitempty=True),
        Field("storage", STORAGE, omitempty=True),
        Field(
            "network",
            Struct("v1alpha1.NetworkSpec", (Field("allowInternet", BOOL, omitempty=True),)),
            omitempty=True,
        ),
        Field("env", _ENV, omitempty=True),
        Field("timeout", DURATION, omitempty=True),
        Field("idleTimeout", DURATION, omitempty=True),
        Field("harness", _HARNESS, omitempty=True),
        Field("initScripts", _ARGV, omitempty=True),
        Field(
            "files",
            Slice(
                Struct(
                    "v1alpha1.FileSpec",
                    (
                        Field("path"),
                        Field("content", omitempty=True),
                        Field("mode", INT, omitempty=True, default=420),
                    ),
                )
            ),
            omitempty=True,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Template:
    """A cluster template as stored: its spec in wire order, defaults filled in."""

    name: str
    spec: Mapping[str, Any]
    resource_version: str

    @property
    def mode(self) -> str:
        """``code`` or ``agent``."""
        mode: str = self.spec["mode"]
        return mode


def stored_spec(values: Values) -> dict[str, Any]:
    """A decoded spec as the cluster stores it and reads it back (contract 3.10)."""
    return _stored(SPEC, values)


def _stored(struct: Struct, values: Values) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    for known in struct.fields:
        given = values.get(known.key)
        if isinstance(known.type, Struct):
            if given is not None:
                stored[known.key] = _stored(known.type, given)
            continue
        if known.omitempty and not given and (given is None or known.type is not DURATION):
            if known.default is not None:
                stored[known.key] = known.default
            continue
        stored[known.key] = _stored_value(known, given)
    return stored


def _stored_value(known: Field, given: Any) -> Any:
    if given is None:
        return known.default if known.default is not None else ""
    if known.type is DURATION:
        return format_duration(given)
    if isinstance(known.type, Map):
        return dict(sorted(given.items()))
    if isinstance(known.type, Slice) and isinstance(known.type.element, Struct):
        return [_stored(known.type.element, item) for item in given]
    return given


class Unresolvable(Exception):  # noqa: N818 - what the template is
    """A template or one of its parents cannot be had; the text is the sandbox's message."""


_DEEPEST = 10


def resolve(
    templates: Mapping[str, Template], reference: Mapping[str, str], sandbox_namespace: str
) -> dict[str, Any]:
    """The spec a sandbox runs with, parents merged in (contract 4.3).

    Raises:
        Unresolvable: unknown kind, missing template or parent, a circle, too deep a chain.
    """
    return _resolve(templates, reference, sandbox_namespace, ())


def _resolve(
    templates: Mapping[str, Template],
    reference: Mapping[str, str],
    sandbox_namespace: str,
    children: tuple[str, ...],
) -> dict[str, Any]:
    name, kind = reference.get("name", ""), reference.get("kind") or "SandboxTemplate"
    if kind == "SandboxTemplate":
        namespace = reference.get("namespace") or sandbox_namespace
        raise Unresolvable(f"SandboxTemplate {namespace}/{name} not found")
    if kind != "ClusterSandboxTemplate":
        raise Unresolvable(f"unknown template kind: {kind}")
    if name in children:
        raise Unresolvable(f"circular template inheritance detected: {kind}//{name}")
    if len(children) >= _DEEPEST:
        raise Unresolvable(f"template inheritance chain exceeds maximum depth of {_DEEPEST}")
    template = templates.get(name)
    if template is None:
        raise Unresolvable(f"{kind} {name} not found")
    own = dict(template.spec)
    parent = own.pop("inheritsFrom", None)
    if parent is None:
        return own
    try:
        inherited = _resolve(templates, parent, sandbox_namespace, (*children, name))
    except Unresolvable as error:
        raise Unresolvable(
            f"failed to resolve parent template {parent['name']}: {error}"
        ) from error
    harness = {**inherited.get("harness", {}), **own.get("harness", {})}
    return {**inherited, **own, **({"harness": harness} if harness else {})}
