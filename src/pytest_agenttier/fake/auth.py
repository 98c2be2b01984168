"""Who is calling: API keys, bearer tokens, the dev identity (contract 1.9)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .go.encoding import encode
from .go.parsing import DecodeError, Object, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .clock import FakeClock

ADMIN_GROUP = "agenttier-admins"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated identity; with an API key its groups are None and it is never admin."""

    sub: str
    email: str
    name: str
    groups: tuple[str, ...] | None = None

    @property
    def admin(self) -> bool:
        """Whether a group makes it an administrator."""
        return self.groups is not None and ADMIN_GROUP in self.groups


ANONYMOUS = Caller("", "", "")
DEV_USER = Caller("dev-user", "dev@agenttier.local", "Dev User", (ADMIN_GROUP,))


class Unauthorized(Exception):  # noqa: N818 - what the caller is
    """The request carries nothing that identifies its caller; the text is the answer's body."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A minted key; the secret itself is what it is stored under."""

    id: str
    caller: Caller
    created_at: float
    expires_at: float | None
    """Seconds since the epoch, as is ``created_at``."""


@dataclass(frozen=True, slots=True)
class _Token:
    caller: Caller
    expires_at: float | None


class Credentials:
    """The API keys and bearer tokens that are valid. Thread-safe."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._keys: dict[str, ApiKey] = {}
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.Lock()
        self._key_id = secrets.token_hex(8)

    def mint_key(
        self, user: Caller, *, label: str = "", lifetime: float | None = None
    ) -> tuple[str, ApiKey]:
        """A new API key of a user; its identity is named after the label, without groups."""
        secret = f"atk_{secrets.token_urlsafe(32)}"
        now = self._clock.time()
        key = ApiKey(
            f"agenttier-apikey-{hashlib.sha256(secret.encode()).hexdigest()[:40]}",
            Caller(user.sub, user.email, label),
            now,
            None if lifetime is None else now + lifetime,
        )
        with self._lock:
            self._keys[secret] = key
        return secret, key

    def keys_of(self, sub: str) -> list[ApiKey]:
        """A user's keys by id, expired ones included."""
        with self._lock:
            return sorted(
                (key for key in self._keys.values() if key.caller.sub == sub),
                key=lambda key: key.id,
            )

    def find_key(self, key_id: str) -> ApiKey | None:
        """The key with this id."""
        with self._lock:
            return next((key for key in self._keys.values() if key.id == key_id), None)

    def revoke(self, key_id: str) -> None:
        """Forget a key."""
        with self._lock:
            self._keys = {s: key for s, key in self._keys.items() if key.id != key_id}

    def mint_token(self, user: Caller, *, lifetime: float | None = None) -> str:
        """A bearer token of a user, as an OIDC issuer would hand out."""
        header = _base64url(encode({"alg": "RS256", "kid": self._key_id, "typ": "JWT"}))
        payload = _base64url(encode({"sub": user.sub, "email": user.email, "name": user.name}))
        token = f"{header}.{payload}.{secrets.token_urlsafe(256)}"
        expires = None if lifetime is None else self._clock.time() + lifetime
        with self._lock:
            self._tokens[token] = _Token(user, expires)
        return token

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller a request's headers (by lower-case name) speak for.

        Raises:
            Unauthorized: with the body of the 401.
        """
        secret = headers.get("x-api-key")
        if secret:
            key = self._keys.get(secret)
            if key is None or self._expired(key.expires_at):
                raise Unauthorized('{"error":"invalid_api_key"}')
            return key.caller
        authorization = headers.get("authorization")
        if not authorization:
            raise Unauthorized('{"error":"missing_authorization"}')
        scheme, _, bearer = authorization.partition(" ")
        if scheme != "Bearer" or not bearer:
            raise Unauthorized('{"error":"invalid_authorization_format"}')
        token = self._tokens.get(bearer)
        if token is not None and not self._expired(token.expires_at):
            return token.caller
        reason = "token expired" if token is not None else _why_invalid(bearer, self._key_id)
        # The reason is spliced in unescaped, quotes and all.
        raise Unauthorized(f'{{"error":"invalid_token","message":"{reason}"}}')

    def _expired(self, at: float | None) -> bool:
        return at is not None and self._clock.time() >= at


def _why_invalid(token: str, known_key_id: str) -> str:
    parts = token.split(".")
    if len(parts) != 3:
        return f"invalid JWT format: expected 3 parts, got {len(parts)}"
    header = parts[0].replace("\r", "").replace("\n", "")
    stray = re.search("[^A-Za-z0-9_-]", header)
    if stray is not None or len(header) % 4 == 1:
        at = stray.start() if stray is not None else len(header) - 1
        return f"failed to decode JWT header: illegal base64 data at input byte {at}"
    try:
        claims = parse(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except DecodeError as error:
        text = "unexpected end of JSON input" if "EOF" in str(error) else str(error)
        return f"failed to parse JWT header: {text}"
    fields = dict(claims.members) if isinstance(claims, Object) else {}
    algorithm = fields.get("alg") or ""
    if algorithm != "RS256":
        return f'unsupported JWT alg "{algorithm}": only RS256 is accepted'
    if fields.get("kid") != known_key_id:
        return f"signing key not found: key {fields.get('kid') or ''} not found in JWKS cache"
    return "signature verification failed: RS256 signature invalid: crypto/rsa: verification error"


def _base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
