"""Who is calling: keys, tokens, the dev identity (contract 1.9, 3.11, 8.8, 8.10)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_agenttier.fake import FakeRouter
    from pytest_agenttier.fake.wire import Response

ME = "/api/v1/user/me"
KEYS = "/api/v1/user/api-keys"


def short(response: Response) -> tuple[int, object]:
    return response.status, response.body


def test_with_a_key_groups_are_null_and_the_name_is_the_label(router: FakeRouter) -> None:
    """Also for an administrator, who is none by key."""
    key = router.add_user("root", email="root@x.io", name="Root", groups=("agenttier-admins",))

    assert short(router.get(ME, {"X-API-Key": key})) == (
        200,
        b'{"email":"root@x.io","groups":null,"isAdmin":false,"name":"Root","sub":"root"}\n',
    )
    labelled = router.mint_key("root", label="ci")
    assert b'"name":"ci"' in router.get(ME, {"x-api-key": labelled}).body  # type: ignore[operator] # JSON is bytes


def test_with_a_token_groups_are_there(router: FakeRouter) -> None:
    """An empty claim is an empty list."""
    router.add_user("bob", email="bob@x.io", name="Bob")
    router.add_user("root", email="root@x.io", name="Root", groups=("agenttier-admins",))

    def me(sub: str) -> object:
        return router.get(ME, {"Authorization": f"Bearer {router.mint_token(sub)}"}).body

    assert (
        me("bob") == b'{"email":"bob@x.io","groups":[],"isAdmin":false,"name":"Bob","sub":"bob"}\n'
    )
    assert me("root") == (
        b'{"email":"root@x.io","groups":["agenttier-admins"],"isAdmin":true,'
        b'"name":"Root","sub":"root"}\n'
    )


def test_dev_auth_ignores_whatever_is_sent(dev: FakeRouter) -> None:
    """Even a wrong key."""
    assert short(dev.get(ME, {"X-API-Key": "wrong"})) == (
        200,
        b'{"email":"dev@agenttier.local","groups":["agenttier-admins"],"isAdmin":true,'
        b'"name":"Dev User","sub":"dev-user"}\n',
    )


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, '{"error":"missing_authorization"}'),
        ({"X-API-Key": ""}, '{"error":"missing_authorization"}'),
        ({"Authorization": ""}, '{"error":"missing_authorization"}'),
        ({"X-API-Key": "atk_wrong"}, '{"error":"invalid_api_key"}'),
        ({"Authorization": "Bearer"}, '{"error":"invalid_authorization_format"}'),
        ({"Authorization": "bearer x"}, '{"error":"invalid_authorization_format"}'),
        ({"Authorization": "Basic eA=="}, '{"error":"invalid_authorization_format"}'),
        (
            {"Authorization": "Bearer a.b"},
            '{"error":"invalid_token","message":"invalid JWT format: expected 3 parts, got 2"}',
        ),
        (
            {"Authorization": "Bearer !!.e30.c2ln"},
            '{"error":"invalid_token","message":'
            '"failed to decode JWT header: illegal base64 data at input byte 0"}',
        ),
        (
            {"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln"},
            '{"error":"invalid_token","message":'
            '"unsupported JWT alg "HS256": only RS256 is accepted"}',
        ),
        (
            {"Authorization": "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.e30.c2ln"},
            '{"error":"invalid_token","message":'
            '"signing key not found: key k not found in JWKS cache"}',
        ),
    ],
)
def test_who_is_not_identified_is_401(
    router: FakeRouter, headers: dict[str, str], body: str
) -> None:
    """JSON as plain text; a token's reason is spliced in unescaped."""
    response = router.get(ME, headers)

    assert short(response) == (401, f"{body}\n".encode())
    assert ("Content-Type", "text/plain; charset=utf-8") in response.headers
    assert ("X-Content-Type-Options", "nosniff") in response.headers


def test_a_wrong_key_is_final(router: FakeRouter) -> None:
    """No fallback to a valid token."""
    token = router.mint_token("tester")

    response = router.get(ME, {"X-API-Key": "wrong", "Authorization": f"Bearer {token}"})

    assert short(response) == (401, b'{"error":"invalid_api_key"}\n')


def test_a_forged_signature_is_told(router: FakeRouter) -> None:
    """The key is known, the signature is not its own."""
    header, payload, _ = router.mint_token("tester").split(".")

    assert short(router.get(ME, {"Authorization": f"Bearer {header}.{payload}.x"})) == (
        401,
        b'{"error":"invalid_token","message":"signature verification failed: RS256 signature '
        b'invalid: crypto/rsa: verification error"}\n',
    )


def test_a_token_expires_on_the_fakes_clock(router: FakeRouter) -> None:
    """And says so."""
    headers = {"Authorization": f"Bearer {router.mint_token('tester', lifetime=60)}"}
    assert router.get(ME, headers).status == 200

    router.clock.advance(60)

    assert short(router.get(ME, headers)) == (
        401,
        b'{"error":"invalid_token","message":"token expired"}\n',
    )


def test_a_key_is_minted_used_listed_and_revoked(router: FakeRouter) -> None:
    """Shown once; unknown fields are ignored in 0.8.1."""
    minted = router.post(KEYS, b'{"name":"x","foo":1,"expiresIn":"1h"}')
    shown = json.loads(minted.body)
    assert minted.status == 201
    assert list(shown) == ["createdAt", "expiresAt", "id", "key", "name", "warning"]
    assert router.get(ME, {"X-API-Key": shown["key"]}).status == 200
    listed = json.loads(router.get(KEYS).body)["keys"]
    assert [key["name"] for key in listed if key["id"] == shown["id"]] == ["x"]

    bob = {"X-API-Key": router.add_user("bob")}
    assert router.delete(f"{KEYS}/{shown['id']}", bob).status == 403
    revoked = router.delete(f"{KEYS}/{shown['id']}")

    assert short(revoked) == (200, f'{{"id":"{shown["id"]}","status":"revoked"}}\n'.encode())
    assert router.get(ME, {"X-API-Key": shown["key"]}).status == 401
    assert short(router.delete(f"{KEYS}/{shown['id']}")) == (
        404,
        b'{"error":"api key not found"}\n',
    )


def test_a_key_expires_on_the_fakes_clock(router: FakeRouter) -> None:
    """An expired key is an unknown one, but stays listed."""
    shown = json.loads(router.post(KEYS, b'{"expiresIn":"1s"}').body)

    router.clock.advance(1)

    assert short(router.get(ME, {"X-API-Key": shown["key"]})) == (
        401,
        b'{"error":"invalid_api_key"}\n',
    )
    assert shown["id"] in {key["id"] for key in json.loads(router.get(KEYS).body)["keys"]}


def test_preferences_nested_too_deep_are_refused(router: FakeRouter) -> None:
    """As Go does at 10,000, though earlier."""
    deep = b'{"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}"

    assert short(router.put("/api/v1/user/preferences", deep)) == (
        400,
        b'{"error":"invalid request body: exceeded max depth"}\n',
    )


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        (b"{}", b"{}\n"),
        (b"null", b"null\n"),
        (
            b'{"b":1,"a":{"z":[1.5,null]},"n":12345678901234567890}',
            b'{"a":{"z":[1.5,null]},"b":1,"n":12345678901234567000}\n',
        ),
        (b'{"d":-0,"a":1e-7,"b":1e30}', b'{"a":1e-7,"b":1e+30,"d":-0}\n'),
    ],
)
def test_preferences_come_back_as_go_keeps_them(
    router: FakeRouter, sent: bytes, stored: bytes
) -> None:
    """Sorted, numbers as float64; each user has their own."""
    bob = {"X-API-Key": router.add_user("bob")}

    assert short(router.put("/api/v1/user/preferences", sent)) == (200, stored)
    assert short(router.get("/api/v1/user/preferences")) == (200, stored)
    assert short(router.get("/api/v1/user/preferences", bob)) == (200, b"{}\n")
