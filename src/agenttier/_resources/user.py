"""The caller (contract 3.11)."""

from __future__ import annotations

from agenttier._operation import Operation, path
from agenttier.models import CurrentUser


def current_user() -> Operation[CurrentUser]:
    """Who the Router takes the caller for."""
    return Operation("GET", path("user", "me"), CurrentUser.model_validate_json)
