"""Sandboxes: create, look, stop, resume, terminate (contract 3.1 to 3.6)."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from agenttier._arguments import LONGEST_WAIT, refusal, shown, text, text_or_none
from agenttier._operation import Flow, Operation, Sleep, nothing, path
from agenttier.exceptions import (
    AgentTierError,
    APIError,
    InvalidRequestError,
    NotFoundError,
)
from agenttier.models import SandboxList, SandboxSummary

if TYPE_CHECKING:
    from pydantic import JsonValue

DEFAULT_NAMESPACE = "default"

_LOST_RACE = re.compile(r"failed to delete sandbox: .* not found")
_PAUSES_BEFORE_LOOKS = (0.0, 0.1, 0.4, 1.5)


def new_name() -> str:
    """A name that nobody else has: ``sbx-`` and 60 random bits."""
    return "sbx-" + base64.b32encode(secrets.token_bytes(8))[:12].decode().lower()


@dataclass(frozen=True, slots=True)
class NewSandbox:
    """What a sandbox is to be; without a name, one is made."""

    template: str
    name: str | None
    namespace: str
    timeout: str | timedelta | None
    idle_timeout: str | timedelta | None
    storage_size: str | None


def creation(new: NewSandbox) -> Flow[SandboxSummary]:
    """Create a sandbox, and find out what happened if the answer is lost (contract 3.1)."""
    if new.name is None:
        return created(create_sandbox(replace(new, name=new_name())), name_is_ours=True)
    return created(create_sandbox(new), name_is_ours=False)


def create_sandbox(new: NewSandbox) -> Operation[SandboxSummary]:
    """Create a sandbox that has a name (contract 3.1)."""
    template = text("template", new.template)
    name = text("name", new.name)
    if not template:
        raise InvalidRequestError("create_sandbox() needs the name of a template")
    if not name:
        raise InvalidRequestError("name='' names nothing; leave it out to have one made")
    body: dict[str, JsonValue] = {
        "name": name,
        "namespace": text_or_none("namespace", new.namespace),
        # Without the kind the template is searched among namespaced ones (contract 3.1).
        "templateRef": {"name": template, "kind": "ClusterSandboxTemplate"},
    }
    if new.timeout is not None:
        body["timeout"] = go_duration("timeout", new.timeout)
    if new.idle_timeout is not None:
        body["idleTimeout"] = go_duration("idle_timeout", new.idle_timeout)
    if new.storage_size is not None:
        body["storage"] = {"size": text("storage_size", new.storage_size)}
    return Operation("POST", path("sandboxes"), SandboxSummary.model_validate_json, body=body)


def list_sandboxes(namespace: str | None, status: str | None) -> Operation[list[SandboxSummary]]:
    """List the caller's sandboxes (contract 3.2)."""
    query = {
        "namespace": text_or_none("namespace", namespace),
        "status": text_or_none("status", status),
    }
    return Operation("GET", path("sandboxes"), _sandboxes, query=query)


def sandbox_path(sandbox_id: str, *below: str) -> str:
    """The path of a sandbox, or of something below it."""
    return path("sandboxes", text("sandbox_id", sandbox_id), *below)


def get_sandbox(sandbox_id: str, *, deadline: float | None = None) -> Operation[SandboxSummary]:
    """Look at a sandbox (contract 3.3)."""
    return Operation(
        "GET",
        sandbox_path(sandbox_id),
        SandboxSummary.model_validate_json,
        deadline=deadline,
    )


def stop_sandbox(sandbox_id: str) -> Operation[None]:
    """Stop a sandbox (contract 3.5)."""
    return Operation("POST", sandbox_path(sandbox_id, "stop"), nothing)


def resume_sandbox(sandbox_id: str) -> Operation[None]:
    """Start a stopped sandbox again (contract 3.6)."""
    return Operation("POST", sandbox_path(sandbox_id, "resume"), nothing)


def delete_sandbox(sandbox_id: str) -> Operation[None]:
    """Delete a sandbox (contract 3.4)."""
    return Operation("DELETE", sandbox_path(sandbox_id), nothing)


def terminate_sandbox(sandbox_id: str, *, missing_ok: bool) -> Flow[None]:
    """Delete a sandbox, which may be gone already: by an earlier try, or if that is fine."""
    try:
        yield delete_sandbox(sandbox_id)
    except NotFoundError as error:
        if not ((missing_ok or error.maybe_done) and is_gone(error)):
            raise
    except APIError as error:
        # The loser of two deletes that race says 500 of a sandbox that is gone (contract 3.4).
        if not _LOST_RACE.fullmatch(error.message):
            raise


def created(operation: Operation[SandboxSummary], *, name_is_ours: bool) -> Flow[SandboxSummary]:
    """Send a create; if its answer is lost, look for what only we can have named so."""
    try:
        summary: SandboxSummary = yield operation
    except AgentTierError as lost:
        if not lost.maybe_done:
            raise
        name = str((operation.body or {})["name"])
        # Under the caller's name there may be a sandbox that was there before.
        found = (yield from _looked_up(name)) if name_is_ours else None
        if found is None:
            lost.hint = _how_to_look(name)
            raise
        return found
    return summary


def _looked_up(name: str) -> Flow[SandboxSummary | None]:
    """The sandbox of a create whose answer was lost, which may be still under way."""
    for pause in _PAUSES_BEFORE_LOOKS:
        yield Sleep(pause)
        try:
            found: SandboxSummary = yield get_sandbox(name)
        except AgentTierError:
            continue
        return found
    return None


def is_gone(error: NotFoundError) -> bool:
    """Whether there is no such sandbox; one of somebody else's is a 404 too (contract 2)."""
    return not error.message.startswith("access denied")


def go_duration(argument: str, duration: object) -> str:
    """A duration as Go reads it, such as ``1h30m``; the Router judges text (contract 1.7)."""
    if isinstance(duration, str):
        return duration
    if not isinstance(duration, timedelta):
        raise InvalidRequestError(_no_duration(argument, duration))
    if duration <= timedelta():
        raise refusal(argument, duration, "expected a duration of more than 0")
    return f"{duration / timedelta(microseconds=1):.0f}us"


def _no_duration(argument: str, value: object) -> str:
    complaint = f'{argument}={shown(value)} is neither text like "30s" nor a timedelta'
    if isinstance(value, int | float) and 1 <= value <= LONGEST_WAIT:
        return f'{complaint}; write "{value}s"'
    return complaint


def _sandboxes(body: bytes) -> list[SandboxSummary]:
    return SandboxList.model_validate_json(body).sandboxes


def _how_to_look(name: str) -> str:
    return (
        f"Sandbox {name!r} may have been made all the same. client.get_sandbox({name!r}) shows it,"
        f" client.sandbox({name!r}).terminate(missing_ok=True) makes sure that it is gone."
    )
