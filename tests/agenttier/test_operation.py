"""What a call is, before anybody sends it."""

from __future__ import annotations

import json
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agenttier import APIResponseError, HTTPError, InvalidRequestError
from agenttier._operation import Answer, Operation, nothing, path
from agenttier._resources.sandboxes import get_sandbox

HOSTILE = st.text() | st.text(alphabet="./?#%\\;&=+ \x00\r\n\t~é:@", max_size=12)


@given(HOSTILE)
def test_no_text_reaches_another_endpoint(text: str) -> None:
    """A segment comes back as it was given, once decoded, or is refused: as URL and on the wire."""
    try:
        made = path("sandboxes", text, "stop")
    except InvalidRequestError:
        assert text in ("", ".", "..") or "/" in text
        return

    sent = httpx.URL(f"http://router{made}").raw_path.decode("ascii")

    assert sent == made
    assert [unquote(each, errors="strict") for each in sent.split("/")] == [
        "", "api", "v1", "sandboxes", text, "stop",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", ".", "..", "/", "a/b", "a/../b", "../templates", "\ud800"])
def test_text_that_names_another_endpoint_however_quoted_is_refused(text: str) -> None:
    """The Router decodes %2F and %2E before it matches (contract 1.3)."""
    with pytest.raises(InvalidRequestError, match=r"cannot name|can be sent"):
        path("sandboxes", text)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("demo", "demo"),
        ("a.b-c", "a.b-c"),
        ("a b", "a%20b"),
        ("a%2Fb", "a%252Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("..%2f", "..%252f"),
        ("\x00", "%00"),
        ("é", "%C3%A9"),
        ("...", "..."),
    ],
)
def test_other_text_is_quoted(text: str, quoted: str) -> None:
    """Everything but letters, digits and -._~ is percent-encoded."""
    assert path("sandboxes", text) == f"/api/v1/sandboxes/{quoted}"


def test_a_query_is_encoded_and_none_is_left_out() -> None:
    """Parameters that are None are not sent, empty ones are."""
    operation = Operation("GET", "/p", nothing, query={"a": "x&b=1", "c": None, "d": ""})

    assert operation.target == "/p?a=x%26b%3D1&d="


def test_a_body_is_compact_utf8() -> None:
    """JSON goes out as UTF-8, not escaped."""
    operation = Operation("POST", "/p", nothing, body={"command": "echo é", "timeout": 30})

    assert operation.content == '{"command":"echo é","timeout":30}'.encode()


def test_text_that_is_no_unicode_is_refused() -> None:
    """A lone surrogate would reach the sandbox as another character."""
    operation = Operation("POST", "/p", nothing, body={"command": "\udc80"})

    with pytest.raises(InvalidRequestError, match="no text that can be sent"):
        operation.content  # noqa: B018 (encoding is what raises)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"status":"stopping"}\n'])
def test_an_answer_of_which_only_the_status_matters_is_empty_or_json(body: bytes) -> None:
    """204 has no body, stop and resume send one (contract 3.5)."""
    assert Operation("POST", "/p", nothing).result(Answer(200, {}, body)) is None


def test_a_login_page_is_not_taken_for_success() -> None:
    """HTML with status 200 is an error, also where the body does not matter."""
    operation = Operation("POST", "/api/v1/sandboxes/demo/stop", nothing)

    with pytest.raises(APIResponseError) as caught:
        operation.result(Answer(200, {"content-type": "text/html"}, b"<html>Sign in</html>"))

    assert caught.value.status_code == 200
    assert caught.value.body == "<html>Sign in</html>"
    assert "text/html: '<html>Sign in</html>'" in str(caught.value)
    assert "Does api_url lead to the Router" in str(caught.value)


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["retry-after", "date", "content-type", "x-request-id", "location"]),
        st.text()
        | st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ (GMT|[+-]\d+)", fullmatch=True),
    ),
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["error", "message", "violations", "name"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
    | st.just(b"[" * 100_000),
)
def test_no_answer_ends_in_another_error(status: int, headers: dict[str, str], body: bytes) -> None:
    """Whatever a server sends, the error is one of ours, and can be printed."""
    with pytest.raises(HTTPError) as caught:
        get_sandbox("demo").result(Answer(status, headers, body))

    assert f"({status} to GET /api/v1/sandboxes/demo" in str(caught.value)


def test_json_without_end_is_an_error() -> None:
    """Also where the body does not matter."""
    with pytest.raises(APIResponseError):
        Operation("POST", "/p", nothing).result(Answer(200, {}, b"[" * 100_000))
