"""Request bodies as Go decodes them (contract 1.7)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agenttier.fake.go.decoding import (
    BOOL,
    DURATION,
    FREE,
    INT,
    INT32,
    STRING,
    Field,
    Map,
    Slice,
    Struct,
    decode,
    decode_any,
)
from pytest_agenttier.fake.go.parsing import DecodeError, Number, Object, _Parser, parse
from pytest_agenttier.fake.kubernetes import QUANTITY

INNER = Struct("v1.Inner", (Field("name"), Field("size", QUANTITY), Field("wait", DURATION)))
BODY = Struct(
    "router.Body",
    (
        Field("name"),
        Field("port", INT32),
        Field("count", INT),
        Field("on", BOOL),
        Field("inner", INNER),
        Field("list", Slice(STRING)),
        Field("inners", Slice(INNER)),
        Field("labels", Map(STRING)),
    ),
)
ANONYMOUS = Struct("", (Field("port", INT32), Field("url", go_name="URL", omitempty=True)))


def outcome(body: bytes) -> str:
    """The text of the refusal, empty where there is none."""
    try:
        decode(body, BODY)
    except DecodeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "EOF"),
        (b" \n\t", "EOF"),
        (b"{", "unexpected EOF"),
        (b'{"name":', "unexpected EOF"),
        (b'{"name":"a', "unexpected EOF"),
        (b"nul", "unexpected EOF"),
        (b"5.", "unexpected EOF"),
        (b"-", "unexpected EOF"),
        (b"nope", "invalid character 'o' in literal null (expecting 'u')"),
        (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
        (b"{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 2}', "invalid character '2' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b'{"a":"x\ny"}', "invalid character '\\n' in string literal"),
        (b'{"a":"\\x"}', "invalid character 'x' in string escape code"),
        (b'{"a":"\\u12g4"}', "invalid character 'g' in \\u hexadecimal character escape"),
        (b'{"a":01}', "invalid character '1' after object key:value pair"),
        (b'{"a":-}', "invalid character '}' in numeric literal"),
        (b'{"a":1.}', "invalid character '}' after decimal point in numeric literal"),
        (b'{"a":1e}', "invalid character '}' in exponent of numeric literal"),
        (b'{"a":NaN}', "invalid character 'N' looking for beginning of value"),
        (b"\xff", "invalid character 'ÿ' looking for beginning of value"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
        (b'{"x":' + b"[" * 10_001, "invalid character '[' exceeded max depth"),
    ],
)
def test_a_malformed_body_is_refused_with_the_words_of_go(body: bytes, text: str) -> None:
    """Syntax comes before types, and names the character and what was expected of it."""
    with pytest.raises(DecodeError) as caught:
        decode(body, BODY)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[]", "cannot unmarshal array into Go value of type router.Body"),
        (b'"x"', "cannot unmarshal string into Go value of type router.Body"),
        (b"5x", "cannot unmarshal number into Go value of type router.Body"),
        (b"true", "cannot unmarshal bool into Go value of type router.Body"),
        (b'{"name":5}', "cannot unmarshal number into Go struct field Body.name of type string"),
        (b'{"name":{}}', "cannot unmarshal object into Go struct field Body.name of type string"),
        (b'{"on":"yes"}', "cannot unmarshal string into Go struct field Body.on of type bool"),
        (b'{"port":"5"}', "cannot unmarshal string into Go struct field Body.port of type int32"),
        (
            b'{"port":1.5}',
            "cannot unmarshal number 1.5 into Go struct field Body.port of type int32",
        ),
        (
            b'{"port":1e2}',
            "cannot unmarshal number 1e2 into Go struct field Body.port of type int32",
        ),
        (
            b'{"port":2147483648}',
            "cannot unmarshal number 2147483648 into Go struct field Body.port of type int32",
        ),
        (
            b'{"inner":"x"}',
            "cannot unmarshal string into Go struct field Body.inner of type v1.Inner",
        ),
        (
            b'{"inner":{"name":5}}',
            "cannot unmarshal number into Go struct field Inner.inner.name of type string",
        ),
        (
            b'{"inners":[{"name":5}]}',
            "cannot unmarshal number into Go struct field Inner.inners.name of type string",
        ),
        (
            b'{"list":"x"}',
            "cannot unmarshal string into Go struct field Body.list of type []string",
        ),
        (
            b'{"labels":[]}',
            "cannot unmarshal array into Go struct field Body.labels of type map[string]string",
        ),
        (
            b'{"inner":{"wait":10}}',
            "cannot unmarshal number into Go struct field Inner.inner.wait of type string",
        ),
        (
            b'{"name":5,"port":"x"}',
            "cannot unmarshal number into Go struct field Body.name of type string",
        ),
    ],
)
def test_a_wrong_type_is_refused_with_the_place_where_it_stands(body: bytes, text: str) -> None:
    """The innermost struct, then the whole path; the first mistake is the one told."""
    with pytest.raises(DecodeError) as caught:
        decode(body, BODY)
    assert str(caught.value) == f"json: {text}"


def test_an_anonymous_struct_is_printed_whole_with_its_tags() -> None:
    """Go prints the type, and that is all an anonymous struct has."""
    with pytest.raises(DecodeError) as caught:
        decode(b"[]", ANONYMOUS)
    assert str(caught.value) == (
        "json: cannot unmarshal array into Go value of type "
        'struct { Port int32 "json:\\"port\\""; URL string "json:\\"url,omitempty\\"" }'
    )


def test_a_field_of_an_anonymous_struct_has_no_name_before_the_dot() -> None:
    """The struct's name is empty."""
    with pytest.raises(DecodeError) as caught:
        decode(b'{"port":"x"}', ANONYMOUS)
    assert (
        str(caught.value)
        == "json: cannot unmarshal string into Go struct field .port of type int32"
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            b'{"name":5,"inner":{"size":"10GB"}}',
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
        (b'{"name":5,"inner":{"wait":"10"}}', 'time: missing unit in duration "10"'),
    ],
)
def test_a_value_that_parses_itself_ends_decoding(body: bytes, text: str) -> None:
    """Its text stands alone, and wins over a wrong type before it."""
    with pytest.raises(DecodeError) as caught:
        decode(body, BODY)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"null", {}),
        (b"{}", {}),
        (b'{"name":"a"}}', {"name": "a"}),
        (b'{"name":"a"} trailing', {"name": "a"}),
        (b'{"unknown":[{}],"name":"a"}', {"name": "a"}),
        (b'{"NAME":"a"}', {"name": "a"}),
        (b'{"name":"a","name":"b"}', {"name": "b"}),
        (b'{"name":null}', {}),
        (b'{"name":"a","name":null}', {"name": "a"}),
        (b'{"inner":{"name":"a"},"inner":null}', {}),
        (b'{"name":"\xff\xfe"}', {"name": "\ufffd\ufffd"}),
        (b'{"name":"\\ud800"}', {"name": "\ufffd"}),
        (b'{"name":"\\u00e9\\ud83d\\ude00"}', {"name": "é😀"}),
        (b'{"inner":{"size":5}}', {"inner": {"size": "5"}}),
        (b'{"inner":{"wait":"90m"}}', {"inner": {"wait": 5_400_000_000_000}}),
        (b'{"list":["a",null]}', {"list": ["a", ""]}),
        (b'{"x":' + b"[" * 9_000 + b"]" * 9_000 + b',"name":"a"}', {"name": "a"}),
    ],
)
def test_what_go_lets_pass_is_let_pass(body: bytes, values: dict[str, object]) -> None:
    """Trailing bytes, unknown fields, any case, null, the last duplicate."""
    assert decode(body, BODY) == values


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """Nothing but a DecodeError comes out of a decoder."""
    assert isinstance(outcome(body), str)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_both_parsers_read_the_same(value: object, escaped: bool) -> None:
    """The fast path differs from the exact one in nothing but speed."""
    body = json.dumps({"value": value}, ensure_ascii=escaped).encode("utf-8", "replace")
    assert _plain(parse(body)) == _plain(_Parser(body).parse())


def _plain(node: object) -> object:
    if isinstance(node, Object):
        return [(key, _plain(item)) for key, item in node.members]
    if isinstance(node, list):
        return [_plain(item) for item in node]
    return (type(node), node) if isinstance(node, Number) else node


@given(st.dictionaries(st.text(), JSON))
def test_any_members_are_decoded_or_refused(members: dict[str, object]) -> None:
    """Valid JSON of any shape meets a struct."""
    text = outcome(json.dumps(members).encode())
    assert text.startswith(("json: ", "quantities", "time: ", "unable")) or not text


def test_a_free_value_keeps_its_shape_with_numbers_as_floats() -> None:
    """An interface{} is what JSON is, numbers as float64."""
    value = decode_any(b'{"a":[1,null,{"b":"c"}]}', Map(FREE))
    assert value == {"a": [1.0, None, {"b": "c"}]}
