"""The caller: identity, API keys, preferences (contract 3.11, 8.8 and 8.10)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..go.decoding import FREE, Field, Map, Struct
from ..go.durations import parse_duration
from ..go.encoding import encode_free
from ..wire import Response, json_response
from . import Call, Refusal

if TYPE_CHECKING:
    from ..auth import ApiKey

_MINT = Struct("", (Field("name", omitempty=True), Field("expiresIn", omitempty=True)))
_PREFERENCES = Map(FREE)


def me(call: Call) -> Response:
    """GET /user/me (contract 3.11)."""
    caller = call.caller
    nothing = None if call.quirks["key_groups_are_null"] else ()
    return json_response(
        200,
        {
            "email": caller.email,
            "groups": nothing if caller.groups is None else caller.groups,
            "isAdmin": caller.admin,
            "name": caller.name,
            "sub": caller.sub,
        },
    )


def list_keys(call: Call) -> Response:
    """GET /user/api-keys (contract 8.8)."""
    keys = [_key_object(key) for key in call.credentials.keys_of(call.caller.sub)]
    return json_response(200, {"keys": keys})


def mint_key(call: Call) -> Response:
    """POST /user/api-keys (contract 8.8); the body is optional."""
    body = call.decode_optional(_MINT)
    expires_in, label = body.text("expiresIn"), body.text("name")
    secret, key = call.credentials.mint_key(
        call.caller, label=label, lifetime=_lifetime(expires_in) if expires_in else None
    )
    return json_response(
        201,
        {
            "createdAt": _rfc3339(key.created_at),
            "expiresAt": None if key.expires_at is None else _rfc3339(key.expires_at),
            "id": key.id,
            "key": secret,
            "name": label,
            "warning": "Store this key now — it cannot be retrieved again.",
        },
    )


def revoke_key(call: Call, key_id: str) -> Response:
    """DELETE /user/api-keys/{id} (contract 8.8)."""
    key = call.credentials.find_key(key_id)
    if key is None:
        raise Refusal(404, "api key not found")
    if key.caller.sub != call.caller.sub and not call.caller.admin:
        raise Refusal(403, "you do not own this API key")
    call.credentials.revoke(key_id)
    return json_response(200, {"id": key_id, "status": "revoked"})


def get_preferences(call: Call) -> Response:
    """GET /user/preferences (contract 8.10)."""
    return _stored_json(call.state.preferences(call.caller.sub))


def set_preferences(call: Call) -> Response:
    """PUT /user/preferences (contract 8.10)."""
    try:
        text = encode_free(call.decode_any(_PREFERENCES))
    except RecursionError as error:
        # Go's stack holds more than Python's; what is refused here is nested absurdly deep.
        raise Refusal(400, "invalid request body: exceeded max depth") from error
    call.state.set_preferences(call.caller.sub, text)
    return _stored_json(text)


def _stored_json(text: str) -> Response:
    response = json_response(200, None)
    response.body = text.encode() + b"\n"
    return response


def _lifetime(text: str) -> float:
    try:
        nanoseconds = parse_duration(text)
    except ValueError:
        nanoseconds = 0
    if nanoseconds <= 0:
        raise Refusal(400, 'expiresIn must be a positive Go duration (e.g. "720h")')
    return nanoseconds / 1e9


def _key_object(key: ApiKey) -> dict[str, Any]:
    shown = {
        "id": key.id,
        "userId": key.caller.sub,
        "name": key.caller.name,
        "createdAt": _rfc3339(key.created_at),
    }
    if key.expires_at is not None:
        shown["expiresAt"] = _rfc3339(key.expires_at)
    return shown


def _rfc3339(seconds: float) -> str:
    """RFC 3339 with nanoseconds, trailing zeros dropped (contract 2)."""
    nanoseconds = int(seconds * 1e9)
    whole, part = divmod(nanoseconds, 10**9)
    fraction = f".{part:09d}".rstrip("0") if part else ""
    return time.strftime(f"%Y-%m-%dT%H:%M:%S{fraction}Z", time.gmtime(whole))
