"""Forwarded ports (contract 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_agenttier.fake import FakeRouter
    from pytest_agenttier.fake.wire import Response

PORTS = "/api/v1/sandboxes/demo/ports"


def short(response: Response) -> tuple[int, object]:
    return response.status, response.body


def test_no_ports_are_an_empty_list(router: FakeRouter) -> None:
    """Never null here."""
    router.create("demo")

    assert short(router.get(PORTS)) == (200, b'{"ports":[]}\n')


def test_a_forward_answers_one_item_and_may_be_repeated(router: FakeRouter) -> None:
    """201 each time, the protocol echoed."""
    router.create("demo")
    item = '{"port":8080,"protocol":"%s","internalUrl":"http://pf-demo-8080.default.svc.cluster.local:8080"}\n'

    assert short(router.post(PORTS, b'{"port":8080}')) == (201, (item % "http").encode())
    assert short(router.post(PORTS, b'{"port":8080,"protocol":"tcp"}')) == (
        201,
        (item % "tcp").encode(),
    )


def test_the_list_says_http_in_the_order_of_service_names(router: FakeRouter) -> None:
    """3000 before 80 before 8080, whatever was posted."""
    router.create("demo")
    for port in (8080, 80, 3000):
        router.post(PORTS, b'{"port":%d,"protocol":"grpc"}' % port)
    body = router.get(PORTS).body

    assert isinstance(body, bytes)
    assert [
        body.index(b'"port":%d,"protocol":"http"' % port) for port in (3000, 80, 8080)
    ] == sorted(body.index(b'"port":%d,' % port) for port in (3000, 80, 8080))


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (
            b"nope",
            400,
            "invalid request body: invalid character 'o' in literal null (expecting 'u')",
        ),
        (b"{}", 400, "port must be \\u003e 0"),
        (b'{"port":-1}', 400, "port must be \\u003e 0"),
        (b'{"port":65536}', 500, "failed to create port forward: port must be 1-65535 (got 65536)"),
    ],
)
def test_a_forward_that_is_wrong(router: FakeRouter, body: bytes, status: int, error: str) -> None:
    """400 below the range, 500 above it."""
    router.create("demo")

    assert short(router.post(PORTS, body)) == (status, f'{{"error":"{error}"}}\n'.encode())


def test_a_name_that_no_service_can_have_is_500(router: FakeRouter) -> None:
    """A dot in the sandbox's name; the list still works."""
    router.create("d.ot")
    response = router.post("/api/v1/sandboxes/d.ot/ports", b'{"port":80}')

    assert response.status == 500
    assert bytes(response.body).startswith(  # type: ignore[arg-type] # JSON is bytes
        b'{"error":"failed to create port forward: upsert service: '
        b'Service \\"pf-d.ot-80\\" is invalid: '
    )
    assert short(router.get("/api/v1/sandboxes/d.ot/ports")) == (200, b'{"ports":[]}\n')


@pytest.mark.parametrize("port", ["1", "08080", "+80", "2147483647"])
def test_removing_is_204_forwarded_or_not(router: FakeRouter, port: str) -> None:
    """As long as it parses as a positive int32."""
    router.create("demo")

    assert short(router.delete(f"{PORTS}/{port}")) == (204, b"")


@pytest.mark.parametrize(
    "port", ["x", "0", "-1", "2147483648", "80.0", "0x50", "1_0", "%20", "%D9%A1"]
)
def test_what_is_no_port_is_400(router: FakeRouter, port: str) -> None:
    """Go's ParseInt takes less than Python's int."""
    from urllib.parse import unquote

    router.create("demo")

    assert short(router.delete(f"{PORTS}/{port}")) == (
        400,
        f'{{"error":"invalid port: {unquote(port)}"}}\n'.encode(),
    )


def test_forwards_outlive_a_stop_and_end_with_the_sandbox(router: FakeRouter) -> None:
    """They hang on the object, not on the pod."""
    router.create("demo")
    router.post(PORTS, b'{"port":80}')
    router.post("/api/v1/sandboxes/demo/stop")
    router.get("/api/v1/sandboxes/demo")
    router.get("/api/v1/sandboxes/demo")
    assert b'"port":80' in router.get(PORTS).body  # type: ignore[operator] # JSON is bytes

    router.delete("/api/v1/sandboxes/demo")
    router.get("/api/v1/sandboxes/demo")
    assert router.get("/api/v1/sandboxes/demo").status == 404
    router.create("demo")

    assert short(router.get(PORTS)) == (200, b'{"ports":[]}\n')
