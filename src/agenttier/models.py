"""What the Router's answers contain.

Fields are snake_case, are also accepted in the wire's camelCase, and unknown ones are ignored.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from agenttier.exceptions import CommandError


class SandboxPhase(str, Enum):
    """Where a sandbox is in its life."""

    CREATING = "Creating"
    RUNNING = "Running"
    STOPPED = "Stopped"
    ERROR = "Error"
    DELETING = "Deleting"
    UNKNOWN = "Unknown"
    """No phase yet, as straight after create, or one that this version does not know."""

    __str__ = str.__str__


_PHASES = {phase.value: phase for phase in SandboxPhase}


class _Model(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )


def _empty_for_null(value: Any) -> Any:
    return [] if value is None else value


class CreatedBy(_Model):
    """Who made a sandbox."""

    email: str | None = None
    display_name: str | None = None


class SandboxSummary(_Model):
    """A sandbox as the Router shows it.

    Attributes:
        sandbox_id: What calls name it by; the Router uses its name.
        status: The phase as text, "" until the cluster has touched the sandbox.
        template_ref: The template that it was made from, once resolved.
        created_at: Text in Go's form, ``2026-07-01 12:03:04 +0000 UTC``.
        last_activity_at: When it last became Running, in the same form.
        message: Why it is where it is; often "".
    """

    sandbox_id: str
    name: str
    namespace: str
    status: str
    pod_name: str | None = None
    pvc_name: str | None = None
    template_ref: str | None = None
    created_at: str | None = None
    last_activity_at: str | None = None
    created_by: CreatedBy | None = None
    message: str | None = None
    mode: str | None = None

    @property
    def phase(self) -> SandboxPhase:
        """The status as a phase; ``UNKNOWN`` where it is empty or not known here."""
        return _PHASES.get(self.status, SandboxPhase.UNKNOWN)


class CommandResult(_Model):
    """How a command ended.

    Attributes:
        stdout: What it printed, complete at the end; bytes that are no UTF-8 are U+FFFD.
        stderr: The same of its errors.
        exit_code: The shell's; -1 where a signal or the timeout ended it (contract 5.1).
    """

    stdout: str
    stderr: str
    exit_code: int

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == 0

    def check(self) -> CommandResult:
        """Return the result itself if the command succeeded.

        Raises:
            CommandError: The exit code is not 0.
        """
        if not self.ok:
            raise CommandError(self)
        return self


class ForwardedPort(_Model):
    """A port of a sandbox that the Router forwards.

    Attributes:
        protocol: As asked for when it was forwarded; lists always say ``http`` (contract 3.8).
        preview_url: Where a browser finds it; None unless the Router has a preview domain.
        internal_url: Where other pods of the cluster find it.
    """

    port: int
    protocol: str
    preview_url: str | None = None
    internal_url: str | None = None


class Template(_Model):
    """What sandboxes are made from."""

    name: str
    description: str | None = None
    image: str | None = None
    resource_version: str | None = None
    spec: dict[str, JsonValue] | None = None


class CurrentUser(_Model):
    """Who the Router takes the caller for.

    Attributes:
        sub: The identity that owns what the caller makes.
        name: The user's name; with an API key the key's label (contract 1.9).
        groups: Empty with an API key.
    """

    sub: str
    email: str | None = None
    name: str | None = None
    groups: Annotated[list[str], BeforeValidator(_empty_for_null)] = Field(default_factory=list)
    is_admin: bool = False


class SandboxList(_Model):
    """The answer to a list of sandboxes; the Router says null for none (contract 3.2)."""

    sandboxes: Annotated[list[SandboxSummary], BeforeValidator(_empty_for_null)]


class TemplateList(_Model):
    """The answer to a list of templates; the Router says null for none (contract 3.10)."""

    templates: Annotated[list[Template], BeforeValidator(_empty_for_null)]


class PortList(_Model):
    """The answer to a list of forwarded ports."""

    ports: Annotated[list[ForwardedPort], BeforeValidator(_empty_for_null)]
