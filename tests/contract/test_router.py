"""What any Router answers, on every mount; each rule with its section of the contract."""

from __future__ import annotations

import re

import pytest

from agenttier import ConflictError

from .conftest import Mount

TEMPLATE = '{"name":"general-coding","kind":"ClusterSandboxTemplate"}'
NOT_FOUND = "404 page not found\n"


def error(text: str) -> str:
    return f'{{"error":"{text}"}}\n'


# Routing and authentication


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nope"),
        ("GET", "/"),
        ("PUT", "/sandboxes"),
        ("GET", "/sandboxes/"),
        ("GET", "/sandboxes/x/exec"),
        ("POST", "/user/me"),
    ],
)
def test_an_unknown_path_or_method_is_a_plain_404(mount: Mount, method: str, path: str) -> None:
    """Never 405 inside the API, and no JSON (contract 1.3)."""
    assert mount.send(method, path) == (404, NOT_FOUND)


def test_head_never_works(mount: Mount) -> None:
    """404 without a body (contract 1.3)."""
    answer = mount.http.head("/api/v1/sandboxes")

    assert (answer.status_code, answer.headers["content-length"]) == (404, "19")


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"X-API-Key": ""}, '{"error":"missing_authorization"}\n'),
        ({"X-API-Key": "atk_nobody"}, '{"error":"invalid_api_key"}\n'),
        (
            {"X-API-Key": "", "Authorization": "bearer x"},
            '{"error":"invalid_authorization_format"}\n',
        ),
        (
            {"X-API-Key": "atk_nobody", "Authorization": "Bearer x"},
            '{"error":"invalid_api_key"}\n',
        ),
    ],
)
def test_a_caller_that_is_nobody_is_refused(
    mount: Mount, headers: dict[str, str], text: str
) -> None:
    """JSON as plain text; a wrong key is final (contract 1.9)."""
    answer = mount.http.get("/api/v1/sandboxes", headers=headers)

    assert (answer.status_code, answer.text) == (401, text)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_request_id_is_given_back(mount: Mount) -> None:
    """The client's own, else 16 hex digits (contract 1.5)."""
    own = mount.http.get("/api/v1/user/me", headers={"X-Request-ID": "mine"})
    given = mount.http.get("/api/v1/user/me")

    assert own.headers["x-request-id"] == "mine"
    assert re.fullmatch("[0-9a-f]{16}", given.headers["x-request-id"])


def test_a_key_has_no_groups_and_is_no_admin(mount: Mount) -> None:
    """groups is null, not a list (contract 3.11)."""
    status, text = mount.send("GET", "/user/me")

    assert status == 200
    assert '"groups":null,"isAdmin":false,' in text


# Create and look


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("", 400, error("invalid request body: EOF")),
        ("{", 400, error("invalid request body: unexpected EOF")),
        (
            "[]",
            400,
            error(
                "invalid request body: json: cannot unmarshal array into Go value of type "
                "router.CreateSandboxRequest"
            ),
        ),
        ("{}", 400, error("name is required")),
        ('{"name":"a"}', 400, error("templateRef.name is required")),
        (
            '{"NAME":"a","templateref":{"name":"t"},"timeout":"1d"}',
            400,
            error(
                'invalid timeout: invalid duration \\"1d\\": time: unknown unit \\"d\\" in '
                'duration \\"1d\\"'
            ),
        ),
        (
            '{"name":"a","templateRef":{"name":"t"},"idleTimeout":"0"}',
            400,
            error('invalid idleTimeout: duration \\"0\\" must be positive'),
        ),
        (
            '{"name":"a","namespace":"no-such","templateRef":{"name":"t"}}',
            500,
            error('failed to create sandbox: namespaces \\"no-such\\" not found'),
        ),
    ],
)
def test_a_create_that_says_too_little_or_wrong_is_refused(
    mount: Mount, body: str, status: int, text: str
) -> None:
    """In the order of the checks, in Go's words (contract 1.7, 3.1)."""
    assert mount.send("POST", "/sandboxes", body) == (status, text)


def test_a_create_answers_five_fields(mount: Mount) -> None:
    """Status Creating, whatever the first look will show (contract 3.1)."""
    name = mount.name()

    answer = mount.send("POST", "/sandboxes", f'{{"name":"{name}","templateRef":{TEMPLATE}}}')

    assert answer == (
        201,
        f'{{"name":"{name}","namespace":"default","sandboxId":"{name}","status":"Creating",'
        '"templateRef":"general-coding"}\n',
    )


def test_a_name_that_is_taken_is_a_500(mount: Mount) -> None:
    """Not a 409 (contract 3.1)."""
    name = mount.running()

    answer = mount.send("POST", "/sandboxes", f'{{"name":"{name}","templateRef":{TEMPLATE}}}')

    assert answer == (
        500,
        error(f'failed to create sandbox: sandboxes.agenttier.io \\"{name}\\" already exists'),
    )


def test_a_name_that_cannot_be_one_is_a_500(mount: Mount) -> None:
    """Kubernetes judges it (contract 3.1)."""
    status, text = mount.send("POST", "/sandboxes", f'{{"name":"No_1","templateRef":{TEMPLATE}}}')

    assert status == 500
    assert text.startswith(
        '{"error":"failed to create sandbox: Sandbox.agenttier.io \\"No_1\\" is invalid: '
        'metadata.name: Invalid value: \\"No_1\\": a lowercase RFC 1123 subdomain must consist'
    )


def test_a_template_that_is_not_there_ends_in_error(mount: Mount) -> None:
    """201 first (contract 4.3)."""
    name = mount.name()
    body = f'{{"name":"{name}","templateRef":{{"name":"no-such","kind":"ClusterSandboxTemplate"}}}}'

    assert mount.send("POST", "/sandboxes", body)[0] == 201

    message = '"message":"Template resolution failed: ClusterSandboxTemplate no-such not found"'
    mount.until(lambda: message in mount.send("GET", f"/sandboxes/{name}")[1])
    assert '"status":"Error"' in mount.send("GET", f"/sandboxes/{name}")[1]


def test_without_a_kind_the_template_is_a_namespaced_one(mount: Mount) -> None:
    """Accepted, then Error (contract 3.1)."""
    name = mount.name()
    body = f'{{"name":"{name}","templateRef":{{"name":"general-coding"}}}}'

    assert mount.send("POST", "/sandboxes", body)[0] == 201

    message = "Template resolution failed: SandboxTemplate default/general-coding not found"
    mount.until(lambda: message in mount.send("GET", f"/sandboxes/{name}")[1])


def test_a_sandbox_that_runs_shows_its_fields(mount: Mount) -> None:
    """Alphabetical, times in Go's own form (contract 2, 3.2)."""
    name = mount.running()

    status, text = mount.send("GET", f"/sandboxes/{name}")

    time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC"
    assert status == 200
    assert re.fullmatch(
        rf'{{"createdAt":"{time}","createdBy":{{"displayName":"[^"]*","email":"[^"]*"}},'
        rf'"lastActivityAt":"{time}","message":"","mode":"code","name":"{name}",'
        rf'"namespace":"default","podName":"[^"]+","pvcName":"[^"]+","sandboxId":"{name}",'
        r'"status":"Running","templateRef":"general-coding"}\n',
        text,
    )


def test_a_sandbox_that_is_not_there_is_a_404(mount: Mount) -> None:
    """The name is echoed decoded (contract 3.3)."""
    assert mount.send("GET", "/sandboxes/no%20such") == (404, error("sandbox no such not found"))


def test_an_empty_list_is_null(mount: Mount) -> None:
    """Not [] (contract 3.2)."""
    assert mount.send("GET", "/sandboxes?namespace=no-such") == (200, '{"sandboxes":null}\n')


def test_a_list_is_filtered_by_status_to_the_letter(mount: Mount) -> None:
    """Case counts (contract 3.2)."""
    name = mount.running()

    assert f'"name":"{name}"' in mount.send("GET", "/sandboxes?status=Running")[1]
    assert f'"name":"{name}"' not in mount.send("GET", "/sandboxes?status=running")[1]


# Phases


def test_nothing_runs_in_a_sandbox_that_was_just_created(mount: Mount) -> None:
    """The phase is checked before the body (contract 3.7)."""
    name = mount.created()

    assert mount.send("POST", f"/sandboxes/{name}/exec", "nope") == (
        409,
        error("sandbox is not running"),
    )


def test_exec_straight_after_create_is_a_conflict(mount: Mount) -> None:
    """Our own client says so too, on every mount."""
    sandbox = mount.client.create_sandbox("general-coding", mount.name())

    with pytest.raises(ConflictError, match="sandbox is not running"):
        sandbox.exec("true")


def test_stop_and_resume_follow_the_phases(mount: Mount) -> None:
    """Stop only from Running, resume only from Stopped or Error (contract 4.2)."""
    path = f"/sandboxes/{mount.running()}"

    assert mount.send("POST", f"{path}/resume") == (
        409,
        error("cannot resume sandbox in phase Running"),
    )
    assert mount.send("POST", f"{path}/stop") == (200, '{"status":"stopping"}\n')
    mount.until(lambda: '"status":"Stopped"' in mount.send("GET", path)[1])
    assert '"message":"User requested stop"' in mount.send("GET", path)[1]
    assert mount.send("POST", f"{path}/stop") == (
        409,
        error("cannot stop sandbox in phase Stopped"),
    )
    assert mount.send("POST", f"{path}/exec", '{"command":"true"}') == (
        409,
        error("sandbox is not running"),
    )
    assert mount.send("POST", f"{path}/resume") == (200, '{"status":"resuming"}\n')


def test_a_delete_is_accepted_until_the_sandbox_is_gone(mount: Mount) -> None:
    """204, then 404 (contract 3.4)."""
    name = mount.running()
    path = f"/sandboxes/{name}"

    assert mount.send("DELETE", path) == (204, "")
    mount.until(lambda: mount.send("GET", path)[0] == 404)
    assert mount.send("DELETE", path) == (404, error(f"sandbox {name} not found"))


# Commands


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"command":"echo hi"}', '{"stdout":"hi\\n","stderr":"","exitCode":0}\n'),
        ('{"command":"exit 3"}', '{"stdout":"","stderr":"","exitCode":3}\n'),
        (
            '{"command":"printf out; printf err >&2"}',
            '{"stdout":"out","stderr":"err","exitCode":0}\n',
        ),
        ('{"command":"cat"}', '{"stdout":"","stderr":"","exitCode":0}\n'),
        ('{"command":"pwd"}', '{"stdout":"/workspace\\n","stderr":"","exitCode":0}\n'),
        ('{"command":"id -u"}', '{"stdout":"1000\\n","stderr":"","exitCode":0}\n'),
        (
            '{"command":"printf \'<&>\'"}',
            '{"stdout":"\\u003c\\u0026\\u003e","stderr":"","exitCode":0}\n',
        ),
        ('{"command":" "}', '{"stdout":"","stderr":"","exitCode":0}\n'),
    ],
)
def test_a_command_answers_with_streams_and_exit_code(mount: Mount, body: str, text: str) -> None:
    """200 whatever the exit code (contract 3.7, 5.2)."""
    name = mount.running()

    assert mount.send("POST", f"/sandboxes/{name}/exec", body) == (200, text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("nope", "invalid request body"),
        ("", "invalid request body"),
        ('{"command":5}', "invalid request body"),
        ("{}", "command is required"),
        ('{"command":""}', "command is required"),
        ("null", "command is required"),
    ],
)
def test_a_command_that_is_none_is_refused(mount: Mount, body: str, text: str) -> None:
    """400 without Go's detail (contract 1.7, 3.7)."""
    name = mount.running()

    assert mount.send("POST", f"/sandboxes/{name}/exec", body) == (400, error(text))


def test_files_outlive_a_command_and_nothing_else_does(mount: Mount) -> None:
    """Each command starts fresh, in the same /workspace (contract 5.2)."""
    path = f"/sandboxes/{mount.running()}/exec"

    mount.send("POST", path, '{"command":"echo kept > f; cd /tmp; A=1; export A"}')

    assert mount.send("POST", path, '{"command":"pwd; cat f; echo \\"[$A]\\""}') == (
        200,
        '{"stdout":"/workspace\\nkept\\n[]\\n","stderr":"","exitCode":0}\n',
    )


# Ports


def test_ports_are_forwarded_in_any_phase(mount: Mount) -> None:
    """201 each time, and the list says http (contract 3.8)."""
    name = mount.created()
    path = f"/sandboxes/{name}/ports"
    internal = f"http://pf-{name}-8080.default.svc.cluster.local:8080"

    assert mount.send("GET", path) == (200, '{"ports":[]}\n')
    for _ in range(2):
        status, text = mount.send("POST", path, '{"port":8080,"protocol":"tcp"}')
        assert status == 201
        assert text.startswith('{"port":8080,"protocol":"tcp",')
        assert text.endswith(f'"internalUrl":"{internal}"}}\n')
    assert '{"port":8080,"protocol":"http",' in mount.send("GET", path)[1]
    assert mount.send("DELETE", f"{path}/8080") == (204, "")
    assert mount.send("DELETE", f"{path}/8080") == (204, "")


@pytest.mark.parametrize(
    ("method", "tail", "body", "status", "text"),
    [
        ("POST", "", '{"port":0}', 400, "port must be \\u003e 0"),
        ("POST", "", "{}", 400, "port must be \\u003e 0"),
        (
            "POST",
            "",
            '{"port":70000}',
            500,
            "failed to create port forward: port must be 1-65535 (got 70000)",
        ),
        ("DELETE", "/abc", None, 400, "invalid port: abc"),
        ("DELETE", "/0", None, 400, "invalid port: 0"),
    ],
)
def test_a_port_that_is_none_is_refused(
    mount: Mount, method: str, tail: str, body: str | None, status: int, text: str
) -> None:
    """400 below the range, 500 above it (contract 3.8)."""
    name = mount.created()

    assert mount.send(method, f"/sandboxes/{name}/ports{tail}", body) == (status, error(text))


# Templates


def test_the_templates_contain_the_shipped_one(mount: Mount) -> None:
    """Objects with description, image, name, resourceVersion, spec (contract 3.10)."""
    status, text = mount.send("GET", "/templates/general-coding")

    assert status == 200
    assert re.match(
        r'\{"description":"[^"]*","image":"[^"]*","name":"general-coding",'
        r'"resourceVersion":"\d+","spec":\{"mode":"code",',
        text,
    )
    assert '"name":"general-coding"' in mount.send("GET", "/templates")[1]


def test_a_template_that_is_not_there_is_a_404(mount: Mount) -> None:
    """The text names nothing (contract 3.10)."""
    assert mount.send("GET", "/templates/no-such") == (404, error("template not found"))


def test_an_ordinary_user_writes_no_templates(mount: Mount) -> None:
    """403 as plain text (contract 1.9)."""
    answer = mount.http.post("/api/v1/templates", content='{"name":"t"}')

    assert (answer.status_code, answer.text) == (403, '{"error":"admin_required"}\n')
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
