"""The fake Router in a test's hand."""

from __future__ import annotations

import json
import urllib.request

import pytest

from pytest_agenttier.fake import FakeRouter, LoggedRequest
from pytest_agenttier.fake.engines.scripted import UnexpectedCommand
from pytest_agenttier.fake.quirks import QUIRKS
from pytest_agenttier.fake.state import AlreadyExists
from pytest_agenttier.fake.wire import Request


def test_its_caller_is_an_ordinary_user(router: FakeRouter) -> None:
    """Not the dev admin, so that the traps are there."""
    shown = json.loads(router.get("/api/v1/user/me").body)

    assert (shown["sub"], shown["isAdmin"], shown["groups"]) == ("tester", False, None)


def test_it_serves_on_a_loopback_port_once_asked(router: FakeRouter) -> None:
    """The URL stays the same, and speaks HTTP."""
    assert router.url == router.url
    request = urllib.request.Request(
        f"{router.url}/api/v1/sandboxes", headers={"X-API-Key": router.api_key}
    )
    with urllib.request.urlopen(request) as response:
        assert response.read() == b'{"sandboxes":null}\n'


def test_closing_twice_is_fine() -> None:
    """As with files."""
    router = FakeRouter(exec="scripted")
    router.close()
    router.close()


def test_an_unknown_release_names_the_known_ones() -> None:
    """The error tells the way out."""
    with pytest.raises(ValueError, match=r"no release '9'; there is 0\.8\.1"):
        FakeRouter(release="9")


def test_an_unknown_engine_is_refused_at_once() -> None:
    """Not when the first command runs."""
    with pytest.raises(ValueError, match="rocket"):
        FakeRouter(exec="rocket")


@pytest.mark.parametrize("engines", ["pod, scripted", " pod,scripted ,", ["pod", "scripted"]])
def test_engines_are_named_with_commas_or_one_by_one(
    monkeypatch: pytest.MonkeyPatch, engines: str | list[str]
) -> None:
    """Blanks do not matter; the first that works here is taken."""
    monkeypatch.setattr("sys.executable", "/nonexistent/python")

    with FakeRouter(exec=engines) as router:
        router.exec.register("make", stdout="built")
        router.create("demo")
        answer = router.post("/api/v1/sandboxes/demo/exec", b'{"command":"make"}')
        with pytest.raises(UnexpectedCommand):
            router.post("/api/v1/sandboxes/demo/exec", b'{"command":"x"}')

    assert answer.body == b'{"stdout":"built","stderr":"","exitCode":0}\n'


@pytest.mark.parametrize("phase", ["", "Creating", "Running", "Stopped"])
def test_a_sandbox_is_made_in_a_phase(router: FakeRouter, phase: str) -> None:
    """Without a look."""
    assert router.create("demo", phase=phase) == "demo"
    assert router.post("/api/v1/sandboxes/demo/exec", b"nope").status == (
        400 if phase == "Running" else 409
    )


def test_a_phase_that_cannot_be_reached_says_why(router: FakeRouter) -> None:
    """With what stands in the way."""
    with pytest.raises(ValueError, match=r"cannot become Running: it is Error .*nosuch not found"):
        router.create("demo", template="nosuch")


def test_an_unknown_owner_says_how_to_make_one(router: FakeRouter) -> None:
    """And who is known."""
    with pytest.raises(ValueError, match=r"no user 'bob'; add_user\('bob'\) makes one.*tester"):
        router.create("demo", owner="bob")


def test_a_taken_name_is_an_error_of_the_cluster(router: FakeRouter) -> None:
    """As over HTTP."""
    router.create("demo")
    with pytest.raises(AlreadyExists, match="already exists"):
        router.create("demo")


def test_a_malformed_template_is_told_in_the_routers_words(router: FakeRouter) -> None:
    """A spec is decoded as if posted."""
    with pytest.raises(ValueError, match='time: missing unit in duration "10"'):
        router.add_template("t", {"timeout": "10"})


def test_every_request_is_logged_without_secrets(router: FakeRouter) -> None:
    """Who, about which sandbox, how it ended; a token in the query is blanked."""
    router.post("/api/v1/sandboxes", b'{"name":"a","templateRef":{"name":"t"}}')
    router.get("/api/v1/sandboxes/a?token=hunter2&x=1", {"X-Request-ID": "r1"})
    router.handle(Request("GET", "/nope"))

    created, shown, missed = router.requests
    assert created[:3] == ("POST", "/api/v1/sandboxes", 201)
    assert (created.caller, created.sandbox) == ("tester", "a")
    assert shown == LoggedRequest("GET", "/api/v1/sandboxes/a?token=…&x=1", 401, "r1", "", "a")
    assert missed == LoggedRequest("GET", "/nope", 404, "", "", "")
    assert router.api_key not in repr(router.requests)


def test_two_routers_may_stand_before_one_cluster(router: FakeRouter, dev: FakeRouter) -> None:
    """The same sandboxes, each its own log."""
    router.create("demo")

    assert dev.get("/api/v1/sandboxes/demo").status == 200
    assert len(router.requests) == 0
    assert len(dev.requests) == 1


QUIRK_ANSWERS = {
    "rejected_create_is_500": (
        "POST /api/v1/sandboxes",
        b'{"name":"demo","templateRef":{"name":"t"}}',
        (500, 409),
    ),
    "empty_lists_are_null": (
        "GET /api/v1/sandboxes?namespace=x",
        b"",
        (b'{"sandboxes":null}\n', b'{"sandboxes":[]}\n'),
    ),
    "key_groups_are_null": ("GET /api/v1/user/me", b"", (b'"groups":null', b'"groups":[]')),
    "ports_are_always_http": (
        "GET /api/v1/sandboxes/demo/ports",
        b"",
        (b'"protocol":"http"', b'"protocol":"grpc"'),
    ),
}


@pytest.mark.parametrize("name", QUIRK_ANSWERS)
def test_a_quirk_is_on_until_it_is_switched_off(router: FakeRouter, name: str) -> None:
    """And on again afterwards."""
    router.create("demo")
    router.post("/api/v1/sandboxes/demo/ports", b'{"port":80,"protocol":"grpc"}')
    line, body, (odd, plain) = QUIRK_ANSWERS[name]
    method, target = line.split(" ")

    def answer() -> tuple[int, object]:
        response = router.handle(Request(method, target, (("X-API-Key", router.api_key),), body))
        return response.status, response.body

    def shows(wanted: object) -> bool:
        status, text = answer()
        return status == wanted if isinstance(wanted, int) else wanted in text

    assert shows(odd)
    with router.quirks.off(name):
        assert shows(plain)
    assert shows(odd)


def test_a_kind_that_is_omitted_is_the_clusters_without_the_quirk(router: FakeRouter) -> None:
    """The trap of 3.1, switched off."""
    with router.quirks.off("omitted_kind_is_namespaced"):
        router.post("/api/v1/sandboxes", b'{"name":"a","templateRef":{"name":"general-coding"}}')
    for _ in range(4):
        shown = json.loads(router.get("/api/v1/sandboxes/a").body)

    assert shown["status"] == "Running"


def test_an_unknown_quirk_lists_those_there_are(router: FakeRouter) -> None:
    """A typo must not go unnoticed."""
    with pytest.raises(ValueError, match="no quirk nope; there are empty_lists_are_null, "):
        router.quirks.off("nope").__enter__()


def test_every_quirk_names_its_section() -> None:
    """So that it can be looked up."""
    assert {quirk.section for quirk in QUIRKS.values()} == {"3.1", "3.2", "3.8", "3.11"}
