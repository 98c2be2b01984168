"""Names and quantities as the API server judges them (contract 3.1, 3.8, 3.10)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agenttier.fake.kubernetes import (
    canonical_quantity,
    label_fault,
    object_name_fault,
    service_name_fault,
)

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


@pytest.mark.parametrize("name", ["a", "a-b", "a.b", "0", "a" * 253, "o1.x-9"])
def test_a_subdomain_is_a_name(name: str) -> None:
    """Dots are legal, and up to 253 characters."""
    assert object_name_fault("Sandbox.agenttier.io", name) is None


@pytest.mark.parametrize(
    "name", ["Demo_1", "-a", "a-", "a..b", ".a", "a b", "ä", "a/b", " ", "a\n"]
)
def test_what_is_no_subdomain_is_no_name(name: str) -> None:
    """The rule is recited."""
    fault = object_name_fault("Sandbox.agenttier.io", name)
    assert fault is not None
    assert fault.endswith(f": {SUBDOMAIN}")


def test_a_fault_names_kind_name_and_rule() -> None:
    """As the API server words it."""
    assert object_name_fault("Sandbox.agenttier.io", "A") == (
        'Sandbox.agenttier.io "A" is invalid: metadata.name: Invalid value: "A": ' + SUBDOMAIN
    )


def test_two_faults_are_listed_in_brackets() -> None:
    """Too long comes first."""
    name = "A" * 254
    assert object_name_fault("Sandbox.agenttier.io", name) == (
        f'Sandbox.agenttier.io "{name}" is invalid: [metadata.name: Invalid value: "{name}": '
        f'must be no more than 253 characters, metadata.name: Invalid value: "{name}": {SUBDOMAIN}]'
    )


def test_a_service_name_has_no_dots_and_begins_with_a_letter() -> None:
    """DNS-1035, with the two spaces before "or"."""
    assert service_name_fault("pf-a-80") is None
    assert service_name_fault("pf-d.ot-80") == (
        'Service "pf-d.ot-80" is invalid: metadata.name: Invalid value: "pf-d.ot-80": a DNS-1035 '
        "label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex "
        "used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    )


def test_a_label_has_at_most_63_characters() -> None:
    """What create lets pass fails here."""
    assert label_fault("Secret", "s", "a" * 63) is None
    assert label_fault("Secret", "s", "a" * 64) == (
        f'Secret "s" is invalid: metadata.labels: Invalid value: "{"a" * 64}": '
        "must be no more than 63 characters"
    )


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True))
def test_every_label_is_a_name(name: str) -> None:
    """A label is the simplest subdomain."""
    assert object_name_fault("Sandbox.agenttier.io", name) is None


@given(st.text(max_size=300))
def test_any_text_is_a_name_or_is_refused_with_itself(name: str) -> None:
    """The fault quotes what was given."""
    fault = object_name_fault("Sandbox.agenttier.io", name)
    assert fault is None or fault.startswith('Sandbox.agenttier.io "')


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0", "0"),
        ("5", "5"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1500m", "1500m"),
        ("2000", "2k"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.1Gi", "107374182400m"),
        ("512Ki", "512Ki"),
        ("1Ki", "1Ki"),
        ("0.5Ki", "512"),
        ("-1Gi", "-1Gi"),
        ("1e3", "1e3"),
        ("1E", "1E"),
        ("0.0000000001", "1n"),
        ("1073741824", "1073741824"),
    ],
)
def test_a_quantity_has_one_canonical_form(text: str, canonical: str) -> None:
    """The largest suffix that leaves a whole number."""
    assert canonical_quantity(text) == canonical


@pytest.mark.parametrize("text", ["", "lots", "10GB", "1 Gi", "Gi", "true"])
def test_what_is_no_quantity_is_refused_with_the_expression(text: str) -> None:
    """The text of Kubernetes' parser."""
    with pytest.raises(ValueError, match=re.escape("'^([+-]?[0-9.]+)([eEinumkKMGTP]*")):
        canonical_quantity(text)


@given(st.text(alphabet="0123456789.+-eEKMGikmnu", max_size=12))
def test_a_canonical_quantity_stays_as_it_is(text: str) -> None:
    """Canonical means canonical again; everything else is a ValueError."""
    try:
        canonical = canonical_quantity(text)
    except ValueError:
        return
    assert canonical_quantity(canonical) == canonical
