"""How requests prove who sends them.

A provider of your own is a subclass of ``AuthProvider`` that sets headers:

```
class TeamAuth(AuthProvider):
    def apply(self, request):
        request.headers["Authorization"] = f"Bearer {mint()}"
```
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from agenttier.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from agenttier._http import Request

SERVICE_ACCOUNT_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class AuthProvider(ABC):
    """Adds credentials to a request."""

    @abstractmethod
    def apply(self, request: Request) -> None:
        """Set what proves the caller in ``request.headers``; called once for each request sent."""


class APIKeyAuth(AuthProvider):
    """An AgentTier API key, sent as ``X-API-Key``."""

    def __init__(self, api_key: str) -> None:
        self._api_key = _header_text(api_key, "the API key")

    def apply(self, request: Request) -> None:
        """Set ``X-API-Key``."""
        request.headers["X-API-Key"] = self._api_key

    def __repr__(self) -> str:
        return "APIKeyAuth('***')"


class BearerTokenAuth(AuthProvider):
    """A bearer token, such as an OIDC identity token, sent as ``Authorization``."""

    def __init__(self, token: str) -> None:
        self._authorization = f"Bearer {_header_text(token, 'the token')}"

    def apply(self, request: Request) -> None:
        """Set ``Authorization``."""
        request.headers["Authorization"] = self._authorization

    def __repr__(self) -> str:
        return "BearerTokenAuth('***')"


class KubeconfigAuth(AuthProvider):
    """The pod's service account token, read again when the cluster rotates it.

    Args:
        token_path: The file that holds the token. Without one, the place where Kubernetes puts
            it; where that file does not exist, requests go out without credentials.
    """

    def __init__(self, token_path: str | Path | None = None) -> None:
        self._path = SERVICE_ACCOUNT_TOKEN if token_path is None else Path(token_path)
        self._optional = token_path is None
        self._read: tuple[_Version, str] | None = None

    def apply(self, request: Request) -> None:
        """Set ``Authorization``.

        Raises:
            InvalidRequestError: The token's file cannot be read or holds no token.
        """
        try:
            token = self._token()
        except FileNotFoundError as error:
            if self._optional:
                return
            raise _unreadable(self._path, error) from error
        except OSError as error:
            raise _unreadable(self._path, error) from error
        request.headers["Authorization"] = f"Bearer {token}"

    def _token(self) -> str:
        stat = self._path.stat()
        version = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        read = self._read
        if read is None or read[0] != version:
            text = self._path.read_bytes().decode("utf-8", "replace")
            read = self._read = (version, _header_text(text, f"the token in {self._path}"))
        return read[1]

    def __repr__(self) -> str:
        return f"KubeconfigAuth({str(self._path)!r})"


def auto_detect_auth() -> AuthProvider:
    """The credentials that the environment offers.

    In this order: ``AGENTTIER_API_KEY``, ``AGENTTIER_TOKEN``, the pod's service account token,
    none.
    """
    if api_key := os.environ.get("AGENTTIER_API_KEY", "").strip():
        return APIKeyAuth(api_key)
    if token := os.environ.get("AGENTTIER_TOKEN", "").strip():
        return BearerTokenAuth(token)
    return KubeconfigAuth()


_Version = tuple[int, int, int]


def _unreadable(path: Path, error: OSError) -> InvalidRequestError:
    return InvalidRequestError(f"the token in {path} cannot be read: {error.strerror}")


def _header_text(secret: str, what: str) -> str:
    """A secret without the newline of the file it came from; checked, and never shown."""
    text = secret.strip()
    if not text:
        raise InvalidRequestError(f"{what} is empty")
    if not (text.isascii() and text.isprintable()):
        raise InvalidRequestError(f"{what} has characters that no header can carry")
    return text
