"""The cluster behind the Router: sandboxes, templates, users. No JSON, no HTTP."""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .controller import Controller
from .go.quoting import quote
from .kubernetes import object_name_fault, service_name_fault
from .lifecycle import TRANSITIONS, Operation, Phase, Step
from .sandboxes import Sandbox, SandboxRequest
from .templates import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .auth import Caller
    from .clock import FakeClock

HOME_NAMESPACE = "default"

_KEY = attrgetter("key")


class StateError(Exception):
    """Something the cluster refuses; the text is the Router's."""


class NotFound(StateError):  # noqa: N818 - what the sandbox is
    """No sandbox of that name, or not the caller's (contract 2)."""


class WrongPhase(StateError):  # noqa: N818 - what the operation met
    """The phase does not allow the operation (contract 4.2)."""


class TemplateNotFound(StateError):  # noqa: N818 - what the template is
    """No template of that name."""


class TemplateInUse(StateError):  # noqa: N818 - what the template is
    """A Running sandbox uses the template."""


class Rejected(StateError):  # noqa: N818 - what the object was
    """The API server beneath the Router does not take an object."""


class AlreadyExists(Rejected):
    """The name is taken."""


class State:
    """Every sandbox, template and forwarded port. Thread-safe; its lock is held for moments.

    Args:
        clock: what limits and timestamps run on.
        on_stop: called with a sandbox's uid when its pod goes. Called under the lock, so it
            must return at once and never call back.
        on_delete: the same, when its volume goes too.
    """

    def __init__(
        self,
        clock: FakeClock,
        *,
        on_stop: Callable[[str], None],
        on_delete: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._on_delete = on_delete
        self._lock = threading.RLock()
        self._sandboxes: dict[tuple[str, str], Sandbox] = {}
        self._dying: list[Sandbox] = []
        self._templates: dict[str, Template] = {}
        self._namespaces = {HOME_NAMESPACE}
        self._controller = Controller(clock, self._templates, on_stop=on_stop, remove=self._remove)
        self._versions = 0
        self._preferences: dict[str, str] = {}

    # Sandboxes

    def create(self, request: SandboxRequest, creator: Caller) -> Sandbox:
        """Store a new sandbox; its looks are still ahead of it.

        Raises:
            Rejected: namespace, name, or a name that is taken (contract 3.1).
        """
        key = request.namespace, request.name
        with self._lock:
            if request.namespace not in self._namespaces:
                raise Rejected(f"namespaces {quote(request.namespace)} not found")
            fault = object_name_fault("Sandbox.agenttier.io", request.name)
            if fault is not None:
                raise Rejected(fault)
            existing = self._sandboxes.get(key)
            if existing is not None:
                self._controller.settle(existing)
                prefix = "object is being deleted: " if existing.deleting else ""
                self._controller.advance(existing)
                raise AlreadyExists(
                    f"{prefix}sandboxes.agenttier.io {quote(request.name)} already exists"
                )
            # Whoever makes another one has left these: on a cluster they are gone by now (4.6).
            for dying in self._dying[:]:
                self._controller.take(Step.REMOVE, dying)
            # The mode is looked up by name among the cluster templates, whatever the kind.
            template = self._templates.get(request.template["name"])
            sandbox = Sandbox(
                request,
                creator,
                mode="code" if template is None else template.mode,
                created_at=self._clock.time(),
                uid=secrets.token_hex(8),
                ahead=TRANSITIONS[Phase.NEW, Operation.CREATE],
            )
            self._sandboxes[key] = sandbox
            return sandbox

    def owned(self, name: str, by: Caller) -> Sandbox:
        """A sandbox the caller may change.

        Raises:
            NotFound: there is none, or it is somebody else's (contract 2).
        """
        with self._lock:
            return self._find(name, by)

    def look(self, name: str, by: Caller) -> Sandbox:
        """Look at a sandbox once: it moves on by one step and shows itself (contract 4.7).

        Raises:
            NotFound: as for `owned`, and when this very look finds it gone.
        """
        with self._lock:
            sandbox = self._find(name, by)
            self._controller.advance(sandbox)
            return self._find(name, by)

    def look_at_all(self, by: Caller, namespace: str = "") -> list[Sandbox]:
        """Look at every sandbox the caller may list, in byte order of ``namespace/name``."""
        with self._lock:
            seen = [
                sandbox
                for sandbox in self._sandboxes.values()
                if (by.admin or sandbox.creator.sub == by.sub)
                and (not namespace or sandbox.namespace == namespace)
            ]
            for sandbox in seen:
                self._controller.settle(sandbox)
                self._controller.advance(sandbox)
            here = self._sandboxes
            remaining = [s for s in seen if here.get((s.namespace, s.name)) is s]
        return sorted(remaining, key=_KEY)

    def running(self, name: str, by: Caller) -> Sandbox:
        """A sandbox that commands can run in.

        Raises:
            NotFound: as for `owned`.
            WrongPhase: it is not Running; the refusal counts as a look.
        """
        with self._lock:
            sandbox = self._find(name, by)
            self._begin(sandbox, Operation.EXEC, "sandbox is not running")
            return sandbox

    def stop(self, name: str, by: Caller) -> None:
        """Ask for a stop; the phase stays Running until it has been looked at.

        Raises:
            NotFound: as for `owned`.
            WrongPhase: it is not Running; the refusal counts as a look.
        """
        with self._lock:
            sandbox = self._find(name, by)
            phase = sandbox.status.phase
            steps = self._begin(
                sandbox, Operation.STOP, f"cannot stop sandbox in phase {phase.value}"
            )
            # A repeated stop, and one while it is being deleted, change nothing.
            if not sandbox.ahead:
                sandbox.ahead = steps

    def resume(self, name: str, by: Caller) -> None:
        """Start it again; Creating at once, which the Router itself writes (contract 3.6).

        Raises:
            NotFound: as for `owned`.
            WrongPhase: it is neither Stopped nor Error; the refusal counts as a look.
        """
        with self._lock:
            sandbox = self._find(name, by)
            phase = sandbox.status.phase
            steps = self._begin(
                sandbox, Operation.RESUME, f"cannot resume sandbox in phase {phase.value}"
            )
            sandbox.status = replace(
                sandbox.status, phase=Phase.CREATING, message="Resuming", pod_name=""
            )
            if not sandbox.deleting:
                sandbox.ahead = steps

    def delete(self, name: str, by: Caller) -> None:
        """Ask for its removal; repeatable until it is gone (contract 3.4).

        Raises:
            NotFound: as for `owned`.
        """
        with self._lock:
            sandbox = self._find(name, by)
            if sandbox.deleting:
                return
            sandbox.deleting = True
            sandbox.ahead = TRANSITIONS[sandbox.status.phase, Operation.DELETE]
            self._dying.append(sandbox)
            if not sandbox.ahead:
                self._controller.take(Step.REMOVE, sandbox)

    def pod_failed(self, sandbox: Sandbox) -> None:
        """Note that the pod of a Running sandbox could not be set up; it is in Error from now on.

        On a cluster it would never have been Running: pods are made when a command needs them.
        """
        with self._lock:
            if not sandbox.pod_ended.is_set():
                self._controller.take(Step.FAIL, sandbox)

    def bring(self, sandbox: Sandbox, phase: Phase) -> None:
        """Let happen at once what it takes to reach a phase.

        Raises:
            ValueError: it cannot get there, with what stands in the way.
        """
        with self._lock:
            while sandbox.status.phase is not phase:
                if sandbox.ahead:
                    self._controller.advance(sandbox)
                elif phase is Phase.STOPPED and sandbox.status.phase is Phase.RUNNING:
                    self._controller.take(Step.HALT, sandbox)
                else:
                    raise ValueError(
                        f"sandbox {sandbox.name} cannot become {phase.value or 'new'}: it is "
                        f"{sandbox.status.phase.value} ({sandbox.status.message})"
                    )

    def _remove(self, sandbox: Sandbox) -> None:
        del self._sandboxes[sandbox.namespace, sandbox.name]
        self._dying.remove(sandbox)
        self._on_delete(sandbox.uid)

    def _find(self, name: str, by: Caller) -> Sandbox:
        sandbox = self._sandboxes.get((HOME_NAMESPACE, name))
        if sandbox is None:
            others = [found for (_, known), found in self._sandboxes.items() if known == name]
            if not others:
                raise NotFound(f"sandbox {name} not found")
            if len(others) > 1:
                raise NotFound(
                    f"sandbox {name} exists in multiple namespaces; specify ?namespace=<ns>"
                )
            sandbox = others[0]
        if sandbox.creator.sub != by.sub and not by.admin:
            raise NotFound(f"access denied to sandbox {name}")
        self._controller.settle(sandbox)
        return sandbox

    def _begin(self, sandbox: Sandbox, operation: Operation, refusal: str) -> tuple[Step, ...]:
        steps = TRANSITIONS.get((sandbox.status.phase, operation))
        if steps is None:
            # Who repeats the call instead of looking must get on too.
            self._controller.advance(sandbox)
            raise WrongPhase(refusal)
        return steps

    # Ports

    def ports(self, name: str, by: Caller) -> tuple[Sandbox, list[tuple[int, str]]]:
        """The forwarded ports of a sandbox and their protocols, in order of their services' names.

        Raises:
            NotFound: as for `owned`.
        """
        with self._lock:
            sandbox = self._find(name, by)
            return sandbox, sorted(sandbox.ports.items(), key=lambda item: str(item[0]))

    def forward(self, sandbox: Sandbox, port: int, protocol: str) -> None:
        """Forward a port; forwarding it again is fine.

        Raises:
            Rejected: no service can have the name (contract 3.8).
        """
        fault = service_name_fault(f"pf-{sandbox.name}-{port}")
        if fault is not None:
            raise Rejected(f"upsert service: {fault}")
        with self._lock:
            sandbox.ports[port] = protocol

    def unforward(self, sandbox: Sandbox, port: int) -> None:
        """Stop forwarding a port, if it is forwarded at all."""
        with self._lock:
            sandbox.ports.pop(port, None)

    # Templates

    def templates(self) -> list[Template]:
        """Every cluster template by name."""
        with self._lock:
            return sorted(self._templates.values(), key=lambda template: template.name)

    def template(self, name: str) -> Template:
        """One cluster template.

        Raises:
            TemplateNotFound: there is none.
        """
        with self._lock:
            template = self._templates.get(name)
        if template is None:
            raise TemplateNotFound("template not found")
        return template

    def add_template(self, name: str, spec: Mapping[str, Any]) -> Template:
        """Store a new cluster template.

        Raises:
            Rejected: name or mode, or the name is taken (contract 3.10).
        """
        fault = object_name_fault("ClusterSandboxTemplate.agenttier.io", name)
        if fault is not None:
            raise Rejected(fault)
        with self._lock:
            if name in self._templates:
                raise AlreadyExists(
                    f"clustersandboxtemplates.agenttier.io {quote(name)} already exists"
                )
            return self._store_template(name, spec)

    def replace_template(self, name: str, spec: Mapping[str, Any]) -> Template:
        """Replace the whole spec of a cluster template.

        Raises:
            TemplateNotFound: there is none.
            Rejected: the mode.
        """
        with self._lock:
            self.template(name)
            return self._store_template(name, spec)

    def delete_template(self, name: str) -> None:
        """Remove a cluster template.

        Raises:
            TemplateInUse: a Running sandbox uses it, whether or not it still exists.
            TemplateNotFound: there is none.
        """
        with self._lock:
            users = sorted(
                (
                    sandbox
                    for sandbox in self._sandboxes.values()
                    if sandbox.status.template == name and sandbox.status.phase is Phase.RUNNING
                ),
                key=_KEY,
            )
            if users:
                raise TemplateInUse(
                    f"cannot delete template: sandbox {quote(users[0].name)} is still using it"
                )
            self.template(name)
            del self._templates[name]

    def _store_template(self, name: str, spec: Mapping[str, Any]) -> Template:
        if spec["mode"] not in ("code", "agent"):
            raise Rejected(
                f"ClusterSandboxTemplate.agenttier.io {quote(name)} is invalid: spec.mode: "
                f'Unsupported value: {quote(spec["mode"])}: supported values: "code", "agent"'
            )
        self._versions += 1
        template = Template(name, spec, str(self._versions))
        self._templates[name] = template
        return template

    # Users

    def preferences(self, sub: str) -> str:
        """A user's preferences as stored JSON text."""
        with self._lock:
            return self._preferences.get(sub, "{}")

    def set_preferences(self, sub: str, text: str) -> None:
        """Replace a user's preferences."""
        with self._lock:
            self._preferences[sub] = text

    def add_namespace(self, name: str) -> None:
        """Let sandboxes be created in another namespace."""
        with self._lock:
            self._namespaces.add(name)
