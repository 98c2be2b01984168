"""Cluster templates (contract 3.10)."""

from __future__ import annotations

from typing import Any

from ..go.decoding import Field, Struct
from ..state import Rejected
from ..templates import SPEC, Template, stored_spec
from ..wire import Response, empty_response, json_response
from . import Call, Refusal

_CREATE = Struct("", (Field("name"), Field("spec", SPEC)))
_REPLACE = Struct("", (Field("spec", SPEC),))


def list_templates(call: Call) -> Response:
    """GET /templates (contract 3.10)."""
    templates = [_template_object(template) for template in call.state.templates()]
    return json_response(200, {"templates": call.listed(templates)})


def get(call: Call, name: str) -> Response:
    """GET /templates/{name} (contract 3.10)."""
    return json_response(200, _template_object(call.state.template(name)))


def create(call: Call) -> Response:
    """POST /templates (contract 3.10)."""
    body = call.decode(_CREATE)
    name = body.text("name")
    if not name:
        raise Refusal(400, "name is required")
    try:
        template = call.state.add_template(name, stored_spec(body.struct("spec")))
    except Rejected as error:
        raise Refusal(500, f"failed to create template: {error}") from error
    return json_response(201, _template_object(template))


def replace(call: Call, name: str) -> Response:
    """PUT /templates/{name} (contract 3.10)."""
    call.state.template(name)
    body = call.decode(_REPLACE)
    try:
        template = call.state.replace_template(name, stored_spec(body.struct("spec")))
    except Rejected as error:
        raise Refusal(500, f"failed to update template: {error}") from error
    return json_response(200, _template_object(template))


def delete(call: Call, name: str) -> Response:
    """DELETE /templates/{name} (contract 3.10)."""
    call.state.delete_template(name)
    return empty_response(204)


def _template_object(template: Template) -> dict[str, Any]:
    return {
        "description": template.spec.get("description", ""),
        "image": template.spec.get("image", {}).get("repository", ""),
        "name": template.name,
        "resourceVersion": template.resource_version,
        "spec": template.spec,
    }
