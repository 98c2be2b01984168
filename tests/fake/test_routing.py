"""Paths, methods, headers; the vectors of contract 12.2 for release 0.8.1."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agenttier.fake import FakeRouter
from pytest_agenttier.fake.wire import Request

if TYPE_CHECKING:
    from pytest_agenttier.fake.wire import Response

MUX_404 = (404, b"404 page not found\n")
CORS = [
    "Access-Control-Allow-Headers: Authorization, Content-Type, X-API-Key, X-Request-ID",
    "Access-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Origin: *",
    "Access-Control-Expose-Headers: X-Request-ID",
    "Access-Control-Max-Age: 86400",
]
REF = b'"templateRef":{"name":"general-coding","kind":"ClusterSandboxTemplate"}'
S = "/api/v1/sandboxes"


def send(router: FakeRouter, line: str, body: bytes = b"", **headers: str) -> Response:
    method, target = line.split(" ")
    sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return router.handle(Request(method, target, sent, body))


def short(response: Response) -> tuple[int, object]:
    return response.status, response.body


@pytest.mark.parametrize(
    ("line", "body", "answer"),
    [
        ("GET /healthz", b"", (200, b"ok")),
        ("HEAD /healthz", b"", (405, b"")),
        ("POST /healthz", b"", (405, b"")),
        ("GET /", b"", MUX_404),
        ("GET /nope", b"", MUX_404),
        ("GET /api/v1/nope", b"", MUX_404),
        ("PUT /api/v1/sandboxes", b"", MUX_404),
        ("GET /api/v1//sandboxes", b"", (301, b"")),
        ("OPTIONS /anything", b"", MUX_404),
        ("OPTIONS /api/v1/sandboxes", b"", MUX_404),
        (f"GET {S}", b"", (200, b'{"sandboxes":null}\n')),
        (f"POST {S}", b"", (400, b'{"error":"invalid request body: EOF"}\n')),
        (f"POST {S}", b"{}", (400, b'{"error":"name is required"}\n')),
        (f"POST {S}", b'{"name":"a"}', (400, b'{"error":"templateRef.name is required"}\n')),
        (
            f"POST {S}",
            b'{"name":"a","templateRef":{"name":"t"},"timeout":"10"}',
            (
                400,
                b'{"error":"invalid timeout: invalid duration \\"10\\": '
                b'time: missing unit in duration \\"10\\""}\n',
            ),
        ),
        (
            f"POST {S}",
            b'{"name":"a","templateRef":{"name":"t"},"timeout":"0s"}',
            (400, b'{"error":"invalid timeout: duration \\"0s\\" must be positive"}\n'),
        ),
        (
            f"POST {S}",
            b'{"name":"a","templateRef":{"name":"t"}}',
            (
                201,
                b'{"name":"a","namespace":"default","sandboxId":"a","status":"Creating",'
                b'"templateRef":"t"}\n',
            ),
        ),
        (f"GET {S}/zz", b"", (404, b'{"error":"sandbox zz not found"}\n')),
        (f"GET {S}/bulk", b"", (404, b'{"error":"sandbox bulk not found"}\n')),
        (f"PATCH {S}/zz", b"{}", MUX_404),
        (f"POST {S}/bulk", b"{}", MUX_404),
        (f"POST {S}/bulk-action", b"{}", MUX_404),
        (f"GET {S}/zz/backups", b"", MUX_404),
        ("GET /api/v1/webhooks", b"", MUX_404),
        ("GET /api/v1/templates/zz", b"", (404, b'{"error":"template not found"}\n')),
        (
            "GET /api/v1/user/me",
            b"",
            (
                200,
                b'{"email":"dev@agenttier.local","groups":["agenttier-admins"],"isAdmin":true,'
                b'"name":"Dev User","sub":"dev-user"}\n',
            ),
        ),
        ("GET /api/v1/admin/sandboxes", b"", (200, b'{"sandboxes":[]}\n')),
        ("GET /api/v1/admin/sharing", b"", (200, b"{}\n")),
    ],
)
def test_a_vector_on_an_empty_server(
    dev: FakeRouter, line: str, body: bytes, answer: tuple[int, bytes]
) -> None:
    """12.2, last column."""
    assert short(send(dev, line, body)) == answer


@pytest.mark.parametrize(
    ("phase", "line", "body", "answer"),
    [
        (
            "Creating",
            f"POST {S}",
            b'{"name":"a",' + REF + b"}",
            (
                500,
                b'{"error":"failed to create sandbox: '
                b'sandboxes.agenttier.io \\"a\\" already exists"}\n',
            ),
        ),
        ("Creating", f"POST {S}/a/exec", b"", (409, b'{"error":"sandbox is not running"}\n')),
        (
            "Creating",
            f"POST {S}/a/stop",
            b"",
            (409, b'{"error":"cannot stop sandbox in phase Creating"}\n'),
        ),
        (
            "Running",
            f"POST {S}/a/resume",
            b"",
            (409, b'{"error":"cannot resume sandbox in phase Running"}\n'),
        ),
        (
            "Running",
            f"POST {S}/a/exec",
            b'{"command":"echo hi"}',
            (200, b'{"stdout":"hi\\n","stderr":"","exitCode":0}\n'),
        ),
        ("Running", f"POST {S}/a/exec", b"{}", (400, b'{"error":"command is required"}\n')),
        ("Running", f"POST {S}/a/exec", b"nope", (400, b'{"error":"invalid request body"}\n')),
        ("Running", f"GET {S}/a/ports", b"", (200, b'{"ports":[]}\n')),
        (
            "Running",
            f"POST {S}/a/ports",
            b'{"port":0}',
            (400, b'{"error":"port must be \\u003e 0"}\n'),
        ),
        (
            "Running",
            f"POST {S}/a/ports",
            b'{"port":70000}',
            (
                500,
                b'{"error":"failed to create port forward: port must be 1-65535 (got 70000)"}\n',
            ),
        ),
        ("Running", f"DELETE {S}/a/ports/x", b"", (400, b'{"error":"invalid port: x"}\n')),
        ("Running", f"DELETE {S}/a/ports/1", b"", (204, b"")),
        (
            "Running",
            f"GET {S}/a/preview/8080",
            b"",
            (404, b'{"error":"port 8080 is not forwarded"}\n'),
        ),
        (
            "Running",
            f"GET {S}/a/share",
            b"",
            (200, b'{"groups":[],"shareLinks":[],"users":[]}\n'),
        ),
        (
            "Running",
            f"POST {S}/a/invoke",
            b"",
            (
                400,
                '{"error":"sandbox a is in mode \\"code\\" — '
                '/invoke is only valid for mode: agent"}\n'.encode(),
            ),
        ),
        ("Running", f"DELETE {S}/a", b"", (204, b"")),
    ],
)
def test_a_vector_on_a_sandbox(
    dev: FakeRouter, phase: str, line: str, body: bytes, answer: tuple[int, bytes]
) -> None:
    """12.2, last column, with a sandbox `a`."""
    dev.exec.register("echo hi", stdout="hi\n")
    dev.create("a", phase=phase)

    assert short(send(dev, line, body)) == answer


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (
            "GET /healthz",
            [
                *CORS,
                "X-Request-Id: <16 hex>",
                "Date: <date>",
                "Content-Length: 2",
                "Content-Type: text/plain; charset=utf-8",
            ],
        ),
        ("POST /healthz", ["Date: <date>", "Content-Length: 0"]),
        ("HEAD /healthz", ["Date: <date>"]),
        (
            f"HEAD {S}/zz/preview/x",
            [
                *CORS,
                "Content-Type: application/json",
                "X-Request-Id: <16 hex>",
                "Date: <date>",
                "Content-Length: 28",
            ],
        ),
        (
            "GET /api/v1/nope",
            [
                "Content-Type: text/plain; charset=utf-8",
                "X-Content-Type-Options: nosniff",
                "Date: <date>",
                "Content-Length: 19",
            ],
        ),
        (
            "GET /api/v1//sandboxes?a=b%20c",
            ["Location: /api/v1/sandboxes?a=b%20c", "Date: <date>", "Content-Length: 0"],
        ),
        (
            f"GET {S}/zz",
            [
                *CORS,
                "Content-Type: application/json",
                "X-Request-Id: <16 hex>",
                "Date: <date>",
                "Content-Length: 33",
            ],
        ),
        (f"OPTIONS {S}/a/preview/80", [*CORS, "X-Request-Id: <16 hex>", "Date: <date>"]),
        (
            "GET /metrics",
            [
                *CORS,
                "Content-Type: text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
                "X-Request-Id: <16 hex>",
                "Date: <date>",
            ],
        ),
        ("GET /%zz", ["Content-Type: text/plain; charset=utf-8", "Connection: close"]),
        ("OPTIONS *", ["Content-Length: 0", "Date: <date>"]),
    ],
)
def test_headers_are_complete_and_in_wire_order(
    dev: FakeRouter, line: str, headers: list[str]
) -> None:
    """Alphabetical, then date, length and a sniffed type (contract 1.5)."""
    shown = "\n".join(f"{name}: {value}" for name, value in send(dev, line).headers)
    shown = re.sub("(?m)^X-Request-Id: [0-9a-f]{16}$", "X-Request-Id: <16 hex>", shown)
    shown = re.sub(r"(?m)^Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$", "Date: <date>", shown)

    assert shown.split("\n") == headers


def test_a_request_id_is_echoed_verbatim(dev: FakeRouter) -> None:
    """An empty one is replaced."""
    assert ("X-Request-Id", "my own") in send(dev, "GET /healthz", X_Request_ID="my own").headers
    replaced = dict(send(dev, "GET /healthz", X_Request_ID="").headers)["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{16}", replaced)


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("//", "/"),
        ("/./healthz", "/healthz"),
        ("/healthz/..", "/"),
        (f"{S}/.", S),
        (f"{S}/a/files/%2Fworkspace/x", f"{S}/a/files/workspace/x"),
        ("/%2e%2e/%C3%A9%20b", "/%C3%A9%20b"),
        ("/nope//?", "/nope/?"),
        ("*", "/%2A"),
        ("http://elsewhere//x", "http://elsewhere/x"),
    ],
)
def test_an_unclean_path_is_redirected(router: FakeRouter, target: str, location: str) -> None:
    """301 before anybody is asked who they are, after decoding (contract 1.3)."""
    response = send(router, f"GET {target}")

    assert (response.status, dict(response.headers)["Location"]) == (301, location)


@pytest.mark.parametrize("target", ["/%zz", "/%", "/a%2", "healthz", "", "//%g0"])
def test_a_malformed_target_never_reaches_the_mux(router: FakeRouter, target: str) -> None:
    """400, neither date nor length."""
    response = router.handle(Request("GET", target))

    assert short(response) == (400, b"400 Bad Request")


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=40))
def test_any_target_is_answered(target: str) -> None:
    """No path is a traceback."""
    with FakeRouter(exec="scripted") as router:
        for prefix in ("", "/", "/api/v1/", f"{S}/"):
            status = router.handle(Request("GET", prefix + target)).status
            assert status in (200, 301, 400, 401, 404, 405)


@pytest.mark.parametrize("path", [S, f"{S}/a/ports", f"{S}/a/exec", "/api/v1/templates"])
def test_a_slash_at_the_end_makes_another_path(dev: FakeRouter, path: str) -> None:
    """404, nothing is added or taken away."""
    assert short(send(dev, f"GET {path}/")) == MUX_404


def test_what_is_not_built_says_so(dev: FakeRouter) -> None:
    """501 with the endpoint's name; the Router remembers it."""
    assert short(send(dev, "GET /api/v1/governance/policies/x")) == (
        501,
        b'{"error":"not built yet: GET /api/v1/governance/policies/{ns}"}\n',
    )
    assert dev.not_built == {"GET /api/v1/governance/policies/{ns}"}


def test_an_endpoint_that_is_not_built_asks_who_is_calling(router: FakeRouter) -> None:
    """Authentication comes first, and the administrator's gate."""
    assert send(router, "GET /api/v1/cluster/status").status == 401
    assert router.get("/api/v1/audit/events").status == 403
    assert router.not_built == set()
