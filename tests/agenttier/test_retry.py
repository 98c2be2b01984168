"""What is sent again, after which pause, and what never is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agenttier import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ExecTimeoutError,
    RateLimitError,
    RetryConfig,
    SandboxTimeoutError,
)

from .conftest import RUNNING

if TYPE_CHECKING:
    from .conftest import Colour

REFUSED = httpx.ConnectError("[Errno 111] Connection refused")
LOST = httpx.RemoteProtocolError("Server disconnected without sending a response.")
OK = (200, RUNNING)
UNAVAILABLE = (503, {"error": "unavailable"})
DONE = (200, {"status": "stopping"})


def test_a_refused_connection_is_tried_again_by_itself(colour: Colour) -> None:
    """Nothing has left, so any method can be sent again; twice, soon."""
    client, script = colour.script(REFUSED, REFUSED, DONE)

    colour.call(client.sandbox("demo").stop)

    assert script.lines == ["POST /api/v1/sandboxes/demo/stop"] * 3
    assert script.clock.pauses == [0.05, 0.2]


def test_a_router_that_stays_away_is_an_error_soon(colour: Colour) -> None:
    """After three tries."""
    client, script = colour.script(REFUSED)

    with pytest.raises(APIConnectionError, match="no connection to http://router/api/v1/user/me"):
        colour.call(client.current_user)

    assert len(script.requests) == 3


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (LOST, APIConnectionError),
        (httpx.ReadError("reset"), APIConnectionError),
        (httpx.WriteError("broken pipe"), APIConnectionError),
        (httpx.ReadTimeout("timed out"), APITimeoutError),
        (httpx.ConnectTimeout("timed out"), APITimeoutError),
        (httpx.PoolTimeout("timed out"), APITimeoutError),
        (UNAVAILABLE, APIError),
    ],
)
def test_nothing_else_is_tried_again_by_itself(
    colour: Colour, failure: Any, error: type[Exception]
) -> None:
    """What may have been carried out, or has waited long, is the caller's decision."""
    client, script = colour.script(failure, OK)

    with pytest.raises(error):
        colour.call(client.get_sandbox, "demo")

    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_config_tries_these_statuses_again(colour: Colour, status: int) -> None:
    """On methods that can be repeated."""
    client, script = colour.script((status, {"error": "x"}), OK, retry=RetryConfig())

    assert colour.call(client.get_sandbox, "demo").id == "demo"
    assert script.clock.pauses == [0.25]


@pytest.mark.parametrize("failure", [LOST, httpx.ReadTimeout("x"), httpx.ConnectTimeout("x")])
def test_a_config_tries_lost_connections_again(colour: Colour, failure: Exception) -> None:
    """On methods that can be repeated."""
    client, script = colour.script(failure, (204, b""), retry=RetryConfig())

    colour.call(client.sandbox("demo").terminate)

    assert script.lines == ["DELETE /api/v1/sandboxes/demo"] * 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 501])
def test_other_statuses_are_final(colour: Colour, status: int) -> None:
    """Asking again would not help."""
    client, script = colour.script((status, {"error": "x"}), OK, retry=RetryConfig())

    with pytest.raises(Exception, match="x"):
        colour.call(client.get_sandbox, "demo")

    assert len(script.requests) == 1


@pytest.mark.parametrize("failure", [UNAVAILABLE, LOST, httpx.ReadTimeout("x")])
def test_a_post_is_tried_again_only_if_asked_for(colour: Colour, failure: Any) -> None:
    """It may have been carried out."""
    careful, script = colour.script(failure, DONE, retry=RetryConfig())
    with pytest.raises((APIError, APIConnectionError, APITimeoutError)):
        colour.call(careful.sandbox("demo").stop)
    assert len(script.requests) == 1

    bold, script = colour.script(failure, DONE, retry=RetryConfig(retry_post=True))
    colour.call(bold.sandbox("demo").stop)
    assert len(script.requests) == 2


def test_a_post_that_never_left_is_tried_again_under_any_config(colour: Colour) -> None:
    """Refused connections and those that did not come up in time."""
    timeout = httpx.ConnectTimeout("timed out")
    client, script = colour.script(REFUSED, timeout, DONE, retry=RetryConfig())

    colour.call(client.sandbox("demo").stop)

    assert len(script.requests) == 3


def test_a_command_the_router_gave_up_on_is_never_run_again(colour: Colour) -> None:
    """It would run twice, and end the same way (contract 5.1)."""
    answer = {"error": 'exec failed: Post "http://10.0.0.1:9000/exec": net/http: timeout'
              " awaiting response headers"}  # fmt: skip
    client, script = colour.script((500, answer), retry=RetryConfig(retry_post=True))

    with pytest.raises(ExecTimeoutError):
        colour.call(client.sandbox("demo").exec, "make")

    assert len(script.requests) == 1


def test_pauses_double_up_to_their_maximum(colour: Colour) -> None:
    """backoff_factor, times two, at most backoff_max; max_retries times."""
    config = RetryConfig(max_retries=5, backoff_factor=1.0, backoff_max=5.0)
    client, script = colour.script(UNAVAILABLE, retry=config)

    with pytest.raises(APIError, match="unavailable"):
        colour.call(client.current_user)

    assert script.clock.pauses == [1.0, 2.0, 4.0, 5.0, 5.0]


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "60"}, 60.0),
        (
            {
                "Retry-After": "Wed, 25 Nov 2026 10:30:48 GMT",
                "Date": "Wed, 25 Nov 2026 10:30:36 GMT",
            },
            12.0,
        ),
        (
            {
                "Retry-After": "Wed, 25 Nov 2026 10:30:00 GMT",
                "Date": "Wed, 25 Nov 2026 10:30:36 GMT",
            },
            0.0,
        ),
        ({"Retry-After": "Wed, 25 Nov 2026 10:30:48 GMT"}, 0.25),
        ({"Retry-After": "soon"}, 0.25),
        ({"Retry-After": "-1"}, 0.25),
        ({}, 0.25),
    ],
)
def test_retry_after_sets_the_pause(colour: Colour, headers: dict[str, str], pause: float) -> None:
    """In seconds, or as a date that is compared with the answer's own."""
    limited = (429, {"error": "rate_limited"}, headers)
    client, script = colour.script(limited, OK, retry=RetryConfig())

    colour.call(client.get_sandbox, "demo")

    assert script.clock.pauses == [pause]


def test_retry_after_can_be_ignored(colour: Colour) -> None:
    """respect_retry_after=False keeps to the own pauses."""
    limited = (429, {"error": "rate_limited"}, {"Retry-After": "7"})
    client, script = colour.script(limited, OK, retry=RetryConfig(respect_retry_after=False))

    colour.call(client.get_sandbox, "demo")

    assert script.clock.pauses == [0.25]


def test_a_retry_after_of_centuries_is_not_waited_for(colour: Colour) -> None:
    """A batch that can never pass gets one (contract 1.10)."""
    limited = (429, {"error": "rate_limited"}, {"Retry-After": "9223372037"})
    client, script = colour.script(limited, OK, retry=RetryConfig())

    with pytest.raises(RateLimitError) as caught:
        colour.call(client.get_sandbox, "demo")

    assert caught.value.retry_after == 9223372037.0
    assert script.clock.pauses == []


def test_no_retry_goes_past_the_deadline_of_a_wait(colour: Colour) -> None:
    """The wait's own pauses end at it, too."""
    config = RetryConfig(max_retries=9, backoff_factor=4.0)
    client, script = colour.script(UNAVAILABLE, retry=config)

    with pytest.raises(SandboxTimeoutError):
        colour.call(client.sandbox("demo").wait_until_running, 5.0)

    assert script.clock.seconds == pytest.approx(5.0)
