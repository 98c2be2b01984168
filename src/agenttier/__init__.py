"""Typed client of the AgentTier Router, synchronous and asynchronous.

The errors that calls can end in are drawn in ``agenttier.exceptions``.

PYTEST_DONT_REWRITE
"""

from agenttier._http import __version__
from agenttier.auth import (
    APIKeyAuth,
    AuthProvider,
    BearerTokenAuth,
    KubeconfigAuth,
    auto_detect_auth,
)
from agenttier.client import AgentTierClient, AsyncAgentTierClient, SandboxCreation
from agenttier.exceptions import (
    AgentTierError,
    APIConnectionError,
    APIError,
    APIResponseError,
    APITimeoutError,
    AuthenticationError,
    AuthorizationError,
    ClientClosedError,
    CommandError,
    ConflictError,
    ExecTimeoutError,
    HTTPError,
    InvalidRequestError,
    NotFoundError,
    PolicyViolationError,
    RateLimitError,
    SandboxErrorState,
    SandboxTimeoutError,
)
from agenttier.models import (
    CommandResult,
    CreatedBy,
    CurrentUser,
    ForwardedPort,
    SandboxPhase,
    SandboxSummary,
    Template,
)
from agenttier.retry import RetryConfig
from agenttier.sandbox import AsyncSandbox, Sandbox

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIKeyAuth",
    "APIResponseError",
    "APITimeoutError",
    "AgentTierClient",
    "AgentTierError",
    "AsyncAgentTierClient",
    "AsyncSandbox",
    "AuthProvider",
    "AuthenticationError",
    "AuthorizationError",
    "BearerTokenAuth",
    "ClientClosedError",
    "CommandError",
    "CommandResult",
    "ConflictError",
    "CreatedBy",
    "CurrentUser",
    "ExecTimeoutError",
    "ForwardedPort",
    "HTTPError",
    "InvalidRequestError",
    "KubeconfigAuth",
    "NotFoundError",
    "PolicyViolationError",
    "RateLimitError",
    "RetryConfig",
    "Sandbox",
    "SandboxCreation",
    "SandboxErrorState",
    "SandboxPhase",
    "SandboxSummary",
    "SandboxTimeoutError",
    "Template",
    "__version__",
    "auto_detect_auth",
]
