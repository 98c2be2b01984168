"""Print the public surface of the ``agenttier`` that this interpreter imports, as JSON.

Run with the interpreter of an environment that has a released SDK; nothing but names, signatures,
fields and members is looked at::

    /path/to/env/bin/python tests/data/introspect_sdk.py > tests/data/agenttier-0.8.1.json
"""

from __future__ import annotations

import enum
import inspect
import json
import sys
from contextlib import suppress
from importlib import import_module, metadata

_MODULES = ("agenttier", "agenttier.auth", "agenttier.exceptions", "agenttier.models")
_DUNDERS = {"__enter__", "__exit__", "__aenter__", "__aexit__"}
_PYDANTIC = {"copy", "dict", "json", "construct", "validate", "schema", "schema_json", "from_orm"}


def surface() -> dict[str, object]:
    """Every public name, described."""
    described: dict[str, object] = {}
    for module_name in _MODULES:
        module = import_module(module_name)
        for name, value in vars(module).items():
            home = getattr(value, "__module__", "")
            if name.startswith("_") or not str(home).startswith("agenttier"):
                continue
            where = "agenttier" if name in import_module("agenttier").__all__ else module_name
            described[f"{where}.{name}"] = _described(value)
    return {"version": metadata.version("agenttier"), "names": dict(sorted(described.items()))}


def _described(value: object) -> dict[str, object]:
    if not inspect.isclass(value):
        return {"kind": "function", "parameters": _parameters(value)}
    if issubclass(value, enum.Enum):
        return {"kind": "enum", "members": {each.name: each.value for each in value}}
    if hasattr(value, "model_fields"):
        fields = {
            name: {"alias": field.alias, "required": field.is_required()}
            for name, field in value.model_fields.items()
        }
        return {"kind": "model", "fields": fields, **_members(value)}
    described = {"kind": "class", **_members(value)}
    if issubclass(value, Exception):
        bases = [each.__name__ for each in value.__mro__[1:] if each.__module__ != "builtins"]
        described["bases"] = bases
    with suppress(ValueError):  # an exception with the constructor of Exception has no signature
        described["parameters"] = _parameters(value)
    return described


def _members(cls: type) -> dict[str, object]:
    methods: dict[str, object] = {}
    properties: list[str] = []
    for name, member in sorted(vars(cls).items()):
        if (name.startswith("_") and name not in _DUNDERS) or name.startswith("model_"):
            continue
        if inspect.isfunction(member) and name not in _PYDANTIC:
            methods[name] = {
                "async": inspect.iscoroutinefunction(member),
                "parameters": _parameters(member),
            }
        elif isinstance(member, property):
            properties.append(name)
    return {"methods": methods, "properties": properties}


def _parameters(function: object) -> list[dict[str, object]]:
    return [
        {
            "name": parameter.name,
            "kind": parameter.kind.name,
            "default": None if parameter.default is parameter.empty else repr(parameter.default),
        }
        for parameter in inspect.signature(function).parameters.values()  # type: ignore[arg-type]
        if parameter.name != "self"
    ]


if __name__ == "__main__":
    json.dump(surface(), sys.stdout, indent=1, sort_keys=True)
    sys.stdout.write("\n")
