"""Who a request says it is from, and that nobody else is told."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import httpx
import pytest

from agenttier import (
    APIKeyAuth,
    AuthProvider,
    BearerTokenAuth,
    InvalidRequestError,
    KubeconfigAuth,
    auth,
    auto_detect_auth,
)

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Colour


def _headers(provider: AuthProvider) -> dict[str, str]:
    request = httpx.Request("GET", "http://router")
    provider.apply(request)
    del request.headers["host"]
    return dict(request.headers)


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Kubernetes would put the token; not there yet."""
    path = tmp_path / "token"
    monkeypatch.setattr(auth, "SERVICE_ACCOUNT_TOKEN", path)
    return path


def test_an_api_key_has_a_header_of_its_own() -> None:
    """X-API-Key; the newline of the file it came from is not part of it."""
    assert _headers(APIKeyAuth("atk_1\n")) == {"x-api-key": "atk_1"}


def test_a_token_is_a_bearer() -> None:
    """Authorization, with exactly Bearer (contract 1.9)."""
    assert _headers(BearerTokenAuth("eyJ.x.y")) == {"authorization": "Bearer eyJ.x.y"}


@pytest.mark.parametrize("provider", [APIKeyAuth, BearerTokenAuth])
@pytest.mark.parametrize("secret", ["", "  ", "s3cret\nX-Evil: 1", "s3crét", "s3cret\x00"])
def test_a_secret_that_no_header_can_carry_is_refused(
    provider: type[AuthProvider], secret: str
) -> None:
    """At once, and without showing it."""
    with pytest.raises(InvalidRequestError) as caught:
        provider(secret)

    assert "s3cr" not in str(caught.value)


def test_a_repr_shows_no_secret(colour: Colour, tmp_path: Path) -> None:
    """Neither of providers, nor of what holds them."""
    (tmp_path / "token").write_text("s3cret")
    kubernetes = KubeconfigAuth(tmp_path / "token")
    _headers(kubernetes)
    client, script = colour.script((200, {"sandboxes": []}), auth=APIKeyAuth("s3cret"))
    colour.call(client.list_sandboxes)

    shown = [APIKeyAuth("s3cret"), BearerTokenAuth("s3cret"), kubernetes, client]
    shown += [client.sandbox("demo"), *script.requests]

    assert "s3cret" not in repr(shown)


def test_the_service_account_token_is_read_again_when_it_rotates(token_file: Path) -> None:
    """Kubernetes replaces the file, of whatever size the new token is."""
    provider = KubeconfigAuth()
    token_file.write_text("one\n")
    assert _headers(provider) == {"authorization": "Bearer one"}

    successor = token_file.with_name("next")
    successor.write_text("two\n")
    successor.replace(token_file)

    assert _headers(provider) == {"authorization": "Bearer two"}


def test_a_token_written_in_place_is_read_again(token_file: Path) -> None:
    """The same file with another time of change."""
    provider = KubeconfigAuth()
    token_file.write_text("one")
    _headers(provider)

    token_file.write_text("two")
    os.utime(token_file, (1, 1))

    assert _headers(provider) == {"authorization": "Bearer two"}


def test_an_unchanged_token_is_not_read_again(token_file: Path) -> None:
    """A request costs a look at the file's date only."""
    provider = KubeconfigAuth()
    token_file.write_text("one")
    os.utime(token_file, (1, 1))
    _headers(provider)

    token_file.write_text("two")
    os.utime(token_file, (1, 1))

    assert _headers(provider) == {"authorization": "Bearer one"}


def test_outside_a_cluster_there_are_no_credentials(token_file: Path) -> None:
    """The Router's dev mode takes such requests."""
    assert _headers(KubeconfigAuth()) == {}


def test_a_token_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    """The caller meant it."""
    with pytest.raises(InvalidRequestError, match="cannot be read: No such file"):
        _headers(KubeconfigAuth(tmp_path / "token"))


def test_a_token_file_that_cannot_be_read_is_an_error(token_file: Path) -> None:
    """Not the same as none."""
    token_file.mkdir()

    with pytest.raises(InvalidRequestError, match="cannot be read"):
        _headers(KubeconfigAuth())


def test_an_empty_token_file_is_an_error(token_file: Path) -> None:
    """A Router would only say that the header is malformed."""
    token_file.write_text("\n")

    with pytest.raises(InvalidRequestError, match="is empty"):
        _headers(KubeconfigAuth())


@pytest.mark.parametrize(
    ("environment", "token", "headers"),
    [
        ({"AGENTTIER_API_KEY": "k", "AGENTTIER_TOKEN": "t"}, "sa", {"x-api-key": "k"}),
        ({"AGENTTIER_TOKEN": "t"}, "sa", {"authorization": "Bearer t"}),
        ({"AGENTTIER_API_KEY": " ", "AGENTTIER_TOKEN": ""}, "sa", {"authorization": "Bearer sa"}),
        ({}, "sa", {"authorization": "Bearer sa"}),
        ({}, None, {}),
    ],
)
def test_credentials_are_found_in_order(
    environment: dict[str, str],
    token: str | None,
    headers: dict[str, str],
    token_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Key, token, service account, none; empty variables are as good as unset."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if token:
        token_file.write_text(token)

    assert _headers(auto_detect_auth()) == headers


def test_a_client_without_auth_looks_for_some(
    colour: Colour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it is made."""
    monkeypatch.setenv("AGENTTIER_API_KEY", "from-env")
    client, script = colour.script((200, {"sandboxes": []}), auth=None)

    colour.call(client.list_sandboxes)

    assert script.requests[0].headers["x-api-key"] == "from-env"


def test_a_provider_of_ones_own_sets_headers(colour: Colour) -> None:
    """As with the released SDK; it is asked for each request."""

    class Counting(AuthProvider):
        def __init__(self) -> None:
            self.count = 0

        def apply(self, request: httpx.Request) -> None:
            self.count += 1
            request.headers["Authorization"] = f"Bearer {self.count}"

    client, script = colour.script((200, {"sandboxes": []}), auth=Counting())

    colour.call(client.list_sandboxes)
    colour.call(client.list_sandboxes)

    assert [each.headers["authorization"] for each in script.requests] == ["Bearer 1", "Bearer 2"]
