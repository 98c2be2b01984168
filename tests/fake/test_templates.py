"""Cluster templates (contract 3.10)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_agenttier.fake import FakeRouter
    from pytest_agenttier.fake.wire import Response

TEMPLATES = "/api/v1/templates"


def short(response: Response) -> tuple[int, object]:
    return response.status, response.body


def test_the_chart_ships_five(router: FakeRouter) -> None:
    """The sixth is swallowed by a missing separator in 0.8.1 (contract 10.2)."""
    listed = json.loads(router.get(TEMPLATES).body)["templates"]

    assert [template["name"] for template in listed] == [
        "general-coding",
        "langgraph-agent",
        "openclaw-bedrock",
        "rl-rollout",
        "strands-bedrock",
    ]
    assert all(template["spec"]["harness"]["useHTTPExec"] for template in listed)
    assert all(template["spec"]["timeout"] == "24h0m0s" for template in listed)


def test_no_templates_are_null(dev: FakeRouter) -> None:
    """Go's nil slice."""
    for template in json.loads(dev.get(TEMPLATES).body)["templates"]:
        dev.delete(f"{TEMPLATES}/{template['name']}")

    assert short(dev.get(TEMPLATES)) == (200, b'{"templates":null}\n')


def test_a_missing_template_is_404(router: FakeRouter) -> None:
    """Any lookup failure."""
    assert short(router.get(f"{TEMPLATES}/zz")) == (404, b'{"error":"template not found"}\n')


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_writing_is_for_administrators(router: FakeRouter, method: str) -> None:
    """403 as text, before anything is looked at."""
    from pytest_agenttier.fake.wire import Request

    path = TEMPLATES if method == "POST" else f"{TEMPLATES}/zz"
    response = router.handle(Request(method, path, (("X-API-Key", router.api_key),), b"nope"))

    assert short(response) == (403, b'{"error":"admin_required"}\n')


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("{}", '{"mode":"code"}'),
        ('{"mode":""}', '{"mode":"code"}'),
        ('{"storage":{}}', '{"mode":"code","storage":{"size":"0","mountPath":"/workspace"}}'),
        ('{"timeout":"-5m"}', '{"mode":"code","timeout":"-5m0s"}'),
        ('{"timeout":"0"}', '{"mode":"code","timeout":"0s"}'),
        ('{"env":[{"name":"A","value":""}]}', '{"mode":"code","env":[{"name":"A"}]}'),
        ('{"env":[]}', '{"mode":"code"}'),
        ('{"image":{"repository":"r","tag":"x"}}', '{"mode":"code","image":{"repository":"r"}}'),
        ('{"network":{"allowInternet":false}}', '{"mode":"code","network":{}}'),
        ('{"harness":{}}', '{"mode":"code","harness":{"shell":"/bin/bash"}}'),
        (
            '{"files":[{"path":"/a","content":"x"}]}',
            '{"mode":"code","files":[{"path":"/a","content":"x","mode":420}]}',
        ),
        (
            '{"resources":{"requests":{"memory":"1024Mi","cpu":"1000m"},"limits":{"cpu":0.5}}}',
            '{"mode":"code","resources":{"limits":{"cpu":"500m"},'
            '"requests":{"cpu":"1","memory":"1Gi"}}}',
        ),
        (
            '{"inheritsFrom":{"name":"p"}}',
            '{"inheritsFrom":{"name":"p","kind":"SandboxTemplate"},"mode":"code"}',
        ),
    ],
)
def test_a_spec_reads_back_as_the_cluster_stores_it(
    dev: FakeRouter, sent: str, stored: str
) -> None:
    """Defaults in, empties out, quantities and durations in their normal form."""
    response = dev.post(TEMPLATES, f'{{"name":"t","spec":{sent}}}'.encode())

    assert response.status == 201
    assert bytes(response.body).decode().endswith(f'"spec":{stored}}}\n')  # type: ignore[arg-type] # JSON is bytes


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("", 400, "invalid request body: EOF"),
        ("{}", 400, "name is required"),
        (
            '{"name":"x","spec":{"timeout":"10"}}',
            400,
            'invalid request body: time: missing unit in duration "10"',
        ),
        (
            '{"name":"general-coding"}',
            500,
            "failed to create template: "
            'clustersandboxtemplates.agenttier.io "general-coding" already exists',
        ),
        (
            '{"name":"x","spec":{"mode":"foo"}}',
            500,
            'failed to create template: ClusterSandboxTemplate.agenttier.io "x" is invalid: '
            'spec.mode: Unsupported value: "foo": supported values: "code", "agent"',
        ),
    ],
)
def test_a_template_that_is_refused(dev: FakeRouter, body: str, status: int, error: str) -> None:
    """400 from the Router, 500 from the API server."""
    response = dev.post(TEMPLATES, body.encode())

    assert (response.status, json.loads(response.body)) == (status, {"error": error})


def test_replacing_looks_it_up_before_the_body(dev: FakeRouter) -> None:
    """404 beats 400; the whole spec is replaced."""
    dev.post(TEMPLATES, b'{"name":"t","spec":{"description":"d"}}')

    assert dev.put(f"{TEMPLATES}/zz", b"nope").status == 404
    assert dev.put(f"{TEMPLATES}/t", b"nope").status == 400
    assert json.loads(dev.put(f"{TEMPLATES}/t", b"{}").body)["spec"] == {"mode": "code"}


def test_a_template_in_use_cannot_be_deleted(dev: FakeRouter) -> None:
    """Only Running sandboxes hold it, and that is asked before whether it exists."""
    dev.add_template("t", {})
    dev.create("demo", template="t")
    refusal = (409, b'{"error":"cannot delete template: sandbox \\"demo\\" is still using it"}\n')

    assert short(dev.delete(f"{TEMPLATES}/t")) == refusal
    dev.post("/api/v1/sandboxes/demo/stop")
    dev.get("/api/v1/sandboxes/demo")
    dev.get("/api/v1/sandboxes/demo")
    assert short(dev.delete(f"{TEMPLATES}/t")) == (204, b"")
    assert short(dev.delete(f"{TEMPLATES}/t")) == (404, b'{"error":"template not found"}\n')


def test_of_several_users_the_first_in_list_order_is_named(dev: FakeRouter) -> None:
    """Byte order of namespace/name: "team-a" before "team" (contract 2, 3.10)."""
    dev.add_template("t", {})
    for namespace in ("team", "team-a"):
        dev.cluster.state.add_namespace(namespace)
        body = {
            "name": f"of-{namespace}",
            "namespace": namespace,
            "templateRef": {"name": "t", "kind": "ClusterSandboxTemplate"},
        }
        dev.post("/api/v1/sandboxes", json.dumps(body).encode())
    for _ in range(4):
        dev.get("/api/v1/sandboxes")

    assert short(dev.delete(f"{TEMPLATES}/t")) == (
        409,
        b'{"error":"cannot delete template: sandbox \\"of-team-a\\" is still using it"}\n',
    )
