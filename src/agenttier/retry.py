"""When a request that failed is sent again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from agenttier._operation import NOW, Flow, Operation, Sleep
from agenttier.exceptions import (
    AgentTierError,
    APIConnectionError,
    APITimeoutError,
    ExecTimeoutError,
    HTTPError,
)

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

T = TypeVar("T")

_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
_GATEWAY_STATUSES = frozenset({502, 503, 504})
_LONGEST_RETRY_AFTER = 60.0
_REFUSED_PAUSES = (0.05, 0.2)


@dataclass(frozen=True)
class RetryConfig:
    """Which failures are tried again, and after which pauses.

    Without a config only a request that cannot have reached the Router, because the connection
    was refused, is sent again, twice within 0.25 s.

    With one, these are: requests that never left, of every method; lost connections, timeouts
    and the statuses below on GET, PUT and DELETE, and on POST only with ``retry_post``. A command
    that the Router gave up on is never run again.

    Attributes:
        max_retries: How often a request is sent again at most.
        backoff_factor: Seconds of the first pause; each further one is twice as long.
        backoff_max: Seconds that such a pause has at most.
        retry_status: The statuses that are tried again.
        retry_post: Whether a POST is sent again though it may have been carried out.
        respect_retry_after: Whether a ``Retry-After`` sets the pause, in seconds or as a date. One
            of more than 60 s is not waited for: the error is raised at once.
    """

    max_retries: int = 3
    backoff_factor: float = 0.25
    backoff_max: float = 8.0
    retry_status: AbstractSet[int] = field(
        default_factory=lambda: frozenset({408, 429, 500, 502, 503, 504})
    )
    retry_post: bool = False
    respect_retry_after: bool = True


def retrying(operation: Operation[T], config: RetryConfig | None) -> Flow[T]:
    """Send an operation until it succeeds, fails for good, or its deadline would pass."""
    attempt = 0
    maybe_done = False
    while True:
        try:
            result: T = yield operation
        except AgentTierError as error:
            maybe_done = error.maybe_done = maybe_done or _is_lost(error)
            pause = _pause(operation, error, attempt, config)
            if pause is None:
                raise
            if operation.deadline is not None and (yield NOW) + pause > operation.deadline:
                raise
        else:
            return result
        yield Sleep(pause)
        attempt += 1


def _pause(
    operation: Operation[T], error: AgentTierError, attempt: int, config: RetryConfig | None
) -> float | None:
    """Seconds until the next try; None where there is to be none."""
    if config is None:
        refused = isinstance(error, APIConnectionError) and not error.sent
        return _REFUSED_PAUSES[attempt] if refused and attempt < len(_REFUSED_PAUSES) else None
    if attempt >= config.max_retries or not _is_retried(operation, error, config):
        return None
    if config.respect_retry_after and isinstance(error, HTTPError):
        told = error.retry_after
        if told is not None:
            return told if told <= _LONGEST_RETRY_AFTER else None
    return min(config.backoff_factor * 2.0**attempt, config.backoff_max)


def _is_lost(error: AgentTierError) -> bool:
    """Whether there was an answer that nobody got, or that a gateway stood in for."""
    if isinstance(error, APIConnectionError | APITimeoutError):
        return error.sent
    return isinstance(error, HTTPError) and error.status_code in _GATEWAY_STATUSES


def _is_retried(operation: Operation[T], error: AgentTierError, config: RetryConfig) -> bool:
    repeatable = operation.method in _IDEMPOTENT or config.retry_post
    if isinstance(error, APIConnectionError | APITimeoutError):
        return repeatable or not error.sent
    if isinstance(error, ExecTimeoutError):
        return False
    return isinstance(error, HTTPError) and repeatable and error.status_code in config.retry_status
