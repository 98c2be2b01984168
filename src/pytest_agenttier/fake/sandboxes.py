"""A sandbox as the cluster stores it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .lifecycle import Phase, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .auth import Caller


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """What a create asks for, checked; durations in seconds."""

    name: str
    namespace: str
    template: Mapping[str, str]
    timeout: float | None = None
    idle_timeout: float | None = None
    storage_size: str = ""
    mount_path: str = ""
    """Where the volume is to be; empty leaves it to the template."""


@dataclass(frozen=True, slots=True)
class Status:
    """The part of a sandbox that changes; replaced as a whole, so that a reader sees one moment."""

    phase: Phase = Phase.NEW
    message: str = ""
    pod_name: str = ""
    pvc_name: str = ""
    template: str = ""
    """The resolved template; empty until the controller resolved it."""
    last_activity: float | None = None
    """Seconds since the epoch: when it last turned Running."""


@dataclass(slots=True)
class Sandbox:
    """A sandbox object. Only `State` changes it, under its lock."""

    request: SandboxRequest
    creator: Caller
    mode: str
    created_at: float
    uid: str
    status: Status = Status()
    ahead: tuple[Step, ...] = ()
    """What the next looks will bring."""
    deleting: bool = False
    spec: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The resolved template's spec, once there is one."""
    runtime_token: str = ""
    """What guards the in-pod runtime; only where the template uses HTTP exec (contract 5.1)."""
    running_since: float = 0.0
    """On the fake's clock; the limits count from here (contract 4.4)."""
    pod_ended: threading.Event = field(default_factory=threading.Event)
    """Set when the pod of this stretch of Running goes; each stretch has an event of its own."""
    ports: dict[int, str] = field(default_factory=dict[int, str])
    """Forwarded ports, with the protocol posted."""

    @property
    def name(self) -> str:
        """Its name, which is its id."""
        return self.request.name

    @property
    def namespace(self) -> str:
        """The namespace it lives in."""
        return self.request.namespace

    @property
    def key(self) -> str:
        """What lists are ordered by (contract 2)."""
        return f"{self.namespace}/{self.name}"

    @property
    def mount_path(self) -> str:
        """Where its volume is mounted (contract 5.2)."""
        mount: str = self.spec.get("storage", {}).get("mountPath", "/workspace")
        return self.request.mount_path or mount

    @property
    def workdir(self) -> str:
        """Where its commands begin (contract 5.2)."""
        workdir: str = self.spec.get("harness", {}).get("workingDir", self.mount_path)
        return workdir
