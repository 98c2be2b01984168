"""Creating, listing, showing sandboxes; who sees whose (contract 2 and 3.1 to 3.4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agenttier.fake import FakeRouter
from pytest_agenttier.fake.routes import ROUTES
from pytest_agenttier.fake.wire import Request

if TYPE_CHECKING:
    from pytest_agenttier.fake.wire import Response

SANDBOXES = "/api/v1/sandboxes"
FIELDS = ("name", "templateRef", "storage", "size", "timeout", "port", "spec", "env", "harness")
REF = '"templateRef":{"name":"t","kind":"ClusterSandboxTemplate"}'


def short(response: Response) -> tuple[int, object]:
    return response.status, response.body


def test_a_create_answers_five_fields(router: FakeRouter) -> None:
    """201; the status is always Creating, whatever the first look shows."""
    response = router.post(SANDBOXES, f'{{"name":"demo",{REF}}}'.encode())

    assert short(response) == (
        201,
        b'{"name":"demo","namespace":"default","sandboxId":"demo","status":"Creating",'
        b'"templateRef":"t"}\n',
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("", "invalid request body: EOF"),
        ("{}", "name is required"),
        ("null", "name is required"),
        ('{"name":"a"}', "templateRef.name is required"),
        ('{"name":"a","templateRef":{"kind":"x"}}', "templateRef.name is required"),
        (
            f'{{"name":"A_","timeout":"10",{REF}}}',
            'invalid timeout: invalid duration "10": time: missing unit in duration "10"',
        ),
        (f'{{"name":"a","timeout":"0s",{REF}}}', 'invalid timeout: duration "0s" must be positive'),
        (
            f'{{"name":"a","idleTimeout":"-1m",{REF}}}',
            'invalid idleTimeout: duration "-1m" must be positive',
        ),
        (
            f'{{"name":"a","storage":{{"size":"10GB"}},{REF}}}',
            "invalid request body: quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_a_create_that_is_wrong_is_400(router: FakeRouter, body: str, error: str) -> None:
    """In the order of the contract: body, name, template, timeouts."""
    response = router.post(SANDBOXES, body.encode())

    assert response.status == 400
    assert json.loads(response.body) == {"error": error}


def test_a_taken_name_is_500(router: FakeRouter) -> None:
    """Also for somebody who cannot see its owner's sandbox."""
    bob = {"X-API-Key": router.add_user("bob")}
    router.create("demo")

    assert short(router.post(SANDBOXES, f'{{"name":"demo",{REF}}}'.encode(), bob)) == (
        500,
        b'{"error":"failed to create sandbox: sandboxes.agenttier.io \\"demo\\" already exists"}\n',
    )


def test_a_missing_namespace_is_500(router: FakeRouter) -> None:
    """Before the name is judged."""
    response = router.post(SANDBOXES, f'{{"name":"A","namespace":"No NS",{REF}}}'.encode())

    assert short(response) == (
        500,
        b'{"error":"failed to create sandbox: namespaces \\"No NS\\" not found"}\n',
    )


@given(st.text(max_size=80))
def test_any_name_is_created_or_refused(name: str) -> None:
    """No name is a traceback, and none reaches the cluster that it would not take."""
    with FakeRouter(exec="scripted") as router:
        body = json.dumps({"name": name, "templateRef": {"name": "t"}})
        status = router.post(SANDBOXES, body.encode()).status
        assert status == (400 if not name else status)
        assert status in (201, 400, 500)


BODIES = st.binary(max_size=120) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner),
).map(lambda value: json.dumps(value).encode())


@given(BODIES)
def test_any_body_is_answered(body: bytes) -> None:
    """Whatever the bytes, every endpoint answers, and it is no traceback."""
    with FakeRouter(exec="scripted", dev_auth=True) as router:
        router.create("demo", owner="tester")
        for route in ROUTES:
            if route.method in ("POST", "PUT") and not route.blocks:
                path = route.path.replace("{id}", "demo").replace("{name}", "general-coding")
                headers = (("Content-Length", str(len(body))),)
                status = router.handle(Request(route.method, path, headers, body)).status
                assert status in (200, 201, 400, 409, 500, 501), path


def test_a_sandbox_shows_these_fields(router: FakeRouter) -> None:
    """Alphabetical, times as Go prints them, the creator without sub."""
    router.create("demo")
    response = router.get(f"{SANDBOXES}/demo")
    shown = json.loads(response.body)

    assert list(shown) == [
        "createdAt",
        "createdBy",
        "lastActivityAt",
        "message",
        "mode",
        "name",
        "namespace",
        "podName",
        "pvcName",
        "sandboxId",
        "status",
        "templateRef",
    ]
    assert shown["createdBy"] == {"displayName": "Tester", "email": "tester@example.com"}
    assert shown["createdAt"].endswith(" +0000 UTC")


def test_last_activity_is_absent_until_it_ran(router: FakeRouter) -> None:
    """The key is left out, not empty."""
    router.create("demo", phase="Creating")

    assert b"lastActivityAt" not in router.get(f"{SANDBOXES}?status=").body


def test_an_empty_list_is_null(router: FakeRouter) -> None:
    """Go's nil slice."""
    assert short(router.get(SANDBOXES)) == (200, b'{"sandboxes":null}\n')


def test_a_list_is_in_byte_order_of_namespace_and_name(router: FakeRouter) -> None:
    """`o1-x` before `o1.x` before `o1/…`, and `team-a/…` before `team/…`."""
    router.cluster.state.add_namespace("team")
    router.cluster.state.add_namespace("team-a")
    for namespace, name in (
        ("team", "a"),
        ("team-a", "b"),
        ("default", "o1.x"),
        ("default", "o1-x"),
    ):
        router.post(SANDBOXES, f'{{"name":"{name}","namespace":"{namespace}",{REF}}}'.encode())

    listed = json.loads(router.get(SANDBOXES).body)["sandboxes"]

    assert [f"{item['namespace']}/{item['name']}" for item in listed] == [
        "default/o1-x",
        "default/o1.x",
        "team-a/b",
        "team/a",
    ]


def test_a_list_filters_by_phase_and_namespace(router: FakeRouter) -> None:
    """Exactly and by case; an empty filter is none."""
    router.create("a")
    router.create("b", phase="Stopped")

    def names(query: str) -> list[str]:
        listed = json.loads(router.get(f"{SANDBOXES}?{query}").body)["sandboxes"]
        return [item["name"] for item in listed or []]

    assert names("status=Stopped") == ["b"]
    assert names("status=stopped") == []
    assert names("status=&namespace=default&limit=1") == ["a", "b"]
    assert names("namespace=nosuch") == []
    assert names("status=%zz") == ["a", "b"]


def test_a_sandbox_of_somebody_else_is_404(router: FakeRouter) -> None:
    """With a text that gives it away; lists do not show it."""
    bob = {"X-API-Key": router.add_user("bob")}
    router.create("demo")
    denied = (404, b'{"error":"access denied to sandbox demo"}\n')

    assert short(router.get(f"{SANDBOXES}/demo", bob)) == denied
    assert short(router.delete(f"{SANDBOXES}/demo", bob)) == denied
    assert short(router.post(f"{SANDBOXES}/demo/exec", b"nope", bob)) == denied
    assert short(router.get(SANDBOXES, bob)) == (200, b'{"sandboxes":null}\n')


def test_an_administrator_sees_all_but_not_by_key(router: FakeRouter) -> None:
    """The group counts in a bearer token; an API key has none."""
    key = router.add_user("root", groups=("agenttier-admins",))
    token = router.mint_token("root")
    router.create("demo")

    assert router.get(f"{SANDBOXES}/demo", {"Authorization": f"Bearer {token}"}).status == 200
    assert router.get(f"{SANDBOXES}/demo", {"X-API-Key": key}).status == 404


def test_a_name_in_several_namespaces_is_found_in_the_routers_own(router: FakeRouter) -> None:
    """Elsewhere only an only one is found; the query is no help."""
    for namespace in ("one", "two"):
        router.cluster.state.add_namespace(namespace)
    for namespace in ("one", "two", "default"):
        router.post(SANDBOXES, f'{{"name":"x","namespace":"{namespace}",{REF}}}'.encode())
    assert b'"namespace":"default"' in router.get(f"{SANDBOXES}/x?namespace=one").body
    router.delete(f"{SANDBOXES}/x")
    router.get(f"{SANDBOXES}/x")

    assert short(router.get(f"{SANDBOXES}/x?namespace=one")) == (
        404,
        b'{"error":"sandbox x exists in multiple namespaces; '
        b'specify ?namespace=\\u003cns\\u003e"}\n',
    )


@pytest.mark.parametrize(
    ("target", "shown"),
    [("%00", "\\u0000"), ("a%20b", "a b"), ("a%25b", "a%b"), ("%C3%A9", "é"), ("%ff", "\\ufffd")],
)
def test_an_id_is_echoed_decoded(router: FakeRouter, target: str, shown: str) -> None:
    """What was a percent-escape is a character."""
    assert short(router.get(f"{SANDBOXES}/{target}")) == (
        404,
        f'{{"error":"sandbox {shown} not found"}}\n'.encode(),
    )


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ('{"name":"general-coding"}', "SandboxTemplate default/general-coding not found"),
        (
            '{"name":"foo","kind":"SandboxTemplate","namespace":"other"}',
            "SandboxTemplate other/foo not found",
        ),
        ('{"name":"general-coding","kind":"Foo"}', "unknown template kind: Foo"),
        ('{"name":"x","kind":"ClusterSandboxTemplate"}', "ClusterSandboxTemplate x not found"),
        (
            '{"name":"orphan","kind":"ClusterSandboxTemplate"}',
            "failed to resolve parent template p: ClusterSandboxTemplate p not found",
        ),
        (
            '{"name":"loop-a","kind":"ClusterSandboxTemplate"}',
            "failed to resolve parent template loop-b: failed to resolve parent template loop-a: "
            "circular template inheritance detected: ClusterSandboxTemplate//loop-a",
        ),
    ],
)
def test_a_template_that_cannot_be_resolved_is_an_error_later(
    router: FakeRouter, reference: str, message: str
) -> None:
    """Create lets it pass; the message says what the controller found."""
    for name, parent in (("orphan", "p"), ("loop-a", "loop-b"), ("loop-b", "loop-a")):
        router.add_template(
            name, {"inheritsFrom": {"name": parent, "kind": "ClusterSandboxTemplate"}}
        )
    router.post(SANDBOXES, f'{{"name":"demo","templateRef":{reference}}}'.encode())
    router.get(f"{SANDBOXES}/demo")
    shown = json.loads(router.get(f"{SANDBOXES}/demo").body)

    assert (shown["status"], shown["message"]) == (
        "Error",
        f"Template resolution failed: {message}",
    )


def test_a_long_name_and_a_negative_size_fail_in_the_controller(router: FakeRouter) -> None:
    """201 all the same; then Error with the template resolved and no names."""
    router.add_template("plain", {})
    long = "n" * 64
    with pytest.raises(ValueError, match=r'Secret "n{64}-runtime-token" is invalid'):
        router.create(long)
    with pytest.raises(ValueError, match=r'PersistentVolumeClaim "m{64}-workspace" is invalid'):
        router.create("m" * 64, template="plain")
    shown = json.loads(router.get(f"{SANDBOXES}/{long}").body)
    assert (shown["status"], shown["templateRef"], shown["podName"]) == (
        "Error",
        "general-coding",
        "",
    )
