"""The controller: what becomes of a sandbox between two looks (contract 4)."""

from __future__ import annotations

import posixpath
import secrets
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from .go.quoting import quote
from .kubernetes import environment_fault, label_fault
from .lifecycle import Phase, Step
from .templates import Template, Unresolvable, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .clock import FakeClock
    from .sandboxes import Sandbox


class Controller:
    """Takes sandboxes from step to step. Its caller holds the state's lock.

    Args:
        clock: what limits and timestamps run on.
        templates: the cluster templates there are, by name.
        on_stop: called with a sandbox's uid when its pod goes; must return at once.
        remove: called with a sandbox whose object goes.
    """

    def __init__(
        self,
        clock: FakeClock,
        templates: Mapping[str, Template],
        *,
        on_stop: Callable[[str], None],
        remove: Callable[[Sandbox], None],
    ) -> None:
        self._clock = clock
        self._templates = templates
        self._on_stop = on_stop
        self._remove = remove

    def settle(self, sandbox: Sandbox) -> None:
        """Let happen what time alone has brought about (contract 4.4)."""
        if sandbox.status.phase is not Phase.RUNNING or sandbox.deleting:
            return
        request, runtime = sandbox.request, self._clock.now() - sandbox.running_since
        # Nothing a user does refreshes idle time, so both limits count from Running.
        if request.idle_timeout is not None and runtime >= request.idle_timeout:
            self.take(Step.HALT, sandbox, "Idle timeout exceeded")
        elif request.timeout is not None and runtime >= request.timeout:
            self.take(Step.HALT, sandbox, "Max runtime exceeded")

    def advance(self, sandbox: Sandbox) -> None:
        """Take the next step that is ahead of a sandbox, if one is."""
        if sandbox.ahead:
            step, *ahead = sandbox.ahead
            sandbox.ahead = tuple(ahead)
            self.take(step, sandbox)

    def take(self, step: Step, sandbox: Sandbox, message: str = "User requested stop") -> None:
        """Take a step; the message is what a stop leaves behind."""
        status = sandbox.status
        if step is Step.ADOPT:
            try:
                self._resolve(sandbox)
            except Unresolvable as error:
                self._fail(sandbox, f"Template resolution failed: {error}")
            else:
                sandbox.status = replace(status, phase=Phase.CREATING)
        elif step is Step.PROVISION:
            self._provision(sandbox)
        elif step is Step.START:
            fault = _start_fault(sandbox)
            if fault is not None:
                self._fail(sandbox, f"Pod failed: StartError: {fault}")
                return
            sandbox.pod_ended = threading.Event()
            sandbox.running_since = self._clock.now()
            sandbox.status = replace(
                status, phase=Phase.RUNNING, message="", last_activity=self._clock.time()
            )
        elif step is Step.HALT:
            sandbox.ahead = ()
            sandbox.status = replace(status, phase=Phase.STOPPED, message=message, pod_name="")
            self._end_pod(sandbox)
        elif step is Step.FAIL:
            self._fail(sandbox, "Pod failed: Unknown failure")
            self._end_pod(sandbox)
        elif step is Step.REMOVE:
            sandbox.pod_ended.set()
            self._remove(sandbox)

    def _end_pod(self, sandbox: Sandbox) -> None:
        sandbox.pod_ended.set()  # first: a command under way to it must find it ended
        self._on_stop(sandbox.uid)

    def _resolve(self, sandbox: Sandbox) -> None:
        sandbox.spec = resolve(self._templates, sandbox.request.template, sandbox.namespace)
        if sandbox.spec.get("harness", {}).get("useHTTPExec") and not sandbox.runtime_token:
            sandbox.runtime_token = secrets.token_urlsafe(32)

    def _provision(self, sandbox: Sandbox) -> None:
        try:
            if not sandbox.status.template:
                self._resolve(sandbox)
        except Unresolvable as error:
            self._fail(sandbox, f"Template resolution failed: {error}")
            return
        sandbox.status = replace(sandbox.status, template=sandbox.request.template["name"])
        fault = _provisioning_fault(sandbox)
        if fault is not None:
            self._fail(sandbox, fault)
            return
        sandbox.status = replace(
            sandbox.status, pod_name=f"{sandbox.name}-pod", pvc_name=f"{sandbox.name}-workspace"
        )

    def _fail(self, sandbox: Sandbox, message: str) -> None:
        if not sandbox.deleting:
            sandbox.ahead = ()
        sandbox.status = replace(sandbox.status, phase=Phase.ERROR, message=message)


def _provisioning_fault(sandbox: Sandbox) -> str | None:
    """What the controller runs into with a sandbox that create let pass (contract 3.1)."""
    name, size = sandbox.name, sandbox.request.storage_size
    if sandbox.runtime_token:
        fault = label_fault("Secret", f"{name}-runtime-token", name)
        if fault is not None:
            return f"Runtime-token secret failed: create runtime-token secret: {fault}"
    fault = label_fault("PersistentVolumeClaim", f"{name}-workspace", name)
    if fault is None and size.startswith("-"):
        fault = (
            f"PersistentVolumeClaim {quote(f'{name}-workspace')} is invalid: "
            f"spec.resources[storage]: Invalid value: {quote(size)}: must be greater than zero"
        )
    if fault is not None:
        return f"PVC creation failed: failed to create PVC: {fault}"
    fault = environment_fault(f"{name}-pod", [item["name"] for item in sandbox.spec.get("env", ())])
    return None if fault is None else f"Pod creation failed: failed to create Pod: {fault}"


def _start_fault(sandbox: Sandbox) -> str | None:
    """What the container runtime runs into with a pod that the API server let pass."""
    for item in sandbox.spec.get("env", ()):
        if "\0" in item.get("value", ""):
            return f"invalid environment variable {quote(item['name'])}: a NUL byte in it"
    if not sandbox.workdir.startswith("/"):
        return "Cwd must be an absolute path"
    if "\0" in sandbox.workdir + sandbox.mount_path:
        return "invalid argument: a NUL byte in a path"
    mount = posixpath.normpath(f"/{sandbox.mount_path}").lstrip("/")
    if mount.split("/")[0] in ("", "proc"):
        return f"cannot mount a volume at {quote(sandbox.mount_path)}"
    return None
