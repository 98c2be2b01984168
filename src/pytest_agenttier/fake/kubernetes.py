"""What the API server beneath the Router checks: names and quantities, with its texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .go.decoding import Place, kind
from .go.parsing import DecodeError, Node, Number
from .go.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_SERVICE = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")

_VARIABLE = re.compile("[ -<>-~]+")
_VARIABLE_RULE = (
    "a valid environment variable name must consist only of printable ASCII characters other "
    "than '='"
)

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, "
    "'-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
    "regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_SERVICE_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character "
    "(e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def object_name_fault(kind: str, name: str) -> str | None:
    """Why an object cannot have this name (contract 3.1); None where it can."""
    return _fault(kind, name, 253, _SUBDOMAIN, _SUBDOMAIN_RULE)


def service_name_fault(name: str) -> str | None:
    """Why a Service cannot have this name (contract 3.8); None where it can."""
    return _fault("Service", name, 63, _SERVICE, _SERVICE_RULE)


def label_fault(kind: str, name: str, label: str) -> str | None:
    """Why an object cannot carry this label value (contract 3.1); None where it can."""
    if len(label) <= 63:
        return None
    return (
        f"{kind} {quote(name)} is invalid: metadata.labels: "
        f"Invalid value: {quote(label)}: must be no more than 63 characters"
    )


def environment_fault(pod: str, names: Sequence[str]) -> str | None:
    """Why a pod cannot have environment variables of these names; None where it can."""
    faults: list[str] = []
    for number, name in enumerate(names):
        field = f"spec.containers[0].env[{number}].name"
        if not name:
            faults.append(f"{field}: Required value")
        elif not _VARIABLE.fullmatch(name):
            faults.append(f"{field}: Invalid value: {quote(name)}: {_VARIABLE_RULE}")
    if not faults:
        return None
    return f"Pod {quote(pod)} is invalid: {_listed(faults)}"


def _listed(faults: Sequence[str]) -> str:
    return faults[0] if len(faults) == 1 else f"[{', '.join(faults)}]"


def _fault(kind: str, name: str, longest: int, pattern: re.Pattern[str], rule: str) -> str | None:
    faults: list[str] = []
    if len(name.encode("utf-8", "surrogateescape")) > longest:
        faults.append(f"must be no more than {longest} characters")
    if not pattern.fullmatch(name):
        faults.append(rule)
    if not faults:
        return None
    shown = [f"metadata.name: Invalid value: {quote(name)}: {fault}" for fault in faults]
    return f"{kind} {quote(name)} is invalid: {_listed(shown)}"


_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIXES = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_QUANTITY = re.compile("([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)")
_EXPONENT = re.compile("[eE]([+-]?[0-9]+)")
_FORMAT_RULE = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)


def canonical_quantity(text: str) -> str:
    """A resource quantity in its canonical form: ``1000m`` is ``1``, ``1.5Gi`` is ``1536Mi``.

    Raises:
        ValueError: with the text of Kubernetes' parser.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(_FORMAT_RULE)
    number, suffix = match[1], match[2]
    exponent = _EXPONENT.fullmatch(suffix)
    if suffix not in _BINARY and suffix not in _DECIMAL and exponent is None:
        raise ValueError("unable to parse quantity's suffix")
    if not _NUMBER.fullmatch(number):
        raise ValueError("unable to parse numeric part of quantity")
    if suffix in _BINARY:
        value = Decimal(number) * 1024 ** _BINARY[suffix]
        if abs(value) >= 1024 and value == int(value):
            return _base_1024(value)
        return _base_1000(value, exponents=False)
    power = int(exponent[1]) if exponent is not None else _DECIMAL[suffix]
    if abs(power) > 100:
        raise ValueError("unable to parse quantity's suffix")
    return _base_1000(Decimal(number).scaleb(power), exponents=exponent is not None)


def _base_1024(value: Decimal) -> str:
    whole, power = int(value), 0
    while whole % 1024 == 0 and power < 6:
        whole, power = whole // 1024, power + 1
    return f"{whole}{next((suffix for suffix, known in _BINARY.items() if known == power), '')}"


def _base_1000(value: Decimal, *, exponents: bool) -> str:
    nano = int((value * 10**9).to_integral_value("ROUND_UP"))
    if nano == 0:
        return "0"
    power = -9
    while nano % 1000 == 0 and power < 18:
        nano, power = nano // 1000, power + 3
    if exponents:
        return f"{nano}e{power}" if power else f"{nano}"
    return f"{nano}{_SUFFIXES[power]}"


@dataclass(frozen=True)
class _Quantity:
    """``resource.Quantity``: a value that parses itself, from a string or a bare number."""

    name: str = "resource.Quantity"

    def read(self, node: Node, place: Place) -> Any:
        if isinstance(node, str):
            text = node if isinstance(node, Number) else node.strip()
        else:
            text = kind(node)  # it matches no more than the raw text would
        try:
            return canonical_quantity(text)
        except ValueError as error:
            raise DecodeError(str(error)) from error


QUANTITY = _Quantity()
