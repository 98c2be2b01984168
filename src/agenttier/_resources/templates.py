"""Templates (contract 3.10)."""

from __future__ import annotations

from agenttier._arguments import text
from agenttier._operation import Operation, path
from agenttier.models import Template, TemplateList


def list_templates() -> Operation[list[Template]]:
    """List the templates that sandboxes can be made from."""
    return Operation("GET", path("templates"), _templates)


def get_template(name: str) -> Operation[Template]:
    """Look at a template."""
    return Operation("GET", path("templates", text("name", name)), Template.model_validate_json)


def _templates(body: bytes) -> list[Template]:
    return TemplateList.model_validate_json(body).templates
