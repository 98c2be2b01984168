"""JSON into Go types: the types are data, the errors are Go's (contract 1.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from .durations import parse_duration
from .parsing import DecodeError, Node, Number, Object, parse


class Values(dict[str, Any]):
    """A decoded struct: the fields that were given, by their JSON keys.

    What was not given reads as Go's zero value.
    """

    def text(self, key: str) -> str:
        """A string field."""
        value: str = self.get(key, "")
        return value

    def integer(self, key: str) -> int:
        """An integer field."""
        value: int = self.get(key, 0)
        return value

    def struct(self, key: str) -> Values:
        """A struct field, empty where it was not given."""
        value = self.get(key)
        return value if isinstance(value, Values) else Values()


class Type(Protocol):
    """A Go type: what it is called, and how a JSON value becomes one of it."""

    @property
    def name(self) -> str:
        """The type as Go prints it."""
        ...

    def read(self, node: Node, place: Place) -> Any:
        """The value of a node that is not null."""
        ...


class Place:
    """Where in the document the decoder is, and the first mistake it met.

    A wrong type is noted and decoding goes on, as in Go; only a value that parses itself
    (a quantity, a duration) ends it.
    """

    def __init__(self) -> None:
        self.struct: str | None = None
        self.path: tuple[str, ...] = ()
        self.mistake: DecodeError | None = None

    def wrong(self, value: str, type_name: str) -> DecodeError:
        """``cannot unmarshal`` at this place."""
        where = "Go value of type "
        if self.struct is not None:
            where = f"Go struct field {self.struct}.{'.'.join(self.path)} of type "
        return DecodeError(f"json: cannot unmarshal {value} into {where}{type_name}")

    def note(self, value: str, type_name: str) -> None:
        """Keep the first mistake."""
        if self.mistake is None:
            self.mistake = self.wrong(value, type_name)


def decode(body: bytes, struct: Struct) -> Values:
    """A request body as a struct; ``null`` gives an empty one.

    Raises:
        DecodeError: with the text that follows ``invalid request body:``.
    """
    values = decode_any(body, struct)
    return values if isinstance(values, Values) else Values()


def decode_any(body: bytes, type_: Type) -> Any:
    """A request body as any type; ``null`` gives None.

    Raises:
        DecodeError: as for `decode`.
    """
    node = parse(body)
    place = Place()
    value = None if node is None else type_.read(node, place)
    if place.mistake is not None:
        raise place.mistake
    return value


def kind(node: Node) -> str:
    """What Go calls a JSON value in its errors."""
    if isinstance(node, Number):
        return "number"
    if isinstance(node, str):
        return "string"
    if isinstance(node, bool):
        return "bool"
    return "array" if isinstance(node, list) else "object"


@dataclass(frozen=True)
class _String:
    name: str = "string"

    def read(self, node: Node, place: Place) -> str:
        if isinstance(node, str) and not isinstance(node, Number):
            return node
        place.note(kind(node), self.name)
        return ""


@dataclass(frozen=True)
class _Bool:
    name: str = "bool"

    def read(self, node: Node, place: Place) -> bool:
        if isinstance(node, bool):
            return node
        place.note(kind(node), self.name)
        return False


@dataclass(frozen=True)
class _Integer:
    name: str
    bits: int

    def read(self, node: Node, place: Place) -> int:
        if not isinstance(node, Number):
            place.note(kind(node), self.name)
        elif not _WHOLE.fullmatch(node) or len(node) > 20 or not self._fits(int(node)):
            place.note(f"number {node}", self.name)
        else:
            return int(node)
        return 0

    def _fits(self, value: int) -> bool:
        return -(1 << self.bits - 1) <= value < 1 << self.bits - 1


_WHOLE = re.compile("-?[0-9]+")


@dataclass(frozen=True)
class _Duration:
    """``metav1.Duration``: a string that parses itself; nanoseconds."""

    name: str = "string"

    def read(self, node: Node, place: Place) -> int:
        if not isinstance(node, str) or isinstance(node, Number):
            raise place.wrong(kind(node), self.name)
        try:
            return parse_duration(node)
        except ValueError as error:
            raise DecodeError(str(error)) from error


@dataclass(frozen=True)
class _Free:
    """``interface {}``: anything, numbers as float64."""

    name: str = "interface {}"

    def read(self, node: Node, place: Place) -> Any:
        if isinstance(node, Number):
            value = float(node)
            if value in (float("inf"), float("-inf")):
                place.note(f"number {node}", "float64")
            return value
        if isinstance(node, list):
            return [self.read(item, place) for item in node]
        if isinstance(node, Object):
            return {key: self.read(item, place) for key, item in node.members}
        return node


STRING = _String()
BOOL = _Bool()
INT = _Integer("int", 64)
INT32 = _Integer("int32", 32)
DURATION = _Duration()
FREE = _Free()


@dataclass(frozen=True)
class Slice:
    """``[]T``."""

    element: Type

    @property
    def name(self) -> str:
        """As Go prints it."""
        return f"[]{self.element.name}"

    def read(self, node: Node, place: Place) -> list[Any]:
        """A list; null elements are zero values."""
        if not isinstance(node, list):
            place.note(kind(node), self.name)
            return []
        zero = Values() if isinstance(self.element, Struct) else ""
        return [zero if item is None else self.element.read(item, place) for item in node]


@dataclass(frozen=True)
class Map:
    """``map[string]T``, or a named type over one."""

    element: Type
    alias: str = ""

    @property
    def name(self) -> str:
        """As Go prints it."""
        return self.alias or f"map[string]{self.element.name}"

    def read(self, node: Node, place: Place) -> dict[str, Any]:
        """A dict in the order given."""
        if not isinstance(node, Object):
            place.note(kind(node), self.name)
            return {}
        return {
            key: None if item is None else self.element.read(item, place)
            for key, item in node.members
        }


@dataclass(frozen=True)
class Field:
    """One field of a struct."""

    key: str
    type: Type = STRING
    omitempty: bool = False
    go_name: str = ""
    """The name in Go; by default the key with a capital."""
    default: Any = None
    """What the cluster stores where the field is absent, if anything."""

    def printed(self) -> str:
        """The field inside a printed anonymous struct."""
        go_name = self.go_name or self.key[:1].upper() + self.key[1:]
        tag = f"{self.key},omitempty" if self.omitempty else self.key
        return f'{go_name} {self.type.name} "json:\\"{tag}\\""'


@dataclass(frozen=True)
class Struct:
    """A struct type, named (``router.CreateSandboxRequest``) or anonymous (empty)."""

    qualified: str
    fields: tuple[Field, ...]
    _by_key: dict[str, Field] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_key = {known.key.casefold(): known for known in self.fields}
        by_key.update({known.key: known for known in self.fields})
        object.__setattr__(self, "_by_key", by_key)

    @property
    def name(self) -> str:
        """As Go prints it: an anonymous struct in full."""
        if self.qualified:
            return self.qualified
        return f"struct {{ {'; '.join(known.printed() for known in self.fields)} }}"

    def read(self, node: Node, place: Place) -> Values:
        """The known fields; unknown keys are skipped, the last duplicate wins."""
        values = Values()
        if not isinstance(node, Object):
            place.note(kind(node), self.name)
            return values
        outer = place.struct, place.path
        place.struct = self.qualified.rpartition(".")[2]
        by_key = self._by_key
        for key, item in node.members:
            known = by_key.get(key) or by_key.get(key.casefold())
            if known is None:
                continue
            if item is None:
                # Null leaves a plain field as it is and empties one that is a reference.
                if not isinstance(known.type, (_String, _Bool, _Integer)):
                    values.pop(known.key, None)
                continue
            place.path = (*outer[1], known.key)
            values[known.key] = known.type.read(item, place)
        place.struct, place.path = outer
        return values
