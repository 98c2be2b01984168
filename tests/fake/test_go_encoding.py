"""JSON as Go writes it (contract 1.6)."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agenttier.fake.go.encoding import encode, encode_free


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [None, True]}, '{"b":1,"a":[null,true]}'),
        ("<&>", '"\\u003c\\u0026\\u003e"'),
        ("\u2028\u2029", '"\\u2028\\u2029"'),
        ("é😀\x7f", '"é😀\x7f"'),
        ("\b\f\n\r\t\x01\x1b", '"\\b\\f\\n\\r\\t\\u0001\\u001b"'),
        ('"\\', '"\\"\\\\"'),
        ("\udcff\udcfeok", '"\\ufffd\\ufffdok"'),
        ("\ufffd", '"\ufffd"'),
    ],
)
def test_text_is_escaped_as_go_does(value: object, text: str) -> None:
    """Compact, raw UTF-8, HTML characters escaped, broken bytes as an escape."""
    assert encode(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (-0.0, "-0"),
        (1.5, "1.5"),
        (0.1, "0.1"),
        (1e3, "1000"),
        (123.456, "123.456"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e30, "1e+30"),
        (-2.5e-9, "-2.5e-9"),
        (12345678901234567890.0, "12345678901234567000"),
        (
            {"b": 1.0, "a": {"d": [1.5, None], "c": "<"}},
            '{"a":{"c":"\\u003c","d":[1.5,null]},"b":1}',
        ),
        (None, "null"),
    ],
)
def test_a_free_value_has_sorted_keys_and_shortest_numbers(value: object, text: str) -> None:
    """A float64 is printed with as few digits as tell it apart."""
    assert encode_free(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_itself(value: float) -> None:
    """Whatever its form, no digit is lost."""
    assert math.copysign(1, float(encode_free(value))) == math.copysign(1, value)
    assert float(encode_free(value)) == value


@given(st.text())
def test_text_reads_back_as_itself(value: str) -> None:
    """Escapes are JSON's."""
    assert json.loads(encode(value)) == value
